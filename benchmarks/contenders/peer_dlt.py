"""dlt: a resource that yields Arrow from ConnectorX, to the filesystem destination on S3, as Parquet.

dlt partitions a table of files only where its format is Delta, by hints on the columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import connectorx as cx
import dlt
import pyarrow as pa
from arrow_writer import KEPT, named
from dlt.common.configuration.specs import AwsCredentials
from query import halves, rows, uri
from speak import serve, versions


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    return order, versions("dlt", "connectorx")


def run(order: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    where = uri(order, message)
    tags = cx.read_sql(where, "SELECT id, tagpath FROM sqlth_te", return_type="arrow")
    count = 0

    partitioned = order["options"]["partitioned"]
    hints: Any = {"tagpath": {"partition": True}, "month": {"partition": True}} if partitioned else {}
    columns = ["tagpath", "month", *KEPT] if partitioned else ["tagpath", *KEPT]

    @dlt.resource(
        name="readings", write_disposition="replace", columns=hints, table_format="delta" if partitioned else None
    )
    def readings() -> Iterator[pa.Table]:
        nonlocal count
        table = cx.read_sql(where, [rows(order, *half) for half in halves(order)], return_type="arrow")
        count += table.num_rows
        yield named(table, tags).select(columns)

    s3 = order["s3"]
    place = dlt.destinations.filesystem(
        bucket_url=f"s3://{s3['bucket']}/{message['prefix'].rstrip('/')}",
        credentials=AwsCredentials(
            aws_access_key_id=s3["access_key"],
            aws_secret_access_key=s3["secret_key"],
            endpoint_url=s3["endpoint"],
            region_name=s3["region"],
        ),
    )
    pipeline = dlt.pipeline(
        pipeline_name=f"bench_{message['round'].replace('-', '_')}",
        pipelines_dir=str(Path(order["scratch"]) / "dlt"),
        destination=place,
        dataset_name="lake",
    )
    pipeline.run(readings(), loader_file_format="parquet")
    return {"readings": count}


if __name__ == "__main__":
    serve(prepare, run)
