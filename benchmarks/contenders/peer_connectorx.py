"""ConnectorX to Arrow, then ``pyarrow.dataset.write_dataset``: each table in halves of time, read in parallel."""

from __future__ import annotations

from typing import Any

import connectorx as cx
import pyarrow as pa
from arrow_writer import lake, named, write
from query import halves, rows, uri
from speak import serve, versions


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    return (order, lake(order)), versions("connectorx", "pyarrow")


def run(state: Any, message: dict[str, Any]) -> dict[str, Any]:
    order, filesystem = state
    where = uri(order, message)
    tags = cx.read_sql(where, "SELECT id, tagpath FROM sqlth_te", return_type="arrow")
    # A list of queries is what `partition_on` makes of one, without the extra query for the borders.
    table: pa.Table = cx.read_sql(where, [rows(order, *half) for half in halves(order)], return_type="arrow")
    write(named(table, tags), filesystem, f"{order['s3']['bucket']}/{message['prefix']}")
    return {"readings": table.num_rows}


if __name__ == "__main__":
    serve(prepare, run)
