"""What a historian holds, as values. Pure."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from ..windows import Window, joined, midnight
from .time_sql import BareTime
from .view_sql import View

# Times of readings that make sense, ms since 1970; no unit's fall into another's.
YEAR_1990, YEAR_2100 = 631_152_000_000, 4_102_444_800_000
IN_MILLISECONDS = {"ms": 1.0, "s": 1000.0, "us": 1 / 1000, "ns": 1 / 1_000_000}

PARTS_OF_A_NAME = ("year", "month", "day")
KEYS = ("tagid", "t_stamp", "dataintegrity")  # columns that every table of readings has


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

    ``kinds`` are the types of all columns that are read, as PostgreSQL calls them; ``encoding`` is the server's, as it
    calls that. ``view`` shows a table's own columns by those names, where they have others. ``family`` is the place of
    its kind in the layout. ``span`` is ``None`` for a table without partitions, which may hold any time.
    """

    name: str
    columns: tuple[str, ...] = ()
    kinds: tuple[tuple[str, str], ...] = ()
    encoding: str = "UTF8"
    view: View | None = None
    family: int = 0
    span: Window | None = field(default=None, compare=False)

    def kind(self, column: str) -> str:
        return dict(self.kinds)[column]

    @property
    def time(self) -> BareTime | None:
        """Its own column of time, where it has another name or unit."""
        return self.view.time if self.view else None

    @property
    def keys(self) -> tuple[str, ...]:
        """Its own columns that tell the tag and the time."""
        return self.view.own if self.view else ("tagid", "t_stamp")

    @property
    def own_keys(self) -> tuple[str | None, str]:
        """Its own columns of the tag id, if it is one of whole numbers, and of the time, as an index has them."""
        return (self.view.id, self.view.time.column) if self.view else ("tagid", "t_stamp")


@dataclass(frozen=True)
class LeftOut:
    """A table that is not read though it looks like one of readings, why, and what to do about it.

    ``certain`` tells that it holds readings of the window.
    """

    table: str
    why: str
    certain: bool = True


def span_of(form: re.Match[str], tz: str) -> Window | None:
    """The month, day or year that a table's name speaks of, in ``tz``; ``None`` if it speaks of none.

    ``form`` is how the name fits one of a layout's, see ``description.Tables.form``.
    """
    year, month, day = (int(text) if (text := form.groupdict().get(part)) else None for part in PARTS_OF_A_NAME)
    if year is None or not 1 <= year <= 9998:
        return None
    try:
        first = date(year, month or 1, 1 if day is None else day)
    except ValueError:
        return None
    days = 1 if day else calendar.monthrange(year, month)[1] if month else 366 if calendar.isleap(year) else 365
    return Window(midnight(first, tz), midnight(first + timedelta(days=days), tz))


def unit_of(stamp: int, span: Window | None) -> str | None:
    """The unit in which ``stamp`` is a time of ``span`` or of our days; ``None`` where it is in none."""
    if span is not None and span.start_ms <= stamp < span.end_ms:
        return "ms"
    return next((unit for unit, ms in IN_MILLISECONDS.items() if YEAR_1990 <= stamp * ms < YEAR_2100), None)


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
