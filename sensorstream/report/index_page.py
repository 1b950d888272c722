"""The page of all runs: a calendar of the days, how the figures move from run to run, and every run with its report."""

from __future__ import annotations

import os
from calendar import Calendar
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
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
from .run_page import templates
from .storage import of_reports, open_storage, place_of, remote

NAME = "index.html"
MOST_MONTHS = 12
OPEN_MONTHS, OPEN_RUNS = 3, 60  # those that are not folded
MOST_POINTS = 365  # runs of a trend
MARKED_POINTS = 60  # up to which each run has a mark


@dataclass(frozen=True)
class Index:
    """Where the page is, and of how many runs it tells."""

    place: str
    runs: int


@dataclass(frozen=True)
class Month:
    """One month of the calendar: its weeks, a day of another month as ``None``."""

    name: str
    weeks: list[list[date | None]]


def build(config: Config, out: Path | None = None) -> Index:
    """Write the page of all runs beside them, or to ``out``; the same runs make the same page.

    Raises
    ------
    LakeError
        The reports' store failed.
    """
    needs("the page of all runs", lab=("matplotlib", "jinja2"))
    found = runs(config)
    if out is not None:
        replace_text(out, render(found, config.timezone, base=_base(config, out)))
        return Index(str(out), len(found))
    with of_reports():
        open_storage(config).put(NAME, render(found, config.timezone).encode())
    return Index(f"{config.reports_path.rstrip('/')}/{NAME}", len(found))


def render(found: Sequence[Run], timezone: str, *, base: str = "") -> str:
    """The page; ``base`` stands before each link. Pure but for the template."""
    days = by_day(found, timezone)
    here = zone(timezone)
    return (
        templates()
        .get_template("index.html.j2")
        .render(
            runs=found,
            days=days,
            months=months(days),
            open_months=OPEN_MONTHS,
            open_runs=OPEN_RUNS,
            trends=trends(found, timezone),
            timezone=timezone,
            link=lambda run: f"{base}{quote(run.folder)}/report.html" if run.reported else None,
            local=lambda at: at.astimezone(here),
            window_of=lambda run: _window(run, timezone),
            size=size,
        )
    )


def months(days: Mapping[date, object]) -> list[Month]:
    """The months from the last day back that have a run, at most ``MOST_MONTHS``, the newest first. Pure."""
    named = sorted({(day.year, day.month) for day in days}, reverse=True)[:MOST_MONTHS]
    return [
        Month(
            f"{date(year, month, 1):%B %Y}",
            [
                [day if day.month == month else None for day in week]
                for week in Calendar().monthdatescalendar(year, month)
            ],
        )
        for year, month in named
    ]


def trends(found: Sequence[Run], timezone: str) -> list[Picture]:
    """Readings, rejected share, duration and bytes of the last runs that came to a record, in order of time."""
    told = [run for run in reversed(found) if run.outcome.read is not None][-MOST_POINTS:]
    if not told:
        return []
    ended = [run.outcome for run in told]
    labels = [f"{run.ended.astimezone(zone(timezone)):%d %b}" for run in told]
    shares = [100 * (each.rejected or 0) / max(each.read or 0, 1) for each in ended]
    return [
        _trend("Readings read", [each.read or 0 for each in ended], labels, short),
        _trend("Rejected, %", shares, labels, lambda value: f"{value:.2g} %"),
        _trend(
            "Seconds from start to commit",
            [each.seconds or 0 for each in ended],
            labels,
            lambda value: f"{value:.3g} s",
        ),
        _trend("Bytes written", [each.bytes_written or 0 for each in ended], labels, size),
    ]


def _trend(title: str, values: Sequence[float], labels: Sequence[str], text: Callable[[float], str]) -> Picture:
    return drawn(title, lambda: _line(title, values, labels, text), group="trends")


def _line(title: str, values: Sequence[float], labels: Sequence[str], text: Callable[[float], str]) -> Picture:
    alt = f"Last {text(values[-1])}; {text(min(values))} to {text(max(values))} in {len(values)} runs."
    with canvas(title, alt, size=(WIDTH, 1.7), group="trends") as drawing:
        axes = drawing.axes
        marker = "o" if len(values) <= MARKED_POINTS else ""
        axes.plot(values, color=KEPT, lw=1.4, marker=marker, markersize=3.5)
        ticks = sorted({round(place) for place in np.linspace(0, len(values) - 1, 5)})
        axes.set_xticks(ticks, [labels[tick] for tick in ticks])
        axes.set_ylim(0, (max(values) or 1) * 1.1)
        axes.locator_params(axis="y", nbins=4)
        axes.yaxis.set_major_formatter(lambda value, _: text(value))
        axes.margins(x=0.02)
    return drawing.picture()


def _window(run: Run, timezone: str) -> str:
    """The days of a run's window, short: ``14 Oct 2026``, ``30 Oct to 1 Nov 2026``."""
    days = list(run.days(timezone))
    if not days:
        return run.folder
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
