"""The query that every peer runs, and the cutting of the work in two halves. Pure."""

from __future__ import annotations

from typing import Any

Order = dict[str, Any]

VALUE = "coalesce(floatvalue, intvalue::float8)"
TEXT = "coalesce(stringvalue, to_char(datevalue, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'))"


def where(order: Order, start_ms: int | None = None, end_ms: int | None = None, alias: str = "") -> str:
    """The window, the quality rule and, where only some tags are wanted, their ids."""
    start, end = order["window_ms"]
    start, end = start if start_ms is None else start_ms, end if end_ms is None else end_ms
    terms = [f"{alias}t_stamp >= {start}", f"{alias}t_stamp < {end}", f"{alias}dataintegrity = {order['quality']}"]
    if order["ids"] is not None:
        terms.append(f"{alias}tagid IN ({', '.join(map(str, order['ids']))})")
    return " AND ".join(terms)


def halves(order: Order) -> list[tuple[str, int, int]]:
    """``(table, start, end)`` in ms: each table of the window cut in two at the middle of the window."""
    start, end = order["window_ms"]
    middle = (start + end) // 2
    return [(table, *span) for table in order["tables"] for span in ((start, middle), (middle, end))]


def rows(order: Order, table: str, start_ms: int, end_ms: int) -> str:
    """Readings one by one. The path is joined by the client, which spares the wire a text for each reading."""
    return (
        f"SELECT tagid, t_stamp, {VALUE} AS value, {TEXT} AS text, dataintegrity AS quality"
        f" FROM {table} WHERE {where(order, start_ms, end_ms)}"
    )


def uri(order: Order, message: dict[str, Any]) -> str:
    """The connection string; the password is made of letters and digits (see the sandbox)."""
    db = order["db"]
    return f"postgresql://{db['user']}:{db['password']}@{db['host']}:{message.get('port', db['port'])}/{db['dbname']}"
