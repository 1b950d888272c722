"""The SQL that reads readings, the same for both engines. Pure.

Every layout is seen as ``tagid, t_stamp, value double, text, dataintegrity``:
``value`` is the float, else the int as a double; ``text`` is the string, else the date as ISO 8601 with microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from ..windows import Window
from .model import PartitionTable

NUMBERS = ("floatvalue", "intvalue", "value")
DATE = "datevalue"
STRING = "stringvalue"


def value_of(table: PartitionTable) -> sql.Composable:
    """The numeric value of a row, NULL if it has none."""
    names = [name for name in NUMBERS if name in table.columns]
    terms = [sql.SQL("{}::float8").format(sql.Identifier(name)) for name in names]
    return _coalesce(terms, "float8")


def text_of(table: PartitionTable) -> sql.Composable:
    """The text of a row, NULL if it has none."""
    terms: list[sql.Composable] = []
    if STRING in table.columns:
        terms.append(sql.SQL("{}::text").format(sql.Identifier(STRING)))
    if DATE in table.columns:
        terms.append(
            sql.SQL(
                "CASE WHEN isfinite({0}) THEN to_char({0}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') ELSE {0}::text END"
            ).format(sql.Identifier(DATE))
        )
    return _coalesce(terms, "text")


def _coalesce(terms: Sequence[sql.Composable], kind: str) -> sql.Composable:
    if not terms:
        return sql.SQL(f"NULL::{kind}")
    return terms[0] if len(terms) == 1 else sql.SQL("coalesce({})").format(sql.SQL(", ").join(terms))


def in_window(window: Window, ids: Sequence[int]) -> sql.Composed:
    """The condition that a row is in the window and of one of ``ids``."""
    return sql.SQL("t_stamp >= {} AND t_stamp < {} AND tagid = ANY({})").format(
        sql.Literal(window.start_ms), sql.Literal(window.end_ms), sql.Literal(list(ids))
    )


def table_name(schema: str, table: PartitionTable) -> sql.Composable:
    return sql.Identifier(schema, table.name)


def rows(schema: str, table: PartitionTable, window: Window, ids: Sequence[int]) -> sql.Composed:
    """Readings one by one: ``tagid, t_stamp, value, text, dataintegrity``."""
    return sql.SQL(
        "SELECT tagid::int8 AS tagid, t_stamp, {} AS value, {} AS text, dataintegrity::int4 AS dataintegrity"
        " FROM {} WHERE {}"
    ).format(value_of(table), text_of(table), table_name(schema, table), in_window(window, ids))


def packed(schema: str, table: PartitionTable, window: Window, ids: Sequence[int]) -> sql.Composed:
    """Readings packed by the server, a row for each tag id, quality code and kind:
    ``tagid, dataintegrity, kind, count, heads, texts``.

    A reading's head, by kind (integers and floats big-endian, as PostgreSQL sends them):

    0. a number: ``t_stamp int8, value float8``
    1. nothing: ``t_stamp int8``
    2. a text: ``t_stamp int8, length int4``
    3. both: ``t_stamp int8, value float8, length int4``

    ``texts`` are the texts of kinds 2 and 3 in UTF-8, end to end, in the order of the heads. ``a || NULL`` is NULL and
    ``string_agg`` skips NULLs, so no kind ever concatenates a column that may be NULL.
    """
    if not {STRING, DATE} & set(table.columns):
        query = (
            "SELECT tagid::int8, dataintegrity::int4, kind, count(*), string_agg(CASE kind"
            " WHEN 0 THEN int8send(t_stamp) || float8send(value) ELSE int8send(t_stamp) END, ''::bytea), NULL::bytea"
            " FROM (SELECT tagid, t_stamp, value, dataintegrity, (value IS NULL)::int AS kind"
            " FROM (SELECT tagid, t_stamp, {value} AS value, dataintegrity FROM {table} WHERE {where}) r) k"
            " GROUP BY 1, 2, 3"
        )
    else:
        query = (
            "SELECT tagid::int8, dataintegrity::int4, kind, count(*), string_agg(CASE kind"
            " WHEN 0 THEN int8send(t_stamp) || float8send(value)"
            " WHEN 1 THEN int8send(t_stamp)"
            " WHEN 2 THEN int8send(t_stamp) || int4send(octet_length(utf8))"
            " ELSE int8send(t_stamp) || float8send(value) || int4send(octet_length(utf8)) END, ''::bytea),"
            " string_agg(utf8, ''::bytea) FILTER (WHERE kind >= 2)"
            " FROM (SELECT tagid, t_stamp, value, convert_to(text, 'UTF8') AS utf8, dataintegrity,"
            " CASE WHEN text IS NULL THEN (value IS NULL)::int ELSE 2 + (value IS NOT NULL)::int END AS kind"
            " FROM (SELECT tagid, t_stamp, {value} AS value, {text} AS text, dataintegrity"
            " FROM {table} WHERE {where}) r) k"
            " GROUP BY 1, 2, 3"
        )
    return sql.SQL(query).format(
        value=value_of(table), text=text_of(table), table=table_name(schema, table), where=in_window(window, ids)
    )


def count(schema: str, table: PartitionTable, window: Window, ids: Sequence[int]) -> sql.Composed:
    """The historian's own count of the window."""
    return sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table_name(schema, table), in_window(window, ids))
