"""ADBC (binary COPY to Arrow) over two connections, then ``pyarrow.dataset.write_dataset``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
from adbc_driver_postgresql import dbapi
from arrow_writer import lake, named, write
from query import halves, rows, uri
from speak import serve, versions


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    return (order, lake(order)), versions("adbc-driver-postgresql", "pyarrow")


def read(where: str, queries: list[str]) -> list[pa.Table]:
    with dbapi.connect(where) as connection, connection.cursor() as cursor:
        found = []
        for query in queries:
            cursor.execute(query)
            found.append(cursor.fetch_arrow_table())
        return found


def run(state: Any, message: dict[str, Any]) -> dict[str, Any]:
    order, filesystem = state
    where = uri(order, message)
    queries = [rows(order, *half) for half in halves(order)]
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(read, [where, where], [queries[0::2], queries[1::2]]))
    table = pa.concat_tables([part for found in parts for part in found])
    (tags,) = read(where, ["SELECT id, tagpath FROM sqlth_te"])
    write(named(table, tags), filesystem, f"{order['s3']['bucket']}/{message['prefix']}")
    return {"readings": table.num_rows}


if __name__ == "__main__":
    serve(prepare, run)
