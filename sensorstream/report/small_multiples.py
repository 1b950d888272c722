"""Small multiples: one tag each, its readings over the window, and what is worth a look shaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..checks.anomalies import Anomaly
from ..config.settings import Config
from ..errors import LakeError
from ..formatting import cut, plain
from ..lake.scan import entries, open_lake, read_lake
from ..transform.readings import times_ms
from ..windows import Window, zone
from .charts import KEPT, NEUTRAL, POINTED, REJECTED, Picture, canvas, drawn
from .downsampling import min_max, silences, usual_step
from .level_shifts import Levels, left_out, measured
from .run_statistics import NoStatistics, RunStatistics

POINTS = 600  # of a line
TOGETHER = 1_000_000  # readings
MOST_TAGS = 12
MOST_STATES, MOST_NAME = 12, 14  # of a text tag that are drawn by name, and characters of one
SIZE = 3.6, 1.75  # inches of 72 points
# Of years, months, days, hours, minutes and seconds; and of those that begin the next larger.
FORMS = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
ZEROS = ["", "%b %Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
LINE, SHADE = "#767a80b0", "#d9622b38"

Spans = Sequence[tuple[int, int]]


class Line(NamedTuple):
    """Readings of one tag that can be drawn; ``left_out`` are numbers that cannot.

    Of a tag of few texts the values are places in ``states``, of one of many they are NaN.
    """

    times: np.ndarray  # ms since 1970
    values: np.ndarray
    left_out: int = 0
    states: tuple[str, ...] = ()


def moved_most(config: Config, statistics: RunStatistics, window: Window) -> list[Picture]:
    """The tags whose level left the usual furthest: every reading in grey, the level in blue, the unusual shaded."""

    def draw(levels: Levels) -> Picture:
        line = line_of(levels.tagpath)
        return panel(levels.tagpath, _words(levels, line, config.timezone), line, config.timezone,
                     window=window, spans=levels.unusual(), levels=levels, group="moved",
                     unit=units.get(levels.tagpath))  # fmt: skip

    if isinstance(statistics, NoStatistics):
        return [drawn("Levels that moved most", lambda: draw(statistics.moved[0]), group="moved")]
    line_of = read_lines(config, window, [levels.tagpath for levels in statistics.moved])
    units = {tag.tagpath: tag.unit for tag in statistics.tags}
    return [drawn(levels.tagpath, partial(draw, levels), group="moved") for levels in statistics.moved]


def flagged(
    config: Config, window: Window, tags: Mapping[str, Sequence[Anomaly]], units: Mapping[str, str | None]
) -> tuple[list[Picture], str]:
    """Each of ``tags`` with what the checks noted of it; and why there are no pictures, if the lake cannot be read."""

    def draw(path: str, notes: Sequence[Anomaly]) -> Picture:
        line = line_of(path)
        text = notes[0].text + (f", and {len(notes) - 1} more" if notes[1:] else "")
        return panel(path, f"{text}.{more}" if (more := left_out(line.left_out)) else text, line, config.timezone,
                     window=window, spans=[(each.start_ms, each.end_ms) for each in notes], group="flagged",
                     unit=units.get(path))  # fmt: skip

    line_of = read_lines(config, window, tags)
    try:
        return [drawn(path, partial(draw, path, notes), group="flagged") for path, notes in tags.items()], ""
    except LakeError as error:
        # Also a run that failed on the lake has a report.
        return [], str(error)


def read_lines(config: Config, window: Window, tagpaths: Collection[str]) -> Callable[[str], Line]:
    """Gives the line of each of these tags in the lake, which are read together while that holds few in memory."""
    exact = {path: rf"\A{re.escape(path)}\Z" for path in tagpaths}

    @cache
    def together() -> pa.Table | None:
        open_lake(config)  # which says so where there is none
        rows = sum(entry.rows for entry in entries(config, window, [*exact.values()]))
        return read_lake(config, window, patterns=[*exact.values()]) if rows <= TOGETHER else None

    def line(path: str) -> Line:
        if (found := together()) is None:
            found = read_lake(config, window, patterns=exact[path])
        return _line(found.filter(pc.equal(found.column("tagpath"), path)))

    return line


def _line(found: pa.Table) -> Line:
    """The numbers of one tag or, where it has none, its texts."""
    times, values = times_ms(found), found.column("value").to_numpy()
    numbers = measured(values)
    odd = len(values) - found.column("value").null_count - int(numbers.sum())
    if not numbers.any():
        texts = found.column("text").combine_chunks().dictionary_encode()
        if odd or not 0 < len(texts.dictionary) <= MOST_STATES:
            return Line(times, np.full(len(times), np.nan), odd)
        places = texts.indices.to_numpy(zero_copy_only=False).astype(float)
        return Line(times, places, states=tuple(texts.dictionary.to_pylist()))
    return Line(times[numbers], values[numbers], odd)


def panel(
    tagpath: str, text: str, line: Line, timezone: str, *, window: Window | None = None,
    spans: Spans = (), levels: Levels | None = None, group: str = "", unit: str | None = None,
) -> Picture:  # fmt: skip
    """One tag's picture: least and greatest of every stretch as a line that breaks at gaps, ``spans`` shaded."""
    import matplotlib.dates as mdates

    times, values, _, states = line

    def at(milliseconds: Iterable[int] | np.ndarray) -> np.ndarray:
        return mdates.date2num(np.asarray(milliseconds).astype("datetime64[ms]"))

    with canvas(tagpath, text, size=SIZE, group=group) as drawing:
        axes = drawing.axes
        for begin, end in spans:
            # With an edge, so that a minute shows in a month.
            axes.axvspan(*at([begin, end]), facecolor=SHADE, edgecolor=REJECTED, lw=0.7)
        shown = min_max(values, POINTS)
        broken = np.searchsorted(times[shown], silences(times, usual_step(times))[:, 0], side="right")
        across, path = at(times[shown]), values[shown].astype(float)
        # A level above says what matters; the readings then are its background.
        colour, width = (LINE, 0.6) if levels else (KEPT, 1.2 if states else 0.8)
        axes.plot(np.insert(across, broken, np.nan), np.insert(path, broken, np.nan), color=colour, lw=width,
                  drawstyle="steps-post" if states else "default", gid=POINTED)  # fmt: skip
        if levels:
            axes.stairs(levels.means, at(levels.edges_ms), baseline=None, color=KEPT, lw=1.6)
        zoned = zone(timezone)
        axes.xaxis.set_major_locator(locator := mdates.AutoDateLocator(tz=zoned, minticks=2, maxticks=5))
        dates = mdates.ConciseDateFormatter(locator, zoned, formats=FORMS, zero_formats=ZEROS, show_offset=False)
        if states:
            axes.set_yticks(
                range(len(states)), [cut(" ".join(state.split()), MOST_NAME) or "(empty)" for state in states]
            )
        elif np.isnan(values).all():
            # Texts have a time and no height.
            axes.plot(across, np.zeros(len(across)), "|", color=KEPT, markersize=14)
            axes.set_yticks([])
        else:
            axes.locator_params(axis="y", nbins=4)
            axes.yaxis.set_major_formatter(lambda value, _: plain(value))
        axes.set_title(unit or "", loc="left", fontsize=9, parse_math=False)
        axes.tick_params(colors=NEUTRAL)
        axes.margins(x=0.01)
        if window:  # all tags of a page from the same time to the same time
            axes.set_xlim(*at([window.start_ms, window.end_ms]))
        left, right = axes.get_xlim()
        every = axes.xaxis.get_majorticklocs()
        named = zip(every, dates.format_ticks(every), strict=True)
        texts = {tick: text for tick, text in named if left <= tick <= right}
        axes.set_xticks(list(texts), list(texts.values()))  # once, not at each look
        times_of = [round(day * 86_400_000) for day in (left, right)]
        drawing.tip = {"times": times_of, "y": axes.get_ylim(), "unit": unit or "", "states": states}
    return drawing.picture()


def _words(levels: Levels, line: Line, timezone: str) -> str:
    """What is usual, and when it was lowest and highest."""
    times, values, odd, _ = line
    if line.states or np.isnan(values).all():
        return "No numbers in the lake now."

    def told(place: np.intp) -> str:
        moment = datetime.fromtimestamp(times[place] / 1000, UTC).astimezone(zone(timezone))
        return f"{plain(values[place])} on {moment:%d %b %Y %H:%M}"

    lowest, highest = told(values.argmin()), told(values.argmax())
    return f"Usually {plain(levels.usual)}; lowest {lowest}, highest {highest}.{left_out(odd)}"
