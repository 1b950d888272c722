"""The SQL that sums readings up in the historian, so that none travels. Pure.

Nothing here writes: no temporary table, no function; a role that may only read can run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql

from ..formatting import MOST_MEASURED
from ..historian import PartitionTable
from ..historian.arrays import array, asked
from ..historian.readings_sql import in_time, in_window, table_name
from ..historian.values_sql import plain_text, quality_of, text_of, unreadable_columns, value_of
from ..historian.view_sql import DATE, STRING
from ..windows import Window
from .clock_steps import Pieces


class Group(NamedTuple):
    """Readings of one tag id and quality code in the window of one table, summed up; the last five by its pieces.

    ``first_rows`` and ``last_rows`` number the rows' places in the table, if places tell when rows were written.
    """

    tagid: int
    quality: int | None
    readings: int
    texts: int
    empty: int  # neither value nor text, of those that can be read
    not_finite: int  # NaN, infinite, or beyond all that is measured
    first_ms: int
    last_ms: int
    highest: float | None  # of the others
    unreadable: int
    first_unreadable: tuple[int, int] | None  # ms since 1970, and which of ``unreadable_columns``
    pieces: list[int]
    counts: list[int]
    lows: list[float | None]
    first_rows: list[int]
    last_rows: list[int]


# A pass that counts: the planner, which cannot tell how few groups there are, would sort millions of rows.
SETTINGS = (
    "SELECT set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true),"
    " set_config('work_mem', '256MB', true)"
)

# Whether a unique index forbids two readings of one id and time, whether a row may lack one of the two, and whether
# rows stand in the order in which they were written: not behind a view or far away, nor in partitions and heirs, each
# of which has places of its own.
TABLE_FACTS = """
SELECT NOT (relkind = 'r' AND relhassubclass) AND EXISTS (
    SELECT FROM pg_index
    WHERE indrelid = c.oid AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
      AND (SELECT bool_and(attname = ANY(%(keys)s)) FROM pg_attribute
           WHERE attrelid = c.oid AND attnum = ANY (indkey::int2[]))
), (SELECT bool_or(NOT attnotnull) FROM pg_attribute WHERE attrelid = c.oid AND attname = ANY(%(keys)s)),
relkind IN ('r', 'm') AND NOT relhassubclass
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %(schema)s AND relname = %(table)s
"""


def tag_ids(rows: sql.Composable, selected: sql.Composable, encoding: str) -> sql.Composed:
    """``id, tagpath, whether it can be read`` of the selected tags and of those without a path; of one that is no text
    its bytes."""
    path, is_text = plain_text(encoding, "tagpath")
    return sql.SQL(
        "SELECT id, {}, {} FROM {} tags WHERE {} OR tagpath IS NULL OR btrim(tagpath) = ''"
        ' ORDER BY tagpath COLLATE "C", id'
    ).format(path, is_text, rows, selected)


def summary(
    schema: str, table: PartitionTable, window: Window, ids: Sequence[int], pieces: Pieces, *, ordered: bool
) -> sql.Composed:
    """``Group`` rows: one pass over the window, a row for each tag id and quality code.

    ``ordered`` tells that the table's rows have places, and stand in the order in which they were written.
    """
    texts = [sql.SQL("{} IS NOT NULL").format(sql.Identifier(c)) for c in (STRING, DATE) if c in table.columns]
    return sql.SQL(
        "SELECT tagid::int8, quality, sum(readings)::int8, sum(texts)::int8, sum(empty)::int8, sum(not_finite)::int8,"
        " min(first_ms), max(last_ms), max(highest), sum(unreadable)::int8, min(first_unreadable),"
        " array_agg(piece), array_agg(readings), array_agg(lowest),"
        " array_agg(coalesce((first_row::text::point)[0]::int8 * 65536 + (first_row::text::point)[1]::int8, 0)),"
        " array_agg(coalesce((last_row::text::point)[0]::int8 * 65536 + (last_row::text::point)[1]::int8, 0))"
        " FROM (SELECT tagid, quality, ((t_stamp - {start}) / {width})::int4 AS piece,"
        " count(*) AS readings,"
        " count(*) FILTER (WHERE worded) AS texts, count(*) FILTER (WHERE value IS NULL AND NOT worded AND odd IS NULL)"
        " AS empty,"
        # NaN is above infinity here.
        " count(*) FILTER (WHERE value NOT BETWEEN -{most} AND {most}) AS not_finite,"
        " min(t_stamp) AS first_ms, max(t_stamp) AS last_ms,"
        " min(value) FILTER (WHERE value BETWEEN -{most} AND {most}) AS lowest,"
        " max(value) FILTER (WHERE value BETWEEN -{most} AND {most}) AS highest,"
        " min(place) AS first_row, max(place) AS last_row, count(odd) AS unreadable, min(odd) AS first_unreadable"
        " FROM (SELECT tagid, {quality} AS quality, t_stamp, {place} AS place, {value} AS value, {worded} AS worded,"
        " {odd} AS odd"
        " FROM {table} WHERE {where}) r GROUP BY 1, 2, 3) g GROUP BY 1, 2"
    ).format(
        start=sql.Literal(pieces.start_ms),
        most=sql.SQL("'{}'::float8").format(sql.SQL(repr(MOST_MEASURED))),
        width=sql.Literal(pieces.width_ms),
        place=sql.SQL("ctid" if ordered else "NULL::tid"),
        quality=quality_of(table),
        value=value_of(table),
        odd=_odd(table),
        worded=sql.SQL(" OR ").join(texts) if texts else sql.SQL("false"),
        table=table_name(schema, table),
        where=in_window(table, window, ids),
    )


def _odd(table: PartitionTable) -> sql.Composable:
    """The time of a row that holds what cannot be read, and the number of its column; NULL of any other."""
    whens = [
        sql.SQL("WHEN {} THEN ARRAY[t_stamp, {}]").format(condition, number)
        for number, (_, condition) in enumerate(unreadable_columns(table))
    ]
    return sql.SQL("CASE {} END").format(sql.SQL(" ").join(whens)) if whens else sql.SQL("NULL::int8[]")


def doubled(schema: str, table: PartitionTable, window: Window, ids: Sequence[int]) -> sql.Composed:
    """``tagid, readings beyond the first`` of ids that have several at one time."""
    return sql.SQL(
        "SELECT tagid::int8, sum(times - 1)::int8 FROM (SELECT tagid, count(*) AS times FROM {} WHERE {}"
        " GROUP BY tagid, t_stamp HAVING count(*) > 1) d GROUP BY 1"
    ).format(table_name(schema, table), in_window(table, window, ids))


def keyless(schema: str, table: PartitionTable, window: Window) -> sql.Composed:
    """How many rows lack the time, or lack the tag id in the window."""
    return sql.SQL("SELECT count(*) FROM {} WHERE t_stamp IS NULL OR (tagid IS NULL AND {})").format(
        table_name(schema, table), in_window(table, window, None)
    )


def conflicting(
    schema: str, tables: Sequence[PartitionTable], ids: Sequence[tuple[str, int, int, int]], kept: Sequence[int]
) -> sql.Composed:
    """``tagpath, readings`` that differ from the first of their path and time, of those whose quality code is one of
    ``kept``; ``ids`` are paths, ids, and from when to when (ms, both ends in it) each is looked at."""
    parts = [
        sql.SQL(
            "SELECT ids.path, r.t_stamp, {value} AS value, {text} AS text"
            " FROM ids JOIN {table} ON r.tagid = ids.number AND r.t_stamp BETWEEN ids.first AND ids.last"
            " WHERE {within} AND {quality} = ANY({kept})"
        ).format(
            value=value_of(table),
            text=text_of(table),
            quality=quality_of(table),
            table=table_name(schema, table, "r"),
            kept=array(kept, "int4"),
            within=in_time(table, min(first for *_, first, _ in ids), max(last for *_, last in ids) + 1),
        )
        for table in tables
    ]
    return sql.SQL(
        "WITH ids AS (SELECT * FROM {ids} AS ids(path, number, first, last))"
        " SELECT path, sum(kinds - 1)::int8 FROM (SELECT path, count(DISTINCT (value, text)) AS kinds FROM ({parts}) r"
        " GROUP BY path, t_stamp HAVING count(*) > 1) times GROUP BY path"
    ).format(ids=asked(ids, ("text", "int8", "int8", "int8")), parts=sql.SQL(" UNION ALL ").join(parts))
