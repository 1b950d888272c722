"""A view as traces and a layout of Plotly: rows over one time axis, silences shaded, rejected readings as marks.

Times are drawn as those of the configured time zone, see ``axis_zone``. Pure but for Plotly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..formatting import plain
from ..lake.scan import measure
from ..report.level_shifts import measured
from ..transform.quality_names import with_name
from ..transform.readings import times_ms
from ..windows import Window, zone
from .tag_search import TagList
from .view import View

Arrangement = Literal["stacked", "together"]

# Of a lightness that is seen on white and on black.
COLORS = ("#3b82d6", "#d9822b", "#2a9d6f", "#c44d8a", "#8a6fd1", "#a58a1e", "#1f9bb3", "#c9513f")
MARK, GAP, GRID, INK = "#d64545", "rgba(128,128,128,0.22)", "rgba(128,128,128,0.25)", "#767676"
ROW_HEIGHT, LONE_HEIGHT, MARGINS = 165, 330, 70  # pixels
MOST_STATES = 12  # of a text tag, each on its own line; more are points with their text beside the pointer
FEW_POINTS = 150  # of a line, shown with their dots
SHORT = timedelta(days=4)  # of longer windows nobody sees that an hour is drawn over itself


@dataclass(frozen=True)
class Row:
    """Tags that share a vertical place."""

    tags: tuple[str, ...]
    words: bool = False


def rows_of(view: View, known: TagList, tags: Sequence[str], arrangement: Arrangement) -> list[Row]:
    """Stacked: a row a tag. Together: numbers in one row, each text tag in its own."""
    words = [tag for tag in tags if known.is_text(tag) or _is_text(view.of(tag))]
    numbers = [tag for tag in tags if tag not in words]
    if arrangement == "stacked":
        return [Row((tag,), tag in words) for tag in tags]
    return [*([Row(tuple(numbers))] if numbers else []), *(Row((tag,), True) for tag in words)]


def drawn(
    view: View, known: TagList, tags: Sequence[str], arrangement: Arrangement, visible: Window, tz: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Traces, two a tag, and the layout."""
    site, tz = tz, axis_zone(visible, tz)
    rows = rows_of(view, known, tags, arrangement)
    axes = _Axes(rows, known)
    traces = [
        trace
        for number, tag in enumerate(tags)
        for trace in traces_of(view, tag, axes, COLORS[number % len(COLORS)], tz)
    ]
    tall = LONE_HEIGHT if len(rows) == 1 else ROW_HEIGHT * len(rows)
    layout = {
        "height": tall + MARGINS,
        "margin": {"l": 64, "r": 24, "t": 30, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "size": 12},
        "hovermode": "closest",
        "dragmode": "zoom",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": INK, "activecolor": COLORS[0]},
        "showlegend": any(len(row.tags) > 1 for row in rows),
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {
            "type": "date",
            "range": [text_of(visible.start, tz), text_of(visible.end, tz)],
            "anchor": axes.names[-1] if rows else "y",
            "gridcolor": GRID,
            "linecolor": GRID,
            "automargin": True,
            "title": {"text": "" if tz == site else f"{tz}: clocks of {site} show an hour of this twice"},
        },
        **axes.layout,
        "annotations": axes.titles,
        "shapes": list(shades(view, rows, axes, tz)),
    }
    return traces, layout


def traces_of(view: View, tag: str, axes: _Axes, color: str, tz: str) -> Iterator[dict[str, Any]]:
    """The line of a tag, broken where it is silent, and its marks."""
    readings, marks = view.of(tag), view.marks_of(tag)
    times = times_ms(readings)
    silent = np.searchsorted(times, view.gaps[tag][:, 0], side="right") if len(times) else np.empty(0, np.int64)
    at = local(np.insert(times, silent, times[silent - 1] + 1), tz)
    words = tag in axes.words
    held = words or axes.known.datatype(tag) == "int"  # until the next reading: text, switches, counts
    values: Any
    texts: list[str | None] | None = None
    if words:
        texts = readings.column("text").to_pylist()
        for place in reversed(silent.tolist()):
            texts.insert(place, None)
        values = texts if len(set(texts)) <= MOST_STATES else [None if text is None else "" for text in texts]
    else:
        numbers = readings.column("value").to_numpy(zero_copy_only=False)
        values = np.insert(np.where(measured(numbers), numbers, np.nan), silent, np.nan)
    yield {
        "type": "scatter",
        "name": tag,
        "x": at,
        "y": values,
        "text": texts,
        "yaxis": axes.of[tag],
        "mode": "lines+markers" if words or len(times) <= FEW_POINTS else "lines",
        "line": {"color": color, "width": 1.3, "shape": "hv" if held else "linear"},
        "marker": {"size": 4, "color": color},
        "hovertemplate": "%{text}<br>%{x}<extra></extra>" if words else "%{y:.6~g}<br>%{x}<extra></extra>",
    }
    told = zip(*(marks.column(name).to_pylist() for name in ("value", "reason", "quality")), strict=True)
    why = [
        f"{'' if value is None or measured(value) else f'{plain(value)}, '}{reason} (quality {with_name(code)})"
        for value, reason, code in told
    ]
    yield {
        "type": "scatter",
        "name": f"{tag}: not good",
        "x": local(times_ms(marks), tz),
        "y": np.full(marks.num_rows, 0.03),
        "text": [text.replace("_", " ").replace("(quality None)", "") for text in why],
        "yaxis": axes.foot[tag],
        "mode": "markers",
        "showlegend": False,
        "marker": {"symbol": "line-ns-open", "size": 9, "color": MARK, "line": {"width": 1.5}},
        "hovertemplate": "%{text}<br>%{x}<extra></extra>",
    }


def shades(view: View, rows: Sequence[Row], axes: _Axes, tz: str) -> Iterator[dict[str, Any]]:
    """Silences, each behind the row of its tag."""
    for number, row in enumerate(rows):
        for tag in row.tags:
            for begin, end in view.gaps[tag]:
                first, last = local(np.array([begin, end]), tz)
                yield {
                    "type": "rect",
                    "x0": first,
                    "x1": last,
                    "y0": axes.domain(number)[0],
                    "y1": axes.domain(number)[1],
                    "yref": "paper",
                    "fillcolor": GAP,
                    "line": {"width": 0},
                    "layer": "below",
                }


class _Axes:
    """Vertical axes: one a row, more where tags of one row have several units, and a foot for marks each row."""

    def __init__(self, rows: Sequence[Row], known: TagList) -> None:
        self.count, self.known = len(rows), known
        self.words = {tag for row in rows if row.words for tag in row.tags}
        self.layout: dict[str, dict[str, Any]] = {}
        self.titles: list[dict[str, Any]] = []
        self.of: dict[str, str] = {}
        self.foot: dict[str, str] = {}
        self.names = [self._row_axis(number, row) for number, row in enumerate(rows)]
        for number, row in enumerate(rows):
            foot = self._axis(
                domain=self.domain(number), overlaying=self.names[number], range=[0, 1], fixedrange=True, visible=False
            )
            self.foot |= dict.fromkeys(row.tags, foot)

    def _axis(self, **words: Any) -> str:
        number = str(len(self.layout) + 1) if self.layout else ""
        self.layout[f"yaxis{number}"] = words
        return f"y{number}"

    def _row_axis(self, number: int, row: Row) -> str:
        # A drag zooms the time alone; the values follow.
        style = {"gridcolor": GRID, "zeroline": False, "nticks": 6, "linecolor": GRID, "fixedrange": True}
        units = dict.fromkeys(_unit(tag, self.known) for tag in row.tags)
        kind = {"type": "category", "categoryorder": "category ascending"} if row.words else {"type": "linear"}
        first, *others = units
        name = self._axis(domain=self.domain(number), title={"text": first, "standoff": 4}, **style, **kind)
        names = {first: name} | {
            unit: self._axis(overlaying=name, side="right", anchor="free", autoshift=True,
                             title={"text": unit, "standoff": 4}, **style | {"showgrid": False, "tickmode": "auto"})
            for unit in others
        }  # fmt: skip
        for tag in row.tags:
            self.of[tag] = names[_unit(tag, self.known)]
        if len(row.tags) == 1:
            self.titles.append(
                {"text": row.tags[0], "xref": "paper", "x": 0, "xanchor": "left", "yref": "paper",
                 "y": self.domain(number)[1], "yanchor": "bottom", "showarrow": False, "font": {"size": 12}}
            )  # fmt: skip
        return name

    def domain(self, number: int) -> list[float]:
        """From the top; between rows there is room for a title."""
        room = 0.2 / self.count if self.count > 1 else 0.0
        high = (1 + room) / self.count
        top = 1 - number * high
        return [max(round(top - high + room, 4), 0.0), round(top, 4)]


def axis_zone(window: Window, tz: str) -> str:
    """The zone in which ``window`` is drawn: UTC where it is short and clocks of ``tz`` go back in it."""
    first, last = (moment.astimezone(zone(tz)).utcoffset() or timedelta() for moment in (window.start, window.end))
    return "UTC" if last < first and window.end - window.start <= SHORT else tz


def local(times: np.ndarray, tz: str) -> list[str]:
    """Milliseconds since 1970 UTC as the clocks of ``tz`` show them, for Plotly, which knows no time zones."""
    utc = pa.array(times.astype(np.int64)).view(pa.timestamp("ms", tz="UTC"))
    found = pc.local_timestamp(utc.cast(pa.timestamp("ms", tz=tz))).to_numpy(zero_copy_only=False)
    return [str(time) for time in np.datetime_as_string(found)]


def text_of(moment: datetime, tz: str) -> str:
    return moment.astimezone(zone(tz)).strftime("%Y-%m-%dT%H:%M:%S")


def window_seen(span: Sequence[Any], tz: str) -> Window:
    """The window, whole seconds outwards, that a range of the time axis shows."""
    # An hour that clocks show twice is seen twice, one over the other.
    (start, _), (_, end) = sorted(_moments(text, tz) for text in span)
    start = start.replace(microsecond=0)
    end = end.replace(microsecond=0) + timedelta(seconds=1 if end.microsecond or end == start else 0)
    return Window(start, max(end, start + timedelta(seconds=1)))


def padded(window: Window, share: float = 0.25) -> Window:
    """Wider on both sides, so that a line goes on to the border and a small move shows no empty place."""
    more = timedelta(seconds=max(round((window.end - window.start).total_seconds() * share), 1))
    return Window(window.start - more, window.end + more)


def _moments(text: Any, tz: str) -> tuple[datetime, datetime]:
    """The first and the last instant at which clocks of ``tz`` show that."""
    moment = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).replace(" ", "T"))
    ways = [
        (moment if moment.tzinfo else moment.replace(tzinfo=zone(tz), fold=fold)).astimezone(UTC) for fold in (0, 1)
    ]
    return min(ways), max(ways)


def _unit(tag: str, known: TagList) -> str:
    """What the axis says: the unit, else what the tag measures."""
    return known.unit(tag) or measure(tag)


def _is_text(readings: pa.Table) -> bool:
    return bool(readings.num_rows) and readings.column("value").null_count == readings.num_rows
