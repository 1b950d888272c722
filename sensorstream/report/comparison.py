"""A run beside those of the day before and of the same weekday a week before: is it worse than usual?"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from ..config.settings import Config
from ..errors import SensorStreamError
from ..lake.stores import Store
from ..pipeline.run_record import run_id
from ..windows import Window, zone
from .run_history import Run, runs
from .storage import open_storage, remote

FEWER, MORE = 0.9, 1.5  # times what was usual: below and above it is worse
MORE_POINTS, MORE_GAPS = 0.005, 3  # and at least so much more of what is rejected, so many gaps more


@dataclass(frozen=True)
class Day:
    """The figures of one run; ``gaps`` is ``None`` where no check has looked, ``link`` leads from run to run."""

    name: str
    read: int
    rejected: int
    gaps: int | None
    link: str | None = None

    @property
    def share(self) -> float:
        return self.rejected / self.read if self.read else 0.0


@dataclass(frozen=True)
class Around:
    """Where the page of all runs is from a report, links to the windows before and after, and what is comparable."""

    home: str
    links: dict[str, str]
    before: list[Day]


def around(config: Config, folder: Path, window: Window, patterns: Sequence[str]) -> Around:
    """What is kept beside the run in ``folder``; where that cannot be read, the report goes without."""
    home = "../.." if remote(config) else quote(os.path.relpath(Path(config.reports_path).resolve(), folder.resolve()))
    here, links, before = config.timezone, {}, []
    with suppress(SensorStreamError, OSError, ValueError):
        store, found = open_storage(config), runs(config)
        step = days_of(window, here)
        for name, days in (("before", -step), ("after", step)):
            other = shifted(window, days, here)
            run = newest(found, other, patterns)
            day = f"index.html#{other.start.astimezone(zone(here)).date()}"
            links[f"the {'day' if step == 1 else 'days'} {name}"] = f"{home}/{_report(run) or day}"
        # Of a day or less the day and the week before; of more, as many days before.
        for days in (1, 7) if step == 1 else (step,):
            other = shifted(window, -days, here)
            if run := newest(found, other, patterns):
                before.append(_day(store, run, day_name(other, here), home))
    return Around(home, links, before)


def _day(store: Store, run: Run, name: str, home: str) -> Day:
    report, gaps = _report(run), gaps_in(store.get(f"{run.folder}/check_lake.json"))
    return Day(name, run.outcome.read or 0, run.outcome.rejected or 0, gaps, report and f"{home}/{report}")


def gaps_in(check: bytes | None) -> int | None:
    """How many gaps the lake's check of a run noted; ``None`` where it left none, or what cannot be read. Pure."""
    try:
        found = json.loads(check or b"")["notable_total"].get("gap", 0)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, int) else None


def _report(run: Run | None) -> str | None:
    return f"{quote(run.folder)}/report.html" if run and run.reported else None


def newest(found: Sequence[Run], window: Window, patterns: Sequence[str]) -> Run | None:
    """The newest run of the same patterns over ``window`` that came as far as the lake; ``found`` begin with the
    newest. Pure."""
    asked = run_id(window, patterns)
    return next((run for run in found if run.outcome.asked == asked and run.published), None)


def days_of(window: Window, timezone: str) -> int:
    """How many days a window has on the site's calendar, the last perhaps not whole. Pure."""
    start, end = _local(window, timezone)
    return max(-(-(end - start) // timedelta(days=1)), 1)


def shifted(window: Window, days: int, timezone: str) -> Window:
    """The same local times so many days later. Pure."""
    moved = (at + timedelta(days=days) for at in _local(window, timezone))
    return Window(*(at.replace(tzinfo=zone(timezone)) for at in moved))


def _local(window: Window, timezone: str) -> tuple[datetime, datetime]:
    """Start and end as a clock on the site's wall shows them."""
    here = zone(timezone)
    return window.start.astimezone(here).replace(tzinfo=None), window.end.astimezone(here).replace(tzinfo=None)


def worse(now: Day, before: Sequence[Day]) -> list[str]:
    """What is worse than on all of the days before, in words. Pure."""
    found = []
    if now.read < FEWER * (least := min(day.read for day in before)):
        found.append(f"{100 * (1 - now.read / least):.0f} % fewer readings")
    if now.share > max(MORE * (most := max(day.share for day in before)), most + MORE_POINTS):
        found.append(f"{100 * now.share:.2g} % rejected where {100 * most:.2g} % were")
    gaps = [day.gaps for day in before if day.gaps is not None]
    if now.gaps is not None and gaps and now.gaps > max(MORE * max(gaps), max(gaps) + MORE_GAPS):
        found.append(f"{now.gaps:,} gaps where there were {max(gaps):,}")
    return found


def verdict(now: Day, before: Sequence[Day]) -> str:
    """Whether it is worse than usual, in a sentence. Pure."""
    names = " and ".join(day.name for day in before)
    found = worse(now, before)
    return f"Worse than {names}: {', '.join(found)}" if found else f"Not worse than {names}"


def day_name(window: Window, timezone: str) -> str:
    """``Tue 13 Oct``, by its start. Pure."""
    return f"{window.start.astimezone(zone(timezone)):%a %d %b}"
