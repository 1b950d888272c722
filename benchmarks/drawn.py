"""Plants of one shape that the simulation does not have, drawn by PostgreSQL: one busy tag, many texts."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from sensorstream.sandbox import ignition_schema
from sensorstream.sandbox.ignition_schema import create_catalog
from sensorstream.sandbox.ignition_values import DATATYPE_FLOAT, DATATYPE_STRING
from sensorstream.windows import Window

TABLE = "sqlt_data_1_2026_10"
# Of 64 readings in a row one is bad, as about in the simulated plant.
QUALITY = "CASE WHEN hashint8(t >> 9) & 63 = 0 THEN 500 ELSE 192 END"
NUMBER = "round((60 + 20 * sin(t / 7e6 + id) + hashint8(t # id) / 4e9) * 100) / 100"
# Recipe names that come again and, for every third reading, a text that does not.
TEXT = (
    "CASE WHEN t % 3 = 0 THEN 'batch ' || hashint8(t # id) || ' started by operator ' || (t / 86400000) % 17"
    " ELSE (ARRAY['steel-12', 'steel-14 (trial)', 'brass; soft', 'Öl & Fett 50 %', '', 'idle'])"
    "[1 + (hashint8(t + id) & 2147483647) % 6] END"
)


@dataclass(frozen=True)
class Group:
    """Tags that are alike: how many, ids from ``first``, their share of all readings."""

    first: int
    count: int
    share: float
    path: str


GROUPS = {
    "busy": (Group(1, 1, 0.9, "plant1/mill/vibration"), Group(2, 100, 0.1, "plant1/mill/slow{}/temperature")),
    "text": (Group(1, 100, 1.0, "plant1/line{}/recipe"),),
}


def draw(dsn: str, kind: str, readings: int, window: Window) -> None:
    """Make tables, tags and readings of ``kind``; a table of the same mark is kept."""
    column, value, datatype = (
        ("stringvalue", TEXT, DATATYPE_STRING) if kind == "text" else ("floatvalue", NUMBER, DATATYPE_FLOAT)
    )
    mark = f"drawn plant {kind} {readings} {window.name}"
    with psycopg.connect(dsn) as connection:
        standing = connection.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [TABLE]).fetchone()
        if standing and standing[0] == mark:
            return
        ignition_schema.drop_tables(connection, [TABLE, *ignition_schema.CATALOG_TABLES])
        create_catalog(connection)
        ignition_schema.create_partition(connection, TABLE)
        connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        connection.execute("SET LOCAL work_mem = '256MB'")
        selects = []
        for group in GROUPS[kind]:
            connection.execute(
                "INSERT INTO sqlth_te (id, tagpath, scid, datatype, querymode, created)"
                " SELECT id, replace(%s, '{}', id::text), 1, %s, 0, %s FROM generate_series(%s::int, %s::int) id",
                [group.path, datatype, window.start_ms, group.first, group.first + group.count - 1],
            )
            step_ms = max(1, int((window.end_ms - window.start_ms) * group.count / (readings * group.share)))
            # Each tag is scanned a little later than the one before, so that times are in order and not equal.
            selects.append(
                f"SELECT id, t + id * {step_ms} / {group.first + group.count} AS t FROM generate_series("
                f"{window.start_ms}::bigint, {window.end_ms - step_ms - 1}::bigint, {step_ms}::bigint) t,"
                f" generate_series({group.first}, {group.first + group.count - 1}) id"
            )
        connection.execute(
            f"INSERT INTO {TABLE} (tagid, {column}, dataintegrity, t_stamp)"
            f" SELECT id, {value}, {QUALITY}, t FROM ({' UNION ALL '.join(selects)}) s ORDER BY t, id"
        )
        connection.execute(
            "INSERT INTO sqlth_partitions VALUES (%s, 1, %s, %s, 0, 0)", [TABLE, window.start_ms, window.end_ms]
        )
        ignition_schema.index_partition(connection, TABLE)
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(TABLE), sql.Literal(mark)))
        connection.commit()
        connection.autocommit = True
        connection.execute(f"VACUUM (ANALYZE) {TABLE}")
