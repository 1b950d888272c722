"""Pictures as SVG: transparent, in colours that read on white and on black, text left as text."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from html import escape
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from ..errors import SensorStreamError
from ..formatting import short, size
from ..windows import zone
from .run_statistics import WIDTHS, RunStatistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue and orange differ for every kind of colour vision, and both keep 3:1 against white and against black.
KEPT, REJECTED, NEUTRAL, GRID = "#2f7fc1", "#d9622b", "#767a80", "#767a8040"
WIDTH, HEIGHT = 4.6, 2.4  # inches of 72 points; wider, and letters are too small on a phone
NOTEBOOK_PIXELS = 460  # of a picture's width in a notebook
MOST_TICKS = 7
# Matplotlib's own font, a wide one, measures the room; the page's is shown in it.
FONT = "DejaVu Sans"
SHOWN_FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"
MOST_ROWS = 10
POINTED = "pointed"  # the line whose values are told where one points
STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": FONT,
    "font.size": 10,
    "text.color": NEUTRAL,
    "axes.labelcolor": NEUTRAL,
    "xtick.color": NEUTRAL,
    "ytick.color": NEUTRAL,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 6,
    "legend.frameon": False,
}
Asked = ParamSpec("Asked")  # what a picture is made from
# Written by hand: Matplotlib may be what failed.
NOT_DRAWN = (
    '<svg role="img" aria-label="{}" style="max-width:100%" viewBox="0 0 331 43"><text y="26" fill="{}"'
    ' font-family="sans-serif" font-size="10">not drawn</text></svg>'
)


@dataclass(frozen=True)
class Picture:
    """An SVG with a title and a sentence for those who cannot see it; ``group`` is the report's section for it."""

    title: str
    alt: str
    svg: str
    group: str = "read"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        # Letters of a picture that is as wide as the notebook would be larger than the notebook's own.
        page = (
            f'<figure style="margin:0;max-width:{NOTEBOOK_PIXELS}px"><figcaption style="font-weight:600">'
            f"{escape(self.title)}</figcaption>{self.svg}</figure>"
        )
        return (
            {"text/html": page, "image/svg+xml": self.svg, "text/plain": f"{self.title}: {self.alt}"},
            {"sensorstream": {"title": self.title, "alt": self.alt, "group": self.group}},
        )


def drawn(title: str, draw: Callable[[], Picture], *, group: str = "read") -> Picture:
    """What ``draw`` makes or, where it cannot, a picture that says why: what is in the lake is checked all the same."""
    try:
        return draw()
    except SensorStreamError:
        raise
    except Exception as error:
        alt = " ".join(f"Not drawn, {type(error).__name__}: {error}".split())
        return Picture(title, alt, NOT_DRAWN.format(escape(f"{title}: {alt}"), f"var(--soft, {NEUTRAL})"), group)


def pictured(title: str, *, group: str = "read") -> Callable[[Callable[Asked, Picture]], Callable[Asked, Picture]]:
    """Makes a function one that always gives a picture, see ``drawn``."""

    def decorate(draw: Callable[Asked, Picture]) -> Callable[Asked, Picture]:
        @wraps(draw)
        def always(*args: Asked.args, **names: Asked.kwargs) -> Picture:
            return drawn(title, lambda: draw(*args, **names), group=group)

        return always

    return decorate


@pictured("Readings over time")
def readings_over_time(statistics: RunStatistics) -> Picture:
    """Readings of each hour (or day, by the length of the window), kept and rejected."""
    kept, rejected = int(statistics.kept.sum()), int(statistics.rejected.sum())
    empty = int((statistics.kept + statistics.rejected == 0).sum())
    title = f"Readings per {WIDTHS[statistics.width_s]}"
    alt = f"{kept:,} kept and {rejected:,} rejected readings in {len(statistics.kept)} bars"
    alt += f", {empty} of them empty." if empty else "."
    with canvas(title, alt) as drawing:
        axes = drawing.axes
        place = np.arange(len(statistics.kept))
        axes.bar(place, statistics.kept, width=0.86, color=KEPT, label="kept")
        axes.bar(place, statistics.rejected, width=0.86, bottom=statistics.kept, color=REJECTED, label="rejected")
        # A bar's left border is its time, so that midnight stands between two days.
        ticks, labels = time_ticks(statistics.starts_ms, statistics.timezone)
        axes.set_xticks([tick - 0.5 for tick in ticks], labels)
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_formatter(lambda value, _: short(value))
        axes.margins(x=0.01)
        drawing.tip = {
            "labels": place_names(statistics),
            "values": {"kept": statistics.kept.tolist(), "rejected": statistics.rejected.tolist()},
            "x": axes.get_xlim(),
        }
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.1, handlelength=1.0)
    return drawing.picture()


@pictured("Rejected by area")
def quality_by_area(statistics: RunStatistics) -> Picture:
    """Which share of each area's readings was rejected, worst first; an area without readings has none."""
    lost, kept = Counter(statistics.rejected_by_area), Counter(statistics.kept_by_area)
    shares = _largest({name: 100 * lost[name] / every for name, every in (lost + kept).items()})
    worst = next(iter(shares), None)
    alt = "Nothing was rejected." if shares else "No readings."
    if worst and shares[worst]:
        alt = f"Most is rejected in {worst}: {shares[worst]:.2g} %."
    return _rows("Rejected by area, %", alt, shares, REJECTED, lambda value: f"{value:.2g} %")


@pictured("Tags with most rejected readings")
def most_rejected(statistics: RunStatistics) -> Picture:
    """The tags with most rejected readings."""
    found = _largest(statistics.rejected_by_tag)
    first = next(iter(found), None)
    alt = f"{first} has most: {found[first]:,}." if first else "Nothing was rejected."
    return _rows("Tags with most rejected readings", alt, found, REJECTED, short)


@pictured("Largest tags in the lake")
def bytes_by_tag(statistics: RunStatistics) -> Picture:
    """The tags that take most room in the lake."""
    found = _largest(statistics.bytes_by_tag)
    first = next(iter(found), None)
    alt = f"{first} takes most: {size(found[first])}." if first else "No files."
    return _rows("Largest tags in the lake", alt, found, KEPT, size)


# -- the drawing ----------------------------------------------------------------------------------------------------


@dataclass
class Canvas:
    """One figure while it is drawn."""

    title: str
    alt: str
    figure: Figure
    axes: Axes
    group: str
    tip: dict[str, Any] | None = None  # what the page's script tells where one points, see page.js
    svg: str = ""

    def picture(self) -> Picture:
        return Picture(self.title, self.alt, self.svg, self.group)


@contextmanager
def canvas(
    title: str, alt: str, *, size: tuple[float, float] = (WIDTH, HEIGHT), rows: int = 1, group: str = "read"
) -> Iterator[Canvas]:
    """A figure to draw on, in the style of all; its SVG is there after the block."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = STYLE | {"svg.hashsalt": title}
    with rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(rows, 1, sharex=rows > 1, squeeze=False)
        drawing = Canvas(title, alt, figure, axes[0, 0], group)
        yield drawing
        sink = io.StringIO()
        figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        if drawing.tip:
            place = drawing.axes.get_position()
            drawing.tip["box"] = [round(share, 5) for share in (place.x0, 1 - place.y1, place.x1, 1 - place.y0)]
        drawing.svg = lean(sink.getvalue(), title, alt, drawing.tip)


def lean(svg: str, title: str, alt: str, tip: Mapping[str, Any] | None = None) -> str:
    """Matplotlib's SVG for a page: no prologue, scales with its box, ids of its own, a name that is read aloud."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:xmlns:xlink|width|height|version)="[^"]*"', "", svg, count=4)
    svg = svg.replace("xlink:href", "href").replace(f"'{FONT}'", SHOWN_FONT)
    # In the report the text takes the page's colour, which has more contrast than one that must suit every page.
    svg = svg.replace(f"fill: {NEUTRAL}", f"fill: var(--soft, {NEUTRAL})")
    # A hundredth of a point is no pixel, and six digits of each corner are half of a page.
    svg = re.sub(r' d="[^"]+"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
    own = hashlib.sha256(svg.encode()).hexdigest()[:6]
    svg = svg.replace(f' id="{POINTED}"', f' class="{POINTED}"')
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{own}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{own}-", svg)
    label = escape(f"{title}: {alt}", quote=True)
    pointed = f' class="tipped" data-tip="{escape(json.dumps(tip), quote=True)}"' if tip else ""
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}" style="max-width:100%"{pointed}', 1)


def _rows(title: str, alt: str, values: Mapping[str, float], colour: str, text: Any) -> Picture:
    """Horizontal bars with their names above them, so that long tag paths have the whole width."""
    if not values:
        with canvas(title, alt, size=(WIDTH, 0.8)) as drawing:
            drawing.axes.axis("off")
            drawing.axes.text(0, 0.5, alt, va="center")
        return drawing.picture()
    with canvas(title, alt, size=(WIDTH, 0.3 + 0.36 * len(values))) as drawing:
        axes = drawing.axes
        most = max(values.values()) or 1.0
        for row, (name, value) in enumerate(values.items()):
            axes.barh(row, value, height=0.34, color=colour)
            axes.text(0, row - 0.28, clipped(name), va="bottom", ha="left", parse_math=False)
            axes.text(most, row - 0.28, text(value), va="bottom", ha="right")
        axes.set_xlim(0, most)
        axes.set_ylim(len(values) - 0.5, -0.85)
        axes.axis("off")
    return drawing.picture()


def clipped(name: str, most: int = 40) -> str:
    """The end of a long name, which tells more than its beginning. Pure."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _largest(values: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0]))[:MOST_ROWS])


def time_ticks(starts_ms: np.ndarray, timezone: str) -> tuple[list[int], list[str]]:
    """Which bars to label, and how: few, at round local times, the date where a day begins. Pure."""
    local = [datetime.fromtimestamp(int(start) / 1000, UTC).astimezone(zone(timezone)) for start in starts_ms]
    for minutes in (5, 15, 30, 60, 120, 180, 360, 720, 1440):
        ticks = [place for place, at in enumerate(local) if (60 * at.hour + at.minute) % minutes == 0]
        if len(ticks) <= MOST_TICKS:
            break
    ticks = (ticks or [0])[:: -(-len(ticks) // MOST_TICKS) or 1]
    labels = []
    for place, at in ((place, local[place]) for place in ticks):
        day = f"{at.day} {at:%b}"
        midnight = at.hour == at.minute == 0
        labels.append(day if midnight else f"{at:%H:%M}" if place != ticks[0] else f"{at:%H:%M}\n{day}")
    return ticks, labels


def place_names(statistics: RunStatistics) -> list[str]:
    """When each bar begins, in the site's time zone: ``14 Oct 13:00``."""
    here = zone(statistics.timezone)
    begins = [datetime.fromtimestamp(int(start) / 1000, UTC).astimezone(here) for start in statistics.starts_ms]
    return [f"{at.day} {at:%b %H:%M}" for at in begins]
