"""What a query is asked about, many things at once, as a table of PostgreSQL's. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql


def array(values: Sequence[object], kind: str) -> sql.Composed:
    """``values`` as an array of that type."""
    return sql.SQL("{}::" + kind + "[]").format(sql.Literal(list(values)))


def asked(rows: Sequence[Sequence[object]], kinds: Sequence[str]) -> sql.Composed:
    """``rows``, of which there are some, to select from; the types of their columns."""
    columns = [array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    return sql.SQL("unnest({})").format(sql.SQL(", ").join(columns))
