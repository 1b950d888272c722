"""The floor: readings of the window in PostgreSQL's binary COPY format, to nowhere.

Nobody can read these columns faster by rows: the server sends, and the client counts bytes without looking at them. The
bytes are taken from the socket behind libpq's back, because libpq hands COPY data out one row a call.
"""

from __future__ import annotations

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg import pq
from query import where
from speak import serve, versions

BUFFER_BYTES = 1 << 20
EVERY_COLUMN = "intvalue, floatvalue, stringvalue, datevalue, dataintegrity"
# CommandComplete with the number of rows, then ReadyForQuery: the end of a COPY on the wire.
END = re.compile(rb"C....COPY (\d+)\0Z\0\0\0\x05[ITE]$", re.DOTALL)
END_BYTES = 64


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    return order, versions("psycopg")


def run(order: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    db = {**order["db"], "port": message.get("port", order["db"]["port"])}
    connections = order["options"]["connections"]
    with ThreadPoolExecutor(connections) as pool:
        pieces = pool.map(lambda half: copy_half(db, order, half, connections), range(connections))
        return {"readings": sum(pieces)}


def copy_half(db: dict[str, Any], order: dict[str, Any], half: int, halves: int) -> int:
    """Copy one part of each table, by heap pages so that every page is read once; return the number of readings."""
    columns = EVERY_COLUMN if order["options"].get("every_column") else order["column"]
    count = 0
    for table in order["tables"]:
        with psycopg.connect(**db, autocommit=True, sslmode="disable") as connection:
            size = connection.execute(
                "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int", [table]
            ).fetchone()
            pages = size[0] if size else 0
            first, last = pages * half // halves, pages * (half + 1) // halves
            piece = "" if halves == 1 else f" AND ctid >= '({first},0)' AND ctid < '({last},0)'"
            query = f"SELECT tagid, t_stamp, {columns} FROM {table} WHERE {where(order)}{piece}"
            count += drain(connection, f"COPY ({query}) TO STDOUT (FORMAT binary)")
    return count


def drain(connection: psycopg.Connection[Any], statement: str) -> int:
    """Run a COPY and read it to its end; the connection cannot be used afterwards."""
    server = connection.pgconn
    with socket.socket(fileno=socket.dup(server.socket)) as wire:
        wire.setblocking(True)
        message = statement.encode() + b"\0"
        wire.sendall(b"Q" + (len(message) + 4).to_bytes(4, "big") + message)
        buffer = bytearray(BUFFER_BYTES)
        tail = b""
        while not (found := END.search(tail)):
            size = wire.recv_into(buffer)
            if not size or (not tail and buffer[:1] == b"E"):
                raise RuntimeError(f"PostgreSQL ended the copy: {bytes(buffer[:200])!r}")
            tail = (tail + bytes(buffer[max(0, size - END_BYTES) : size]))[-END_BYTES:]
    assert server.transaction_status == pq.TransactionStatus.IDLE
    return int(found[1])


if __name__ == "__main__":
    serve(prepare, run)
