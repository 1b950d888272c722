"""Which tables of a schema hold readings, by a table that lists them or by their names, and which are left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from psycopg import sql

from ..config.layouts.description import Listing as LayoutListing
from ..config.layouts.description import Readings
from ..errors import ConfigError, SourceError
from ..windows import Window
from .connection import Connection
from .model import PartitionTable, span_of

# A table can hold readings a little outside the time it is listed for (a gateway in another time zone, a roll-over
# at an odd hour), so tables this near to the window are asked whether they do.
NEIGHBOUR = timedelta(days=1)
A_YEAR = timedelta(days=366)

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

    @classmethod
    def joined(cls, several: Sequence[Listing]) -> Listing:
        """Those of several kinds of tables; one that is read is left out by no other kind.

        Raises ``SourceError`` for a table of two kinds: what is counted and noted of a table goes by its name.
        """
        tables = tuple(table for one in several for table in one.tables)
        read = Counter(table.name for table in tables)
        if twice := next((name for name, count in read.items() if count > 1), None):
            raise SourceError(
                f'table {twice} fits "tables" of two objects of "readings": narrow one of them, or show the table in a'
                " view of another name for it"
            )
        unlisted = tuple(table for one in several for table in one.unlisted if table.name not in read)
        return cls(
            tables, unlisted, any(one.by_name for one in several), tuple(n for one in several for n in one.notes)
        )


def existing_tables(connection: Connection, schema: str) -> list[str]:
    """Every table of the schema, and what can be read like one."""
    found = connection.execute(
        "SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = %s AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1",
        [schema],
    ).fetchall()
    return [name for (name,) in found]


def named_tables(
    connection: Connection, schema: str, kind: Readings, family: int, known: Collection[str], tz: str
) -> Listing:
    """Tables whose names fit and that have a column of readings; those with all of their columns and no such name, but
    the ``known`` ones, which hold something else.

    Of a table whose partitions all fit by themselves they are read, and not it.
    """
    columns: dict[str, set[str]] = defaultdict(set)
    for name, column in connection.execute(
        "SELECT relname::text, attname::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " JOIN pg_attribute ON attrelid = c.oid AND NOT attisdropped AND attname = ANY(%s)"
        " WHERE nspname = %s AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1",
        [list(kind.columns), schema],
    ):
        columns[name].add(column)
    keys = {*kind.id, kind.time.column}
    fitting = (table for name, found in columns.items() if keys & found and (table := _named(name, kind, family, tz)))
    ancestors = _ancestors(connection, schema)
    tables = _in_partitions(connection, schema, list(fitting), ancestors)
    chosen = {table.name for table in tables}
    others = [
        PartitionTable(name)
        for name, found in columns.items()
        if found == kind.columns and name not in known and _named(name, kind, family, tz) is None
    ]
    return Listing(_roots(tables, ancestors), _unrelated(others, chosen, ancestors))


def listed_tables(connection: Connection, schema: str, kind: Readings, family: int, tz: str) -> Listing:
    """Tables of raw readings that the layout's listing names; where it names none, those whose names say so."""
    existing = existing_tables(connection, schema)
    ancestors = _ancestors(connection, schema)
    notes: list[str] = []
    listed: list[PartitionTable] = []
    processed = set()
    listing = kind.tables.listing
    assert listing is not None
    there = listing.query or listing.table in existing
    for name, raw, start, end in _listed(connection, schema, listing) if there else ():
        if not raw:
            processed.add(name)
        elif name in existing:
            listed.append(PartitionTable(name, span=_span(start, end), family=family))
        else:
            notes.append(f"{name} is listed in {listing.called} but does not exist: left out")
    known = processed | {table.name for table in listed}
    named = [table for name in existing if name not in known and (table := _named(name, kind, family, tz))]
    if not listed:
        notes.append(f"{listing.called} lists no table: partition tables taken from the catalog by name")
        return Listing(_roots(named, ancestors), (), by_name=True, notes=tuple(notes))
    return Listing(_roots(listed, ancestors), _unrelated(named, known, ancestors), notes=tuple(notes))


def listing_rows(schema: str, listing: LayoutListing) -> sql.Composable:
    """What to select what a listing says from."""
    if listing.query:
        return sql.SQL(f"({listing.query}\n) listing")
    return sql.Identifier(schema, str(listing.table))


def _listed(
    connection: Connection, schema: str, listing: LayoutListing
) -> list[tuple[str, bool, int | None, int | None]]:
    """Each name, whether its readings are raw, and when they begin and end (ms since 1970)."""
    raw = (
        sql.SQL("coalesce({}, 0) = 0").format(sql.Identifier(listing.processed))
        if listing.processed
        else sql.SQL("true")
    )
    return connection.execute(
        sql.SQL(
            "SELECT {name}, {raw}, CASE WHEN count({start}) = count(*) THEN min({start}) END,"
            " CASE WHEN count({end}) = count(*) THEN max({end}) END FROM {table}"
            " WHERE {name} IS NOT NULL GROUP BY 1, 2 ORDER BY 1"
        ).format(
            raw=raw,
            table=listing_rows(schema, listing),
            **{part: sql.Identifier(getattr(listing, part)) for part in ("name", "start", "end")},
        )
    ).fetchall()


def _named(name: str, kind: Readings, family: int, tz: str) -> PartitionTable | None:
    """A table of that name, if it fits; one whose name has a place for the time fits if it is one."""
    form = kind.tables.form(name)
    if form is None:
        return None
    span = span_of(form, kind.tables.zone or tz)
    return PartitionTable(name, span=span, family=family) if span or "year" not in form.groupdict() else None


def _in_partitions(
    connection: Connection, schema: str, tables: Sequence[PartitionTable], ancestors: Mapping[str, set[str]]
) -> list[PartitionTable]:
    """``tables`` without those of any time whose partitions are all among them: they tell their time themselves."""
    names = {table.name for table in tables}
    above = {ancestor for name in names for ancestor in ancestors.get(name, ())}
    whole = set()
    for table in tables:
        if table.span is None and table.name in above:
            leaves = connection.execute(
                "SELECT nspname = %s AND relname = ANY(%s) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                " JOIN pg_partition_tree((SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE nspname = %s AND relname = %s)) ON relid = c.oid AND isleaf",
                [schema, list(names), schema, table.name],
            ).fetchall()
            if leaves and all(known for (known,) in leaves):
                whole.add(table.name)
    return [table for table in tables if table.name not in whole]


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
    return Window.around(known) if len(known) == len(spans) else None


def _span(start: int | None, end: int | None) -> Window | None:
    """A listed span (ms since 1970), widened to whole seconds; ``None`` where it is open or makes no sense."""
    try:
        return Window.of_seconds((start or 0) // 1000, -(-(end or 0) // 1000))
    except (ConfigError, ValueError, OverflowError, OSError):
        return None


def around(window: Window) -> Window:
    """The window and its neighbourhood."""
    return Window(window.start - NEIGHBOUR, window.end + NEIGHBOUR)


def may_hold(
    listing: Listing, window: Window, kinds: Sequence[Readings], reach: timedelta
) -> Iterator[tuple[PartitionTable, bool]]:
    """Tables that may hold readings of ``window``, each with whether nothing can be said without it.

    A logger may put a reading that comes late, by ``reach`` at most, into the table of the day on which it comes.
    """
    before = _begun_before(listing, window, kinds)
    for table in listing.tables:
        span, begun = table.span or window, table in before
        near = span.overlaps(around(window))
        if near or begun or NEIGHBOUR <= span.start - window.end < NEIGHBOUR + reach:
            yield table, near or (begun and listing.by_name)


def _begun_before(listing: Listing, window: Window, kinds: Sequence[Readings]) -> set[PartitionTable]:
    """Of each driver whose tables' names leave the window's start out the last table of the year before it, which may
    hold more than its name says: a gateway can be told to begin a table every three months, or every week."""
    last: dict[str, PartitionTable] = {}
    for table in listing.tables:
        series = kinds[table.family].tables.series(table.name)
        if series != table.name and table.span and timedelta() <= window.start - table.span.start <= A_YEAR:
            last[series] = max(last.get(series, table), table, key=lambda table: (table.span or window).start)
    return {table for table in last.values() if table.span and table.span.end <= window.start}
