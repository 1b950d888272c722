"""What a historian holds, as values. Pure."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from ..windows import Window, joined, midnight

Layout = Literal["ignition", "generic"]

# sqlt_data_1_2026_10, sqlt_data_1_2026_9, sensor_data_2026_10; daily: sqlt_data_1_20210314; yearly, a gateway's alone:
# sqlt_data_1_2026
MONTHLY = re.compile(r"^(?P<name>.+)_(?P<year>\d{4})_(?P<month>\d{1,2})$")
DAILY = re.compile(r"^(?P<name>.+)_(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})$")
YEARLY = re.compile(r"^(?P<name>sqlt_data_\d+)_(?P<year>\d{4})$")

# Times of readings that make sense, ms since 1970; no unit's fall into another's.
YEAR_1990, YEAR_2100 = 631_152_000_000, 4_102_444_800_000
TO_MILLISECONDS = {"seconds": "* 1000", "microseconds": "/ 1000", "nanoseconds": "/ 1000000"}

KEYS = ("tagid", "t_stamp", "dataintegrity")  # columns that every table of readings has
USUAL_KINDS = {
    "tagid": "integer",
    "t_stamp": "bigint",
    "dataintegrity": "integer",
    "floatvalue": "double precision",
    "intvalue": "bigint",
    "value": "double precision",
    "stringvalue": "text",
    "datevalue": "timestamp without time zone",
}


@dataclass(frozen=True, order=True)
class Tag:
    """A tag path and the ids that it has had, oldest first."""

    path: str
    ids: tuple[int, ...]
    datatype: str | None = field(default=None, compare=False)
    description: str | None = field(default=None, compare=False)
    unit: str | None = field(default=None, compare=False)
    created: int | None = field(default=None, compare=False)
    retired: int | None = field(default=None, compare=False)


@dataclass(frozen=True, order=True)
class PartitionTable:
    """A table of readings, the columns that hold values, and the time that it is listed for.

    ``kinds`` are the types of all columns that are read, as PostgreSQL calls them; one that is not named has that of
    ``USUAL_KINDS``. ``encoding`` is the server's, as PostgreSQL calls it. ``span`` is ``None`` for a table without
    partitions, which may hold any time.
    """

    name: str
    columns: tuple[str, ...] = ()
    kinds: tuple[tuple[str, str], ...] = ()
    encoding: str = "UTF8"
    span: Window | None = field(default=None, compare=False)

    def kind(self, column: str) -> str:
        return dict(self.kinds).get(column) or USUAL_KINDS[column]


@dataclass(frozen=True)
class LeftOut:
    """A table that is not read though it looks like one of readings, why, and what to do about it.

    ``certain`` tells that it holds readings of the window.
    """

    table: str
    why: str
    certain: bool = True


def span_of(name: str, tz: str) -> Window | None:
    """The month, day or year that a table's name speaks of, in ``tz``; ``None`` if it speaks of none."""
    if found := MONTHLY.match(name):
        year, month = int(found["year"]), int(found["month"])
        if not 1 <= month <= 12 or not 1 <= year <= 9998:
            return None
        first = date(year, month, 1)
        return Window(midnight(first, tz), midnight(first + timedelta(calendar.monthrange(year, month)[1]), tz))
    if found := DAILY.match(name):
        try:
            day = date(int(found["year"]), int(found["month"]), int(found["day"]))
        except ValueError:
            return None
        return Window(midnight(day, tz), midnight(day + timedelta(days=1), tz))
    if (found := YEARLY.match(name)) and 1 <= (year := int(found["year"])) <= 9998:
        return Window(midnight(date(year, 1, 1), tz), midnight(date(year + 1, 1, 1), tz))
    return None


def series_of(name: str) -> str:
    """What tables of one driver have in common: their names without the time."""
    return next((found["name"] for form in (MONTHLY, DAILY, YEARLY) if (found := form.match(name))), name)


def unit_of(stamp: int, span: Window | None) -> str | None:
    """The unit in which ``stamp`` is a time of ``span`` or of our days; ``None`` where it is in none."""
    if YEAR_1990 <= stamp < YEAR_2100 or (span is not None and span.start_ms <= stamp < span.end_ms):
        return "milliseconds"
    in_ms = {"seconds": stamp * 1000, "microseconds": stamp // 1000, "nanoseconds": stamp // 1_000_000}
    return next((unit for unit, ms in in_ms.items() if YEAR_1990 <= ms < YEAR_2100), None)


def coverage(tables: Iterable[PartitionTable], window: Window) -> list[Window]:
    """The parts of ``window`` that tables are listed for, in order of time."""
    parts = [part for table in tables if (part := (table.span or window).clip(window))]
    return joined(parts, touching=True)


DATATYPES = {0: "int", 1: "float", 2: "string", 3: "date"}  # as Ignition numbers them


def tag_of(path: str, rows: list[tuple[Any, ...]]) -> Tag:
    """One path of several ids: the newest id's metadata, the first ``created``, ``retired`` only if all are."""
    newest = rows[-1]
    created = [row[5] for row in rows if row[5] is not None]
    retired = [row[6] for row in rows]
    return Tag(
        path=path,
        ids=tuple(row[1] for row in rows),
        datatype=DATATYPES.get(newest[2], str(newest[2])) if newest[2] is not None else None,
        description=newest[3],
        unit=newest[4],
        created=min(created) if created else None,
        retired=max(retired) if retired and all(r is not None for r in retired) else None,
    )
