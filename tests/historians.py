"""Small historians: an Ignition database of a few rows."""

from __future__ import annotations

import psycopg

from sensorstream.windows import window_of
from tests.oracle import Row

DAY = window_of("UTC", day="2026-10-14")
T0 = DAY.start_ms


def small_historian(database, rows: list[Row], paths: dict[int, str]) -> None:
    """An Ignition historian with those rows in one October table."""
    with psycopg.connect(database.owner) as connection:
        connection.execute(
            "CREATE TABLE sqlth_te (id int, tagpath varchar(255), scid int, datatype int, querymode int,"
            " created bigint, retired bigint)"
        )
        connection.execute(
            "CREATE TABLE sqlt_data_1_2026_10 (tagid int, intvalue bigint, floatvalue float8, stringvalue varchar(255),"
            " datevalue timestamp, dataintegrity int, t_stamp bigint, PRIMARY KEY (tagid, t_stamp))"
        )
        for tagid, path in paths.items():
            connection.execute("INSERT INTO sqlth_te VALUES (%s, %s, 1, 1, 0, 0, NULL)", [tagid, path])
        add(connection, rows)


def add(connection: psycopg.Connection, rows: list[Row]) -> None:
    connection.cursor().executemany(
        "INSERT INTO sqlt_data_1_2026_10 VALUES (%s, NULL, %s, %s, NULL, %s, %s)",
        [(r.tagid, r.value, r.text, r.quality, r.t_stamp) for r in rows],
    )
