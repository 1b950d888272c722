"""The runs that are kept, each as it ended, and the days that they cover."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..config.settings import Config
from ..config.strict_json import parsed
from ..config.wrong_values import first_of
from ..errors import ConfigError
from ..lake.concurrency import at_once
from ..lake.scan import FETCHES_AT_ONCE
from ..lake.stores import Store
from ..pipeline.run_record import RunRecord
from ..windows import YEARS, Window, from_name
from .outcome import NAME, Outcome, Verdict, count_warnings, counts
from .storage import folders, of_reports, open_storage

WORST_FIRST: tuple[Verdict, ...] = ("failed", "broken", "warnings", "done")
KILLED = "no record: it is still running, or was ended before it could write one"
RECORD = "record.json"
LONGEST_DAYS = 40_000  # of a window, in the calendar
MOST = 1 << 63  # counts of readings and bytes are below it
OUTCOMES, RECORDS = TypeAdapter(Outcome), TypeAdapter(RunRecord)
STAMP = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class Run:
    """One execution: its folder, relative to where reports are kept, how it ended, and whether there is a report."""

    folder: str
    outcome: Outcome
    reported: bool

    @property
    def published(self) -> bool:
        """Whether it came as far as the lake: a record says what it read."""
        return self.outcome.read is not None

    @property
    def ended(self) -> datetime:
        """When it ended; for a broken one when it began, as far as its folder tells."""
        if self.outcome.ended:
            return datetime.fromisoformat(self.outcome.ended)
        try:
            return datetime.strptime(self.folder.rpartition("/")[2], STAMP).replace(tzinfo=UTC)
        except ValueError:
            return datetime.min.replace(tzinfo=UTC)

    @property
    def window(self) -> Window | None:
        """Its window; ``None`` where its folder does not tell."""
        return Window.from_json(self.outcome.window) if self.outcome.window else None

    def days(self, timezone: str) -> list[date]:
        """The days, in the site's time zone, of which its window holds a part."""
        return [day for day, _ in self.window.days(timezone)] if self.window else []


def runs(config: Config) -> list[Run]:
    """Every run that is kept, the newest first; one whose folder does not tell is ``broken``, never an error."""
    with of_reports():
        store = open_storage(config)
        found = folders(config)
        with at_once(FETCHES_AT_ONCE) as pool:
            ended = pool.map(lambda item: _ended(store, *item), found.items())
            kept = [
                Run(folder, outcome, "report.html" in names)
                for (folder, names), outcome in zip(found.items(), ended, strict=True)
            ]
    return sorted(kept, key=lambda run: (run.ended, run.folder), reverse=True)


def records(config: Config) -> list[dict[str, Any]]:
    """The record of every run that is kept and came to one, as JSON; ``ConfigError`` names one that cannot be read."""
    with of_reports(), at_once(FETCHES_AT_ONCE) as pool:
        store = open_storage(config)
        keys = sorted(f"{folder}/{RECORD}" for folder, names in folders(config).items() if RECORD in names)
        texts = [*zip(keys, pool.map(store.get, keys), strict=True)]
    found = []
    for key, text in texts:
        try:
            found.append(_json(text))
        except ValueError as error:
            place = f"{config.reports_path.rstrip('/')}/{key}"
            raise ConfigError(f"run record {place} cannot be read: {error}: remove it") from None
    return found


def by_day(found: Iterable[Run], timezone: str) -> dict[date, list[Run]]:
    """The runs of each day, the worst first: of every window and patterns the latest execution, of those that came as
    far as the lake if there is one. One that did not says nothing of a day that the lake has from another. Pure."""
    latest: dict[str, Run] = {}
    for run in sorted(found, key=lambda run: (run.published, run.ended, run.folder)):
        latest[run.outcome.asked] = run
    published = [run for run in latest.values() if run.published]
    days: dict[date, list[Run]] = {}
    for run in sorted(latest.values(), key=lambda run: WORST_FIRST.index(run.outcome.verdict)):
        if run.published or not any(_has(other, run) for other in published):
            for day in run.days(timezone):
                days.setdefault(day, []).append(run)
    return days


def _has(done: Run, failed: Run) -> bool:
    """Whether the lake has from ``done`` what ``failed`` was about: the same patterns, or none that anybody could use,
    and all of its window."""
    same = done.outcome.asked.rpartition("_")[2] == failed.outcome.asked.rpartition("_")[2]
    there, wanted = done.window, failed.window
    if not (same or failed.outcome.exit_code == ConfigError.exit_code) or there is None or wanted is None:
        return False
    return there.covers(wanted)


def _ended(store: Store, folder: str, names: set[str]) -> Outcome:
    """How the run in ``folder`` ended, from its verdict or, before there were verdicts, its record and checks."""
    name = next((name for name in (NAME, RECORD) if name in names), None)
    if name is None:
        return _broken(folder, KILLED)
    try:
        told = _json(store.get(f"{folder}/{name}"))
        if name == NAME:
            return _checked(OUTCOMES.validate_python(told))
        checks = [
            _json(store.get(f"{folder}/{check}"))
            for check in ("check_source.json", "check_lake.json")
            if check in names
        ]
        return _checked(_recorded(RECORDS.validate_python(told), checks, "check_lake.json" in names))
    except ValidationError as error:
        place, why = first_of(error)
        return _broken(folder, f'{name} cannot be read: "{place}": {why}')
    except (ConfigError, ValueError, TypeError, KeyError, AttributeError) as error:
        return _broken(folder, f"{name} cannot be read: {error}")


def _json(text: bytes | None) -> Any:
    return parsed((text or b"").decode())


def _checked(found: Outcome) -> Outcome:
    """``found``, where the page can show it; ``ValueError`` or ``ConfigError`` where somebody has been at it."""
    for at in (found.ended, *(found.window or {}).values()):
        if at is None or datetime.fromisoformat(at).tzinfo is None or datetime.fromisoformat(at).year not in YEARS:
            raise ValueError(f"{at} is no instant")
    if found.window:
        _in_a_calendar(Window.from_json(found.window))
    numbers = (found.read, found.rejected, found.written, found.bytes_written, found.seconds)
    known = [number for number in numbers if number is not None]
    if len(known) not in (0, len(numbers)) or not all(0 <= number < MOST for number in (found.warnings, *known)):
        raise ValueError("it counts some things only, or what nobody can have counted")
    return found


def _in_a_calendar(window: Window) -> dict[str, str]:
    if not {window.start.year, window.end.year} <= set(YEARS) or (window.end - window.start).days > LONGEST_DAYS:
        raise ValueError(f"the window {window} is longer, or further away, than any run's")
    return window.to_json()


def _recorded(record: RunRecord, checks: Sequence[dict[str, Any]], finished: bool) -> Outcome:
    warnings = count_warnings(checks) + len(record.warnings)
    passed = finished and all(check["success"] for check in checks)
    return Outcome(
        verdict="failed" if not passed else "warnings" if warnings else "done",
        asked=record.run_id,
        patterns=record.patterns,
        window=record.window,
        ended=record.finished,
        reason=None if passed else "the lake check failed" if finished else "the lake was not checked",
        warnings=warnings,
        **counts(record),
    )


def _broken(folder: str, reason: str) -> Outcome:
    """What the folder's name tells of a run that left nothing else."""
    asked = folder.partition("/")[0]
    window = None
    if found := re.match(r"([^_]+_[^_]+)_", asked):
        with suppress(ValueError, ConfigError):  # a folder of another name
            window = _in_a_calendar(from_name(found[1]))
    return Outcome(verdict="broken", asked=asked, window=window, ended=None, reason=reason)
