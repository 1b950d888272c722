"""The page of all runs: a calendar of the days, how figures move from day to day, and every run with its report."""

from __future__ import annotations

import os
from calendar import Calendar
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np

from ..atomic_files import replace_text
from ..config.settings import Config
from ..extras import needs
from ..formatting import short, size
from ..windows import zone
from .charts import KEPT, WIDTH, Picture, canvas, drawn
from .run_history import Run, by_day, runs
from .run_page import places, templates
from .storage import of_reports, open_storage, place_of, remote
from .verified import Verified, kept
from .verified import by_day as verified_by_day

NAME = "index.html"
MOST_MONTHS = 12
OPEN_MONTHS, OPEN_RUNS = 3, 60  # those that are not folded
FEWEST_POINTS, MOST_POINTS = 2, 365  # runs of a trend
MARKED_POINTS = 60  # up to which each run has a mark


@dataclass(frozen=True)
class Index:
    """Where the page is, and of how many runs it tells."""

    place: str
    runs: int


def build(config: Config, out: Path | None = None) -> Index:
    """Write the page of all runs beside them, or to ``out``; the same runs make the same page.

    Raises
    ------
    LakeError
        The reports' store failed.
    """
    needs("the page of all runs", lab=("matplotlib", "jinja2"))
    found = runs(config)
    with of_reports():
        page = render(found, config, kept(config), base=_base(config, out) if out is not None else "")
        if out is None:
            open_storage(config).put(NAME, page.encode())
    if out is not None:
        replace_text(out, page)
    return Index(str(out or f"{config.reports_path.rstrip('/')}/{NAME}"), len(found))


def render(found: Sequence[Run], config: Config, verified: Sequence[Verified], *, base: str = "") -> str:
    """The page; ``base`` stands before each link. Pure but for the template."""
    timezone, here = config.timezone, zone(config.timezone)
    days, looks = by_day(found, timezone), verified_by_day(verified, timezone)
    alike = comparable(found, timezone)
    return (
        templates()
        .get_template("index.html.j2")
        .render(
            plant=config.db.dbname,
            head=places(config),
            runs=found,
            days=days,
            verdict_of=lambda day: _verdict(days[day], looks.get(day)),
            looks=looks,
            verified=verified,
            months=sorted({day.replace(day=1) for day in days}, reverse=True)[:MOST_MONTHS],  # that have a run
            weeks_of=lambda month: Calendar().monthdatescalendar(month.year, month.month),
            open_months=OPEN_MONTHS,
            open_runs=OPEN_RUNS,
            trends=trends(alike, timezone),
            alike=alike,
            timezone=timezone,
            link=lambda run: f"{base}{quote(run.folder)}/report.html" if run.reported else None,
            local=lambda at: at.astimezone(here),
            days_of=lambda one, name="": days_words(one.days(timezone)) or name,
            size=size,
        )
    )


def _verdict(own: Sequence[Run], look: Verified | None) -> str:
    """How a day stands: as its worst run ended, unless ``verify`` has found since that the lake differs."""
    differs = look and look.differences and look.at > max(run.ended for run in own)
    return "differs" if differs else str(own[0].outcome.verdict)


def comparable(found: Sequence[Run], timezone: str) -> list[Run]:
    """The runs whose figures can be held against each other: of the patterns and the number of days that most windows
    were asked for, the newest of each window, in order of the data; its bytes are the most that a run of that window
    wrote, as one that finds nothing changed writes none. Pure."""
    groups: dict[tuple[str, int], dict[str, Run]] = {}
    for run in sorted(found, key=lambda run: run.ended):
        if run.published and run.outcome.window:
            patterns = run.outcome.asked.rpartition("_")[2]
            group = groups.setdefault((patterns, len(run.days(timezone))), {})
            before = group.get(run.outcome.asked, run).outcome.bytes_written or 0
            most = max(before, run.outcome.bytes_written or 0)
            group[run.outcome.asked] = replace(run, outcome=replace(run.outcome, bytes_written=most))
    largest = max(groups.values(), key=lambda group: (len(group), max(run.ended for run in group.values())), default={})
    return sorted(largest.values(), key=_starts)[-MOST_POINTS:]


def _starts(run: Run) -> datetime:
    return run.window.start if run.window else run.ended


def trends(alike: Sequence[Run], timezone: str) -> list[Picture]:
    """Readings, rejected share, duration and bytes by day of the data."""
    if len(alike) < FEWEST_POINTS:
        return []
    here, figures = (
        zone(timezone),
        (
            ("Readings read", lambda ended: ended.read or 0, short),
            (
                "Rejected, %",
                lambda ended: 100 * (ended.rejected or 0) / max(ended.read or 0, 1),
                lambda share: f"{share:.2g} %",
            ),
            ("Seconds from start to commit", lambda ended: ended.seconds or 0, lambda seconds: f"{seconds:.3g} s"),
            # Where no run is kept that wrote what is there, there is no point.
            ("Bytes written", lambda ended: ended.bytes_written or (None if ended.written else 0), size),
        ),
    )
    found = []
    for title, value, text in figures:
        known = [(_starts(run).astimezone(here), number) for run in alike if (number := value(run.outcome)) is not None]
        found += (
            [drawn(title, partial(_line, title, known, text), group="trends")] if len(known) >= FEWEST_POINTS else []
        )
    return found


def _line(title: str, known: Sequence[tuple[datetime, float]], text: Callable[[float], str]) -> Picture:
    """A point for each window, where it begins."""
    values, first = [value for _, value in known], known[0][0].date()
    alt = f"Last {text(values[-1])}; {text(min(values))} to {text(max(values))} in {len(values)} runs."
    with canvas(title, alt, size=(WIDTH, 1.7), group="trends") as drawing:
        axes = drawing.axes
        day_one = datetime.combine(first, time())
        places = [(at.replace(tzinfo=None) - day_one) / timedelta(days=1) for at, _ in known]
        marker = "o" if len(values) <= MARKED_POINTS else ""
        axes.plot(places, values, color=KEPT, lw=1.4, marker=marker, markersize=3.5)
        ticks = sorted({round(place) for place in np.linspace(0, int(places[-1]), 5)})
        axes.set_xticks(ticks, [f"{first + timedelta(days=tick):%d %b}" for tick in ticks])
        axes.set_ylim(0, (max(values) or 1) * 1.1)
        axes.locator_params(axis="y", nbins=4)
        axes.yaxis.set_major_formatter(lambda value, _: text(value))
        axes.margins(x=0.02)
        told = {float(day): "no run" for day in {*range(int(places[-1]))} - {*map(int, places)}}
        for place, value in zip(places, values, strict=True):
            told[place] = f"{told[place]}; {text(value)}" if place in told else text(value)
        drawing.tip = {
            "places": sorted(told),
            "labels": [_when(day_one + timedelta(days=place)) for place in sorted(told)],
            "values": {title: [told[place] for place in sorted(told)]},
            "x": axes.get_xlim(),
        }
    return drawing.picture()


def _when(at: datetime) -> str:
    return f"{at:%a %d %b %Y}" if at.time() == time() else f"{at:%a %d %b %Y, %H:%M}"


def days_words(days: Sequence[date]) -> str:
    """Days of a window, short: ``14 Oct 2026``, ``30 Oct to 1 Nov 2026``. Pure."""
    if not days:
        return ""
    first, last = days[0], days[-1]
    if first == last:
        return f"{first.day} {first:%b %Y}"
    return f"{first.day} {first:%b}{'' if first.year == last.year else f' {first.year}'} to {last.day} {last:%b %Y}"


def _base(config: Config, out: Path) -> str:
    """The way from ``out`` to the reports: relative to a folder, an address on S3 (for those who may read there)."""
    if not remote(config):
        return quote(os.path.relpath(Path(config.reports_path).resolve(), out.resolve().parent)) + "/"
    from ..lake.stores.bucket import address

    place = place_of(config)
    endpoint, virtual_hosted = address(place)
    if endpoint is None:
        host = f"s3.{place.s3_region or 'us-east-1'}.amazonaws.com"
        endpoint = f"https://{place.bucket_name}.{host}" if virtual_hosted else f"https://{host}"
    bucket = "" if virtual_hosted else f"/{place.bucket_name}"
    return f"{endpoint}{bucket}/{quote(place.s3_directory)}"
