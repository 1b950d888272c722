"""What PostgreSQL knows of a partition table without reading it: sizes, indexes, the planner's statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from ..windows import Window
from . import readings_sql
from .catalog import Historian
from .connection import Connection, scalar, source_errors
from .model import PartitionTable
from .time_sql import within

PAGE_BYTES = 8192
TID_RANGE_SCAN = 140_000  # the server version that brought it
ONE_BY_ONE = 10  # ids


@dataclass(frozen=True)
class Statistics:
    """A partition table as the planner sees it. Rows are estimates; ``None`` where nothing is known.

    ``rows_in_window`` are of whatever tag. ``pages`` is the length of the table's file, ``None`` where a query cannot
    be told to read a part of it, or where rows stand elsewhere: in partitions, in heirs, behind a view.
    ``shares`` are tag ids that the planner knows to be busy, each with its share of the rows. ``borders_ms`` cut the
    rows into parts of equal size by time.
    """

    table: PartitionTable
    rows: int
    rows_in_window: int
    pages: int | None
    indexes: tuple[tuple[str, ...], ...]
    analyzed: bool = True
    shares: Mapping[int, float] = field(default_factory=dict)
    borders_ms: tuple[int, ...] = ()

    @property
    def by_tag(self) -> bool:
        """Whether an index begins with the tag id and the time."""
        return any(columns[:2] == self.table.own_keys for columns in self.indexes)

    @property
    def by_time(self) -> bool:
        """Whether an index begins with the time."""
        return any(columns[:1] == self.table.own_keys[1:] for columns in self.indexes)

    @property
    def by_pages(self) -> bool:
        """Whether its file is read from end to end: half of it is wanted, or no index finds what is."""
        return self.pages is not None and (not self.by_time or 2 * self.rows_in_window >= self.rows)

    def words(self, by_pages: bool) -> str:
        """How it is read, for people."""
        time = self.table.own_keys[1]
        if by_pages:
            of = "the window holds most of it" if self.by_time else f"no index on {time}"
            return f"read by its {self.pages:,} pages, {of}"
        return f"read through the index on {time}" if self.by_time else f"read by time, no index on {time} is known of"


def indexes_of(historian: Historian, table: PartitionTable) -> tuple[tuple[str, ...], ...]:
    """The columns of each of its indexes."""
    query = (
        "SELECT (SELECT array_agg(attname::text ORDER BY place)"
        " FROM unnest(indkey) WITH ORDINALITY AS k(number, place)"
        " JOIN pg_attribute a ON a.attrelid = indrelid AND attnum = number)"
        " FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_am ON pg_am.oid = i.relam"
        " JOIN pg_class c ON c.oid = indrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE nspname = %s AND c.relname = %s AND indisvalid AND indpred IS NULL AND amname = 'btree' ORDER BY 1"
    )
    found = historian.ask(f"looking for the indexes of {table.name}", query, [historian.schema, table.name])
    return tuple(tuple(columns or ()) for (columns,) in found)


def statistics(historian: Historian, table: PartitionTable, window: Window) -> Statistics:
    """Ask for all of it; four queries of the catalog, no reading is read."""
    own_id, own_time = table.own_keys
    # What is not known as whole milliseconds is cut in parts of equal length.
    known = [own_id, own_time if table.view is None or table.view.time.plain else None]
    doing, name = f"reading the statistics of {table.name}", [historian.schema, table.name]
    found = historian.ask(
        doing,
        "SELECT reltuples::int8, CASE WHEN relkind IN ('r', 'm') AND amname = 'heap' AND NOT relhassubclass"
        " THEN pg_relation_size(c.oid) END, current_setting('block_size')::int, relkind = 'p' OR relhassubclass"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN pg_am ON pg_am.oid = relam"
        " WHERE nspname = %s AND relname = %s",
        name,
    )
    rows, size, block, parent = found[0] if found else (-1, None, PAGE_BYTES, False)
    columns = {
        column: more
        for column, *more in historian.ask(
            doing,
            "SELECT attname::text, most_common_vals::text::int8[], most_common_freqs,"
            " histogram_bounds::text::int8[] FROM pg_stats WHERE schemaname = %s AND tablename = %s"
            " AND attname = ANY(%s) AND inherited = %s",
            [*name, known, parent],
        )
    }
    about = within(table.time, window.start_ms, window.end_ms, about=True)
    with source_errors(historian.login, doing):
        in_window = planned(historian.connection, historian.schema, table, about)
    common, frequencies, _ = columns.get(own_id or "", (None, None, None))
    shares = dict(zip(common or (), frequencies or (), strict=True))
    borders = columns.get(own_time, (None, None, None))[2] or ()
    reads_parts = historian.connection.info.server_version >= TID_RANGE_SCAN
    return Statistics(
        table=table,
        rows=max(rows, in_window),
        rows_in_window=in_window,
        pages=size // block if reads_parts and size is not None else None,
        indexes=indexes_of(historian, table),
        analyzed=own_id in columns or bool(table.view and table.view.wide and rows >= 0),
        shares=shares,
        borders_ms=tuple(borders),
    )


def planned(connection: Connection, schema: str, table: PartitionTable, where: sql.Composable) -> int:
    """How many rows of a table the planner expects to be ``where``."""
    query = sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {} WHERE {}")
    plan = scalar(connection, query.format(readings_sql.table_name(schema, table), where))
    return int(plan[0]["Plan"]["Plan Rows"])


def count_by_tag(historian: Historian, table: PartitionTable, window: Window, ids: Sequence[int]) -> dict[int, int]:
    """The exact number of readings of each of ``ids`` in ``window``.

    Few ids are counted one by one: to compare each row of a busy tag with one number, and group by it, takes half the
    time of looking it up in a list of one.
    """
    if readings_sql.is_packed_wide(table):
        query = readings_sql.count_wide(historian.schema, table, window, ids)
        return dict(historian.ask(f"counting {table.name}", query))
    where = [readings_sql.in_window(table, window, ids)]
    if len(ids) <= ONE_BY_ONE and table.own_keys[0]:
        every = readings_sql.in_window(table, window, None)
        where = [sql.SQL("{} AND tagid = {}").format(every, sql.Literal(str(number))) for number in ids]
    name = readings_sql.table_name(historian.schema, table)
    query = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT tagid::int8, count(*) FROM {} WHERE {} GROUP BY tagid").format(name, some) for some in where
    )
    return dict(historian.ask(f"counting {table.name}", query))
