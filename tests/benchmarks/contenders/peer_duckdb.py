"""DuckDB with its postgres_scanner (parallel scans by ctid, filters pushed down) and httpfs: one COPY statement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
from duckdb_extensions import import_extension
from query import where
from speak import serve, versions

THREADS = 2


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    return (order, connect(order, order["db"]["port"])), versions("duckdb")


def connect(order: dict[str, Any], port: int) -> duckdb.DuckDBPyConnection:
    """A database in memory with the historian attached; its connections to PostgreSQL stay open."""
    # The wheels' extensions are installed into the bench's own folder, not into the user's.
    connection = duckdb.connect(config={"extension_directory": str(Path(order["scratch"]) / "duckdb")})
    for extension in ("postgres_scanner", "httpfs"):
        import_extension(extension, con=connection)
    s3, db = order["s3"], order["db"]
    scheme, _, place = s3["endpoint"].partition("://")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{s3['access_key']}', SECRET '{s3['secret_key']}', ENDPOINT '{place}',"
        f" REGION '{s3['region']}', URL_STYLE 'path', USE_SSL {str(scheme == 'https').lower()})"
    )
    connection.execute(
        f"ATTACH 'host={db['host']} port={port} dbname={db['dbname']} user={db['user']} password={db['password']}'"
        " AS historian (TYPE postgres, READ_ONLY)"
    )
    for setting in (
        f"threads = {THREADS}",
        "timezone = 'UTC'",
        "preserve_insertion_order = false",
        "partitioned_write_max_open_files = 20000",
        "pg_pages_per_task = 1000",
    ):
        connection.execute(f"SET {setting}")
    return connection


def statement(order: dict[str, Any], prefix: str) -> str:
    text = "coalesce(r.stringvalue, strftime(r.datevalue, '%Y-%m-%dT%H:%M:%S.%f'))"
    parts = " UNION ALL ".join(
        "SELECT epoch_ms(r.t_stamp) AS datetime, coalesce(r.floatvalue, r.intvalue::DOUBLE) AS value,"
        f" {text} AS text, r.dataintegrity AS quality, r.tagid FROM historian.public.{table} r WHERE"
        f" {where(order, alias='r.')}"
        for table in order["tables"]
    )
    return (
        "COPY (SELECT datetime::TIMESTAMP_MS AS datetime, value, text, quality, t.tagpath,"
        " strftime(datetime, '%Y-%m') AS month"
        f" FROM ({parts}) r JOIN historian.public.sqlth_te t ON t.id = r.tagid)"
        f" TO 's3://{order['s3']['bucket']}/{prefix}'"
        " (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (tagpath, month), OVERWRITE_OR_IGNORE)"
    )


def run(state: Any, message: dict[str, Any]) -> dict[str, Any]:
    order, connection = state
    if "port" in message:
        connection = connect(order, message["port"])
    (readings,) = connection.execute(statement(order, message["prefix"].rstrip("/"))).fetchone()
    return {"readings": readings}


if __name__ == "__main__":
    serve(prepare, run)
