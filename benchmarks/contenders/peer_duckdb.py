"""DuckDB with its postgres_scanner (parallel scans by ctid, filters pushed down) and httpfs: one COPY statement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
from duckdb_extensions import import_extension
from query import where
from speak import serve, versions

THREADS = 2
EXTENSIONS = ("postgres_scanner", "httpfs")


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    return (order, connect(order, order["db"]["port"])), versions("duckdb")


def connect(order: dict[str, Any], port: int) -> duckdb.DuckDBPyConnection:
    """A database in memory with the historian attached; its connections to PostgreSQL stay open."""
    connection = duckdb.connect(config={"extension_directory": extension_folder(order)})
    for extension in EXTENSIONS:
        import_extension(extension, con=connection)
    for setting in settings(order, port):
        connection.execute(setting)
    return connection


def extension_folder(order: dict[str, Any]) -> str:
    """The bench's own, not the user's: where the extensions of the wheels are installed."""
    return str(Path(order["scratch"]) / "duckdb")


def settings(order: dict[str, Any], port: int) -> list[str]:
    """The statements before the one that does it: where the lake and the historian are, and how to work."""
    s3, db = order["s3"], order["db"]
    scheme, _, place = s3["endpoint"].partition("://")
    return [
        f"CREATE SECRET (TYPE s3, KEY_ID '{s3['access_key']}', SECRET '{s3['secret_key']}', ENDPOINT '{place}',"
        f" REGION '{s3['region']}', URL_STYLE 'path', USE_SSL {str(scheme == 'https').lower()})",
        f"ATTACH 'host={db['host']} port={port} dbname={db['dbname']} user={db['user']} password={db['password']}'"
        " AS historian (TYPE postgres, READ_ONLY)",
        f"SET threads = {THREADS}",
        "SET timezone = 'UTC'",
        "SET preserve_insertion_order = false",
        "SET partitioned_write_max_open_files = 20000",
        "SET pg_pages_per_task = 1000",
    ]


def statement(order: dict[str, Any], prefix: str) -> str:
    into = (
        f" TO 's3://{order['s3']['bucket']}/{prefix}'"
        " (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (tagpath, month), OVERWRITE_OR_IGNORE)"
    )
    if order["select"]:
        start, end = order["window_ms"]
        return f"COPY ({order['select'].format(start=start, end=end)}){into}"
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
        f" FROM ({parts}) r JOIN historian.public.sqlth_te t ON t.id = r.tagid){into}"
    )


def run(state: Any, message: dict[str, Any]) -> dict[str, Any]:
    order, connection = state
    if "port" in message:
        connection = connect(order, message["port"])
    (readings,) = connection.execute(statement(order, message["prefix"].rstrip("/"))).fetchone()
    return {"readings": readings}


if __name__ == "__main__":
    serve(prepare, run)
