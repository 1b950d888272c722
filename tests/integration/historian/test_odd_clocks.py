"""Times of readings that are spelled in odd ways, or that PostgreSQL and this machine would tell differently."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import psycopg
import pytest

from sensorstream.errors import SourceError
from sensorstream.historian import time_sql, zone_check
from sensorstream.pipeline.ingest import ingest
from sensorstream.windows import window_of
from tests.oracle import bits, readings_of

DAY = window_of("UTC", day="2026-10-14")
START, END, SECOND = DAY.start_ms // 1000, DAY.end_ms // 1000, 10**9


def described(time):
    return {"readings": {"tables": "log", "id": "id", "time": time, "numbers": "v"}, "tags": {"table": "names"}}


def made(database, columns, rows) -> None:
    with psycopg.connect(database.owner) as connection:
        connection.execute("CREATE TABLE names AS SELECT 1 AS id, 'plant/a' AS path")
        connection.execute(f"CREATE TABLE log (id int, v float8, {columns})")
        places = ", ".join(["%s"] * (2 + len(rows[0])))
        connection.cursor().executemany(
            f"INSERT INTO log VALUES ({places})", [(1, n, *row) for n, row in enumerate(rows)]
        )


def test_nanoseconds_that_reach_into_another_second_lose_no_reading(database, make_config):
    rows = [(START - 1, SECOND), (START - 2, 2 * SECOND + 7 * 10**6), (START, -1), (START + 9, 5 * 10**6)]
    rows += [(END, -1), (END + 1, -2 * SECOND), (END - 1, SECOND), (START + 5, None)]
    made(database, "clock int, rest int", rows)
    config = make_config(
        dbname=database.name, layout=described({"column": "clock", "unit": "s", "nanoseconds": "rest"})
    )
    assert ingest(config, DAY).rows_read == 5
    times = {DAY.start_ms: 0, DAY.start_ms + 7: 1, DAY.start_ms + 9005: 3, DAY.end_ms - 1: 4, DAY.end_ms - 1000: 5}
    assert {ms: value for _, ms, value, *_ in readings_of(config)} == {ms: bits(n) for ms, n in times.items()}


def test_a_zone_that_postgresql_knows_otherwise_than_this_machine_is_refused(database, make_config, monkeypatch):
    made(database, "taken timestamp", [("2026-10-14 01:30",)])
    config = make_config(
        dbname=database.name, layout=described({"column": "taken", "unit": "timestamp", "zone": "Europe/Vienna"})
    )
    for module in (time_sql, zone_check):
        monkeypatch.setattr(module, "zone", lambda name: ZoneInfo("Africa/Lagos"))
    with pytest.raises(SourceError, match=r"Europe/Vienna is \+1 h .* this machine, and \+2 h by PostgreSQL's"):
        ingest(config, DAY)
