"""Historians that are not Ignition's: their tables drawn by PostgreSQL, their layouts, and what DuckDB is told."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from sensorstream.windows import Window

DEVICES, KEYS, COLUMNS = 40, 10, 100
NUMBER = "round((60 + 20 * sin(t / 7e6 + id) + hashint8(t # id) / 4e9) * 100) / 100"
TABLES = {"thingsboard": "ts_kv_2026_10", "wide": "log_2026_10"}
LAYOUTS: dict[str, dict[str, Any]] = {
    "thingsboard": {
        "readings": {
            "tables": ["ts_kv", "ts_kv_{year}_{month}"],
            "id": ["entity_id", "key"],
            "time": {"column": "ts"},
            "numbers": ["dbl_v", "long_v", "bool_v"],
            "texts": ["str_v", "json_v"],
        },
        "tags": {
            "query": "SELECT name || '/' || k.key AS path, id AS entity_id, key_id AS key"
            " FROM device, key_dictionary k",
            "id": ["entity_id", "key"],
        },
    },
    "wide": {
        "readings": {
            "tables": "log_{year}_{month}",
            "time": {"column": "at", "unit": "timestamptz"},
            "wide": {"path": "line/{column}"},
        }
    },
}
# ``datetime, value, text, quality, tagpath, month`` of the window; ``{start}`` and ``{end}`` are ms.
DUCKDB = {
    "thingsboard": (
        "SELECT epoch_ms(r.ts)::TIMESTAMP_MS AS datetime,"
        " coalesce(dbl_v, long_v::DOUBLE, bool_v::INT::DOUBLE) AS value,"
        " coalesce(str_v, json_v::VARCHAR) AS text, 192 AS quality, d.name || '/' || k.key AS tagpath,"
        " strftime(epoch_ms(r.ts), '%Y-%m') AS month FROM historian.public.ts_kv_2026_10 r"
        " JOIN historian.public.device d ON d.id = r.entity_id"
        " JOIN historian.public.key_dictionary k ON k.key_id = r.key"
        " WHERE r.ts >= {start} AND r.ts < {end}"
    ),
    "wide": (
        'SELECT "at"::TIMESTAMP_MS AS datetime, value, NULL::VARCHAR AS text, 192 AS quality,'
        " 'line/' || name AS tagpath,"
        " strftime(\"at\", '%Y-%m') AS month FROM (UNPIVOT (SELECT * FROM historian.public.log_2026_10"
        ' WHERE "at" >= make_timestamptz({start} * 1000) AND "at" < make_timestamptz({end} * 1000))'
        ' ON COLUMNS(* EXCLUDE "at") INTO NAME name VALUE value)'
    ),
}


def draw(dsn: str, kind: str, readings: int, window: Window) -> None:
    """Make tables and readings of ``kind``; a table of the same mark is kept."""
    mark = f"drawn plant {kind} {readings} {window.name}"
    with psycopg.connect(dsn) as connection:
        standing = connection.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [TABLES[kind]]).fetchone()
        if standing and standing[0] == mark:
            return
        connection.execute("DROP TABLE IF EXISTS ts_kv, device, key_dictionary, log_2026_10")
        (_thingsboard if kind == "thingsboard" else _wide)(connection, readings, window)
        name, comment = sql.Identifier(TABLES[kind]), sql.Literal(mark)
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(name, comment))
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE)")


def _times(window: Window, rows: int) -> str:
    step_ms = (window.end_ms - window.start_ms) // rows
    return f"generate_series({window.start_ms}::bigint, {window.end_ms - step_ms}::bigint, {step_ms}::bigint) t"


def _thingsboard(connection: psycopg.Connection[Any], readings: int, window: Window) -> None:
    connection.execute(
        "CREATE TABLE device (id uuid PRIMARY KEY, name varchar(255));"
        "CREATE TABLE key_dictionary (key varchar(255) PRIMARY KEY, key_id serial UNIQUE);"
        "CREATE TABLE ts_kv (entity_id uuid NOT NULL, key int NOT NULL, ts bigint NOT NULL, bool_v boolean,"
        " str_v varchar(10000000), long_v bigint, dbl_v double precision, json_v json,"
        " PRIMARY KEY (entity_id, key, ts)) PARTITION BY RANGE (ts);"
        f"CREATE TABLE ts_kv_2026_10 PARTITION OF ts_kv FOR VALUES FROM ({window.start_ms}) TO ({window.end_ms});"
        f"INSERT INTO device SELECT md5(n::text)::uuid, 'device' || n FROM generate_series(1, {DEVICES}) n;"
        f"INSERT INTO key_dictionary (key) SELECT 'key' || n FROM generate_series(1, {KEYS}) n;"
        "INSERT INTO ts_kv (entity_id, key, ts, dbl_v)"
        f" SELECT md5((id / {KEYS} + 1)::text)::uuid, id % {KEYS} + 1, t + id, {NUMBER}"
        f" FROM {_times(window, readings // (DEVICES * KEYS))}, generate_series(0, {DEVICES * KEYS - 1}) id"
        " ORDER BY t, id"
    )


def _wide(connection: psycopg.Connection[Any], readings: int, window: Window) -> None:
    columns = ", ".join(f"c{n} double precision" for n in range(COLUMNS))
    cells = ", ".join(NUMBER.replace("id", f"{n}::bigint") for n in range(COLUMNS))
    connection.execute(
        f"CREATE TABLE log_2026_10 (at timestamptz PRIMARY KEY, {columns});"
        f"INSERT INTO log_2026_10 SELECT to_timestamp(t / 1000.0), {cells} FROM {_times(window, readings // COLUMNS)}"
    )


def expected(connection: psycopg.Connection[Any], kind: str) -> int:
    """How many readings there are."""
    each = COLUMNS if kind == "wide" else 1
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(TABLES[kind]))).fetchone()
    return each * int(row[0]) if row else 0
