"""Which tables of a schema hold readings, by ``sqlth_partitions`` or by their names, and which are left out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from psycopg import sql

from ..windows import Window
from .connection import Connection
from .model import PartitionTable, span_of

PARTITIONS = "sqlth_partitions"
NOT_PARTITIONED = re.compile(r"^sqlth_\d+_data$")
COLUMNS_OF_READINGS = {"tagid", "t_stamp", "value", "dataintegrity"}  # of the generic layout

# What each relation of the schema is a partition or heir of, near or far, by way of whatever schema.
ANCESTORS = """
WITH RECURSIVE above(name, oid) AS (
    SELECT c.relname::text, inhparent FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = %(schema)s AND relkind IN ('r', 'p', 'f')
    UNION SELECT name, inhparent FROM above JOIN pg_inherits ON inhrelid = oid)
SELECT name, relname::text FROM above JOIN pg_class c ON c.oid = above.oid
JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %(schema)s
"""


@dataclass(frozen=True)
class Listing:
    """The tables of readings of a schema, whatever time they hold.

    ``unlisted`` look like such tables and are not read. ``by_name`` tells that what time a table holds is taken from
    the name that a gateway gave it, which tells when it begins.
    """

    tables: tuple[PartitionTable, ...]
    unlisted: tuple[PartitionTable, ...]
    by_name: bool = False
    notes: tuple[str, ...] = ()


def existing_tables(connection: Connection, schema: str) -> list[str]:
    """Every table of the schema, and what can be read like one."""
    found = connection.execute(
        "SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = %s AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1",
        [schema],
    ).fetchall()
    return [name for (name,) in found]


def generic_tables(connection: Connection, schema: str, tags_table: str, tz: str) -> Listing:
    """Tables with a month or day in their names and a column of readings; those with all columns and no month."""
    columns: dict[str, set[str]] = defaultdict(set)
    for name, column in connection.execute(
        "SELECT relname::text, attname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " JOIN pg_attribute ON attrelid = c.oid AND NOT attisdropped AND attname = ANY(%s)"
        " WHERE nspname = %s AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1",
        [list(COLUMNS_OF_READINGS), schema],
    ):
        columns[name].add(column)
    tables = [
        PartitionTable(name, span=span)
        for name, found in columns.items()
        if (span := span_of(name, tz)) and {"tagid", "t_stamp"} & found
    ]
    chosen = {table.name for table in tables}
    others = [
        PartitionTable(name)
        for name, found in columns.items()
        if found == COLUMNS_OF_READINGS and name not in {tags_table, *chosen}
    ]
    ancestors = _ancestors(connection, schema)
    return Listing(_roots(tables, ancestors), _unrelated(others, chosen, ancestors))


def ignition_tables(connection: Connection, schema: str, tz: str) -> Listing:
    """Tables of raw readings that ``sqlth_partitions`` lists; where it lists none, those whose names say so."""
    existing = existing_tables(connection, schema)
    ancestors = _ancestors(connection, schema)
    notes: list[str] = []
    listed: list[PartitionTable] = []
    processed = set()
    for name, raw, start, end in _listed(connection, schema) if PARTITIONS in existing else ():
        if not raw:
            processed.add(name)
        elif name in existing:
            listed.append(PartitionTable(name, span=_span(start, end)))
        else:
            notes.append(f"{name} is listed in {PARTITIONS} but does not exist: left out")
    known = processed | {table.name for table in listed}
    named = [
        PartitionTable(name, span=span_of(name, tz)) for name in existing if name not in known and _named_so(name, tz)
    ]
    if not listed:
        notes.append(f"{PARTITIONS} lists no table: partition tables taken from the catalog by name")
        return Listing(_roots(named, ancestors), (), by_name=True, notes=tuple(notes))
    return Listing(_roots(listed, ancestors), _unrelated(named, known, ancestors), notes=tuple(notes))


def _listed(connection: Connection, schema: str) -> list[tuple[str, bool, int | None, int | None]]:
    """Each name, whether its readings are raw, and when they begin and end (ms since 1970)."""
    return connection.execute(
        sql.SQL(
            "SELECT pname, coalesce(blocksize, 0) = 0, CASE WHEN count(start_time) = count(*) THEN min(start_time) END,"
            " CASE WHEN count(end_time) = count(*) THEN max(end_time) END FROM {}"
            " WHERE pname IS NOT NULL GROUP BY 1, 2 ORDER BY 1"
        ).format(sql.Identifier(schema, PARTITIONS))
    ).fetchall()


def _named_so(name: str, tz: str) -> bool:
    """Whether a gateway gives such names to tables of readings."""
    return bool(NOT_PARTITIONED.match(name)) or (name.startswith("sqlt_data_") and span_of(name, tz) is not None)


def _ancestors(connection: Connection, schema: str) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, ancestor in connection.execute(ANCESTORS, {"schema": schema}):
        found[name].add(ancestor)
    return found


def _roots(tables: Sequence[PartitionTable], ancestors: Mapping[str, set[str]]) -> tuple[PartitionTable, ...]:
    """Those that are no part of another, which shows their rows as well and is then taken for their time, too."""
    by_name = {table.name: table for table in tables}
    parts = {name: ancestors.get(name, set()) & set(by_name) for name in by_name}
    return tuple(
        replace(table, span=_hull([table.span, *(by_name[part].span for part, of in parts.items() if name in of)]))
        for name, table in by_name.items()
        if not parts[name]
    )


def _unrelated(
    tables: Iterable[PartitionTable], chosen: Collection[str], ancestors: Mapping[str, set[str]]
) -> tuple[PartitionTable, ...]:
    """Those that are no part of ``chosen`` ones nor of each other, and of which no chosen one is a part."""
    above = {ancestor for name in chosen for ancestor in ancestors.get(name, ())}
    others = [table for table in tables if table.name not in above and not ancestors.get(table.name, set()) & {*chosen}]
    return _roots(others, ancestors)


def _hull(spans: Sequence[Window | None]) -> Window | None:
    known = [span for span in spans if span is not None]
    if len(known) < len(spans):
        return None
    return Window(min(span.start for span in known), max(span.end for span in known))


def _span(start: int | None, end: int | None) -> Window | None:
    """A listed span (ms since 1970), widened to whole seconds; ``None`` where it is open or makes no sense."""
    try:
        first, last = (
            datetime.fromtimestamp((start or 0) // 1000, UTC),
            datetime.fromtimestamp(-(-(end or 0) // 1000), UTC),
        )
        return Window(first, last) if first < last else None
    except (ValueError, OverflowError, OSError):
        return None
