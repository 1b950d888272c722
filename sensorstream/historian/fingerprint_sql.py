"""The SQL of fingerprints: what ``sensorstream.transform.fingerprint`` says of rows, computed by the historian. Pure.

From PostgreSQL 13. The server is to run it with ``SETTINGS``: it takes every row for a group of its own
(``width_bucket`` of a time has no statistics), and would sort them all, at three times the cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from .model import PartitionTable
from .readings_sql import in_time, table_name
from .values_sql import by_kind, has_text, has_value, quality_of, text_of, value_of

SETTINGS = {
    "work_mem": "64MB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "enable_sort": "off",
    "enable_incremental_sort": "off",
}


def piece_of(borders: Sequence[int]) -> sql.Composed:
    """The number of the piece that ``t_stamp`` is in; it costs no more than a division by the length of a day."""
    return sql.SQL("width_bucket(t_stamp, {}::int8[]) - 1").format(sql.Literal(list(borders)))


def fingerprints(schema: str, table: PartitionTable, borders: Sequence[int]) -> sql.Composed:
    """Rows of ``tagid, piece, count, hash``: the hash is a number of any size, of which the lowest 64 bits count.

    Parameters
    ----------
    borders
        Milliseconds, rising: piece ``n`` is ``[borders[n], borders[n + 1])``.
    """
    return sql.SQL("SELECT tagid::int8, {}, count(*), sum({}) FROM {} WHERE {} GROUP BY 1, 2").format(
        piece_of(borders), row_hash(table), table_name(schema, table), in_time(table, borders[0], borders[-1])
    )


def row_hash(table: PartitionTable) -> sql.Composable:
    """The hash of a row (``int8``, never NULL)."""
    value, quality, some_text = value_of(table), quality_of(table), has_text(table)
    flagged = sql.SQL("(t_stamp # (({}::int + 2 * ({} IS NOT NULL)::int + 4 * {}::int)::int8 << 56))").format(
        has_value(table), quality, some_text
    )
    seed = sql.SQL(
        "CASE WHEN {} THEN hashtextextended(encode(convert_to({}, 'UTF8'), 'hex') COLLATE \"C\", {}) ELSE {} END"
    ).format(some_text, text_of(table), flagged, flagged)
    other = sql.SQL("hashint4extended(coalesce({}, 0), {})").format(
        quality, _with_value(sql.SQL("coalesce({}, 0)").format(value), seed)
    )
    time = sql.SQL("t_stamp")
    return by_kind(table, lambda number: _with_value(sql.SQL("{}::float8").format(number), time, number), other)


def _with_value(value: sql.Composable, seed: sql.Composable, number: sql.Composable | None = None) -> sql.Composed:
    """The hash of a value that is not NULL, made of ``number``; ``atan2`` makes π of zero, with its sign."""
    return sql.SQL(
        "CASE WHEN {2} <> 0 THEN hashfloat8extended({0}, {1}) ELSE hashfloat8extended(atan2({0}, -1), ~({1})) END"
    ).format(value, seed, number or value)
