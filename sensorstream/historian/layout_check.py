"""What a layout makes of a historian, table by table, before anything is read by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from ..config.settings import Config
from ..errors import SourceError
from ..windows import Window, day_window, zone
from .catalog import OF_WEEKS, Historian, open_historian
from .extent import always, ends_of
from .model import PartitionTable
from .readings_sql import in_window, table_name
from .table_shapes import checked
from .tables import NEIGHBOUR

MOST_NAMED = 5  # tags


@dataclass(frozen=True)
class TableLook:
    """A table of readings: from when to when it has some (``None`` where there are none, or none in a calendar), the
    types of its values, or why it cannot be read."""

    name: str
    first: datetime | None = None
    last: datetime | None = None
    values: str = ""
    failure: str | None = None

    def to_json(self) -> dict[str, Any]:
        times = {name: moment and moment.isoformat() for name, moment in (("first", self.first), ("last", self.last))}
        return {"table": self.name, **times, "values": self.values, "failure": self.failure}


@dataclass(frozen=True)
class LayoutLook:
    """A layout held against a historian: tables, tags, and on ``day``, the newest, the tags without a reading and the
    readings without a tag."""

    layout: str
    tables: tuple[TableLook, ...]
    tags: int
    day: Window | None
    silent: tuple[str, ...]
    readings: int
    untagged: int
    several: tuple[str, ...]  # tag paths that several ids have
    notes: tuple[str, ...]
    timezone: str  # the site's, of which ``day`` is one

    @property
    def sentences(self) -> list[str]:
        """What was found of the tags, and whatever does not fit."""
        if not self.tables:
            return [f'no table fits the names that layout "{self.layout}" has: correct "tables"', *self.notes]
        found = [f"{self.tags:,} tags"]
        if self.several:
            those = f"{len(self.several):,} of them, {self.several[0]} for one"
            found.append(f"{those}, have several ids, whose readings become one series: is each a single sensor?")
        if self.day:
            newest = self.day.start.astimezone(zone(self.timezone)).date()
            found.append(f"{self.readings:,} readings on {newest}, the newest day")
            if self.silent:
                named = ", ".join(self.silent[:MOST_NAMED]) + (", …" if len(self.silent) > MOST_NAMED else "")
                found.append(f"{len(self.silent):,} tags have no reading on that day: {named}")
            if self.untagged:
                found.append(f"{self.untagged:,} readings of that day are of no tag: are they left out on purpose?")
        return [*found, *self.notes]

    def raise_if_wrong(self) -> None:
        """``SourceError`` where a table cannot be read, there is none, or its readings are of no tag."""
        if failed := [table for table in self.tables if table.failure]:
            raise SourceError(
                f'layout "{self.layout}" does not fit {len(failed)} of {len(self.tables)} tables: see above'
            )
        if not self.tables:
            raise SourceError(f'layout "{self.layout}" finds no table: see above')
        if self.readings and self.readings == self.untagged:
            raise SourceError(
                f'layout "{self.layout}": no reading is of a tag: do "id" of readings and tags say the same?'
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "layout": self.layout,
            "tables": [table.to_json() for table in self.tables],
            "tags": self.tags,
            "day": self.day and self.day.to_json(),
            "readings": self.readings,
            "untagged": self.untagged,
            "silent": list(self.silent),
            "several_ids": list(self.several),
            "notes": list(self.notes),
        }


def check_layout(config: Config) -> LayoutLook:
    """Hold the configured layout against the historian; reads the readings of one day's tags alone, to count them.

    Raises ``SourceError`` where the historian cannot be reached or its tags cannot be read.
    """
    with open_historian(config) as historian:
        tags = historian.tags()
        looks, readable, others = [], [], []
        for table in historian.every_table():
            try:
                known = checked(historian, table)
                looks.append(_look(historian, known))
                readable.append(known)
                others += _outside(known, looks[-1])
            except SourceError as error:
                if historian.connection.closed:
                    raise
                looks.append(TableLook(table.name, failure=str(error)))
        last = max((look.last for look in looks if look.last), default=None)
        day = day_window(last.astimezone(zone(config.timezone)).date(), config.timezone) if last else None
        counts: Counter[int | None] = Counter()
        for table in readable:
            if day and (table.span is None or table.span.overlaps(day)):
                query = sql.SQL("SELECT tagid::int8, count(*) FROM {} WHERE {} GROUP BY 1").format(
                    table_name(historian.schema, table), in_window(table, day, None)
                )
                counts.update(dict(historian.ask(f"counting {table.name}", query)))
        ids = {number for tag in tags for number in tag.ids}
        return LayoutLook(
            layout=historian.layout.name,
            tables=tuple(looks),
            tags=len(tags),
            day=day,
            silent=tuple(tag.path for tag in tags if day and not counts.keys() & set(tag.ids)),
            readings=sum(counts.values()),
            untagged=sum(count for number, count in counts.items() if number not in ids),
            several=tuple(tag.path for tag in tags if len(tag.ids) > 1),
            notes=(*others, *historian.notes, *(one.why for one in historian.left_out(always()))),
            timezone=config.timezone,
        )


def _look(historian: Historian, table: PartitionTable) -> TableLook:
    first, last = ends_of(historian, table)
    values = ", ".join(dict.fromkeys(table.kind(name) for name in table.columns))
    return TableLook(table.name, first, last, values)


def _outside(table: PartitionTable, look: TableLook) -> list[str]:
    """That a table's readings are none of the time that its name says."""
    if not (table.span and look.first and look.last):
        return []
    if look.first - NEIGHBOUR < table.span.end and table.span.start <= look.last + NEIGHBOUR:
        return []
    return [f"{table.name} is taken for {table.span} and has no reading of that time: {OF_WEEKS}"]
