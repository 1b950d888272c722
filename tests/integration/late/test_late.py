"""Late readings: a run finds the days that have changed since they were read, and reads just those again."""

from __future__ import annotations

import random
from datetime import date, timedelta

import psycopg
import pytest

from sensorstream.pipeline.ingest import ingest
from sensorstream.sandbox.plant import PlantOptions, seed
from sensorstream.verification.verify import verify
from sensorstream.windows import Window, day_window, window_of
from tests.historians import add, small_historian
from tests.oracle import Row, expect, objects, readings_of

HOUR, DAY = 3_600_000, 86_400_000
T0 = window_of("UTC", day="2026-10-10").start_ms
PATHS = {1: "a", 2: "b/ü%", 3: "c"}


def day(n: int):
    return day_window(date(2026, 10, 10 + n), "UTC")


def every_hour(days: int) -> list[Row]:
    return [Row(tagid, T0 + n * HOUR, float(n + tagid)) for tagid in PATHS for n in range(24 * days)]


@pytest.fixture
def history(database, make_config):
    """Five days of three tags, of which four have been read day by day."""
    small_historian(database, every_hour(5), PATHS)
    config = make_config(dbname=database.name)
    for n in range(4):
        ingest(config, day(n))
    return config


def rows_now(database) -> list[Row]:
    found = database.execute("SELECT tagid, t_stamp, floatvalue, stringvalue, dataintegrity FROM sqlt_data_1_2026_10")
    return [Row(*row) for row in found]


def insert(database, *rows: Row) -> None:
    with psycopg.connect(database.owner) as connection:
        add(connection, list(rows))


def agrees(config, database) -> bool:
    return readings_of(config) == expect(rows_now(database), PATHS).readings


@pytest.mark.parametrize("lake", ["local", "s3"])
@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_late_readings_are_picked_up_by_the_end_of_the_table(engine, lake, database, make_config):
    small_historian(database, every_hour(3), PATHS)
    config = make_config(dbname=database.name, engine=engine, lake=lake)
    for n in range(2):
        assert ingest(config, day(n)).late["tag_days"] == 0
    insert(database, Row(1, T0 + 5, 9.0), Row(3, T0 + DAY + 7, 8.0), Row(2, T0 + 9, 1.0, quality=0))
    record = ingest(config, day(2))
    found = record.late
    assert (found["detector"], found["tag_days"], found["rows_read"], found["reasons"]) == ("heap tail", 3, 75, [])
    assert (found["rows_written"], found["rows_rejected"], found["rows_deduplicated"]) == (74, 1, 0)
    assert found["tags"] == {"a": ["2026-10-10"], "b/ü%": ["2026-10-10"], "c": ["2026-10-11"]}
    assert record.rows_read == 72 == record.rows_written  # of the window itself
    assert agrees(config, database)
    before = objects(config)
    again = ingest(config, day(2))
    assert (again.late["tag_days"], again.files_written) == (0, 0) and objects(config) == before


def test_a_new_tag_brings_its_history_along(history, database):
    database.execute("INSERT INTO sqlth_te VALUES (4, 'new', 1, 1, 0, 0, NULL)")
    insert(database, *(Row(4, T0 + n * HOUR, float(n)) for n in range(24 * 5)))
    found = ingest(history, day(4)).late
    assert (found["tag_days"], found["tags"]) == (4, {"new": [f"2026-10-1{n}" for n in range(4)]})
    assert readings_of(history) == expect(rows_now(database), PATHS | {4: "new"}).readings
    assert ingest(history, day(4)).late["tag_days"] == 0


def test_a_day_of_which_a_tag_has_been_read_in_part_is_read_again_once(history, database):
    """And no reading stands in two files."""
    noon = day(4).start + timedelta(hours=12)
    ingest(history, Window(day(4).start, noon), ["^a$"])
    ingest(history, Window(noon, day(4).end), ["^c$"])
    insert(database, Row(1, T0 + 4 * DAY + 5, 9.0), Row(1, T0 + 4 * DAY + 13 * HOUR + 5, 9.0))
    found = ingest(history, day(5), ["^a$"]).late
    assert (found["tags"], found["rows_read"]) == ({"a": ["2026-10-14"]}, 26)
    assert [r for r in readings_of(history) if r[0] == "a"] == expect(
        [row for row in rows_now(database) if row.tagid == 1], PATHS
    ).readings


def test_a_part_of_a_day_that_is_read_again_leaves_the_rest_of_it_known_once(history, database):
    """Though late readings came into the day, and into one before it."""
    insert(database, Row(1, T0 + 5, 9.0), Row(1, T0 + 3 * DAY + 5, 9.0))
    noon = day(3).start + timedelta(hours=12)
    ingest(history, Window(noon, noon + timedelta(hours=1)))
    insert(database, Row(1, T0 + 3 * DAY + 20 * HOUR + 5, 9.0))
    ingest(history, day(4))
    assert agrees(history, database)
    assert ingest(history, day(4)).late["tag_days"] == 0


def test_a_row_without_a_time_is_late_for_no_day(history, database):
    database.execute("ALTER TABLE sqlt_data_1_2026_10 DROP CONSTRAINT sqlt_data_1_2026_10_pkey")
    ingest(history, day(4))
    database.execute("ALTER TABLE sqlt_data_1_2026_10 ALTER t_stamp DROP NOT NULL")
    database.execute("INSERT INTO sqlt_data_1_2026_10 VALUES (1, NULL, 1, NULL, NULL, 192, NULL)")
    assert ingest(history, day(4)).late["tag_days"] == 0


CHANGES = {
    "updated in place": "UPDATE sqlt_data_1_2026_10 SET floatvalue = -1 WHERE tagid = 1 AND t_stamp = {0}",
    "deleted": "DELETE FROM sqlt_data_1_2026_10 WHERE tagid = 1 AND t_stamp = {0}",
    "quality set": "UPDATE sqlt_data_1_2026_10 SET dataintegrity = 0 WHERE tagid = 1 AND t_stamp = {0}",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_end_of_the_table_cannot_tell_fingerprints_do(change, history, database):
    with psycopg.connect(database.owner, autocommit=True) as connection:
        connection.execute(CHANGES[change].format(T0 + 2 * HOUR))
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("SELECT 1")
    found = ingest(history, day(4)).late
    assert (found["detector"], found["tag_days"], found["rows_read"]) == ("fingerprint", 1, 24 - (change == "deleted"))
    assert any("since the mark" in reason for reason in found["reasons"])
    assert agrees(history, database)


def test_a_table_written_anew_is_compared_and_only_what_differs_is_read(history, database):
    rows = rows_now(database)
    database.execute("TRUNCATE sqlt_data_1_2026_10")
    random.Random(1).shuffle(rows)
    insert(database, *(row for row in rows if (row.tagid, row.t_stamp) != (2, T0 + DAY)))
    found = ingest(history, day(4)).late
    assert (found["detector"], found["tags"]) == ("fingerprint", {"b/ü%": ["2026-10-11"]})
    assert agrees(history, database)


def test_a_run_of_other_tags_leaves_a_note_for_the_one_that_may_read_them(history, database):
    insert(database, Row(1, T0 + 5, 9.0), Row(3, T0 + 5, 8.0))
    found = ingest(history, day(4), ["^c$"]).late
    assert (found["tag_days"], found["tag_days_left"], found["tags"]) == (1, 1, {"c": ["2026-10-10"]})
    found = ingest(history, day(4), ["^a$", "^b/"]).late
    assert (found["detector"], found["tags"]) == ("heap tail", {"a": ["2026-10-10"]})
    assert agrees(history, database)


def test_days_older_than_the_lookback_wait_for_a_run_that_reaches_them(history, database):
    insert(database, Row(1, T0 + 5, 9.0), Row(1, T0 + 3 * DAY + 5, 9.0))
    short = history.model_copy(update={"lookback_days": 2})
    assert (found := ingest(short, day(4)).late)["tag_days"] == 1 and found["tag_days_left"] == 1
    assert not agrees(history, database)
    assert ingest(history, day(4)).late["tag_days"] == 1
    assert agrees(history, database)


def test_a_table_that_the_historian_dropped_takes_nothing_out_of_the_lake(history, database):
    before = readings_of(history)
    database.execute("ALTER TABLE sqlt_data_1_2026_10 RENAME TO archived")
    database.execute("CREATE TABLE sqlt_data_1_2026_11 (LIKE archived INCLUDING ALL)")
    november = window_of("UTC", day="2026-11-02")
    database.execute(f"INSERT INTO sqlt_data_1_2026_11 SELECT * FROM archived WHERE t_stamp < {T0}")
    insert_at = f"INSERT INTO sqlt_data_1_2026_11 VALUES (1, NULL, 5, NULL, NULL, 192, {november.start_ms})"
    database.execute(insert_at)
    assert ingest(history, november).late["tag_days"] == 0
    assert [r for r in readings_of(history) if r[1] < november.start_ms] == before


def test_late_readings_in_the_table_of_the_month_after_are_found(history, database):
    database.execute("CREATE TABLE sqlt_data_1_2026_11 (LIKE sqlt_data_1_2026_10 INCLUDING ALL)")
    last = window_of("UTC", day="2026-10-31")
    ingest(history, last)
    for ms in (last.end_ms + HOUR, last.start_ms + 23 * HOUR):  # a table that rolled over early
        database.execute(f"INSERT INTO sqlt_data_1_2026_11 VALUES (1, NULL, 5, NULL, NULL, 192, {ms})")
    found = ingest(history, window_of("UTC", day="2026-11-01")).late
    assert found["tag_days"] == 1
    assert {t for _, t, *_ in readings_of(history)} >= {last.end_ms + HOUR, last.start_ms + 23 * HOUR}


def two_tables(database, first: str, second: str) -> None:
    small_historian(database, [], PATHS)
    database.execute(f"ALTER TABLE sqlt_data_1_2026_10 RENAME TO {first}")
    database.execute(f"CREATE TABLE {second} (LIKE {first} INCLUDING ALL)")


def put(database, table: str, day: str, hours: range, more_ms: int = 0) -> None:
    times = [window_of("UTC", day=day).start_ms + hour * HOUR + more_ms for hour in hours]
    database.execute(f"INSERT INTO {table} SELECT 1, NULL, 5, NULL, NULL, 192, unnest(%s::int8[])", times)


@pytest.mark.parametrize("late_in", ["sqlt_data_1_2026_07", "sqlt_data_2_2026_09"])
def test_a_day_is_read_again_from_a_table_of_three_months_as_well(late_in, database, make_config):
    two_tables(database, "sqlt_data_1_2026_07", "sqlt_data_2_2026_09")
    put(database, "sqlt_data_1_2026_07", "2026-09-15", range(10))  # a gateway that was renamed on that day
    put(database, "sqlt_data_2_2026_09", "2026-09-15", range(10, 24))
    config = make_config(dbname=database.name)
    assert ingest(config, "2026-09-15").rows_written == 24
    put(database, late_in, "2026-09-15", range(3), 5)
    assert ingest(config, "2026-09-16").late["rows_read"] == 27 == len(readings_of(config))


def test_what_comes_late_into_the_table_of_the_month_in_which_it_comes_is_read(database, make_config):
    two_tables(database, "sqlt_data_1_2026_09", "sqlt_data_1_2026_10")
    put(database, "sqlt_data_1_2026_09", "2026-09-20", range(24))
    config = make_config(dbname=database.name)
    ingest(config, "2026-09-20")
    put(database, "sqlt_data_1_2026_10", "2026-09-20", range(10), 5)
    assert ingest(config, "2026-10-06").late["rows_read"] == 34 == len(readings_of(config))
    assert not verify(config, "2026-09-20").differences
    again = ingest(config, "2026-09-20")
    assert (again.rows_written, again.files_written) == (34, 0)


def test_what_is_late_in_one_drivers_table_makes_nothing_late_of_another_drivers(database, make_config):
    two_tables(database, "sqlt_data_1_2026_09", "sqlt_data_1_2026_10")
    two = "CREATE TABLE sqlt_data_2_2026_10 (LIKE sqlt_data_1_2026_10 INCLUDING ALL)"
    database.execute(two)
    put(database, "sqlt_data_1_2026_09", "2026-09-20", range(24))
    put(database, "sqlt_data_1_2026_10", "2026-09-20", range(5), 7)
    put(database, "sqlt_data_2_2026_10", "2026-10-05", range(24))
    config = make_config(dbname=database.name)
    for day in ("2026-09-20", "2026-10-05"):
        ingest(config, day)
    database.execute("UPDATE sqlt_data_1_2026_09 SET floatvalue = 6")
    found = ingest(config, "2026-09-20").late
    assert (found["detector"], found["tag_days_left"]) == ("fingerprint", 0)
    assert ingest(config, "2026-10-05").late["tag_days"] == 0


@pytest.mark.slow
def test_2000_late_readings_of_400_tags_cost_just_the_tag_days_that_changed(database, make_config):
    summary = seed(database.owner, PlantOptions(tags=400, days=31, rate_seconds=1200, end=date(2026, 11, 1)))
    config = make_config(dbname=database.name)
    month = window_of("UTC", start=summary.start.isoformat(), end=day_window(date(2026, 10, 30), "UTC").end.isoformat())
    ingest(config, month)
    chance = random.Random(7)
    ids = [i for (i,) in database.execute("SELECT id FROM sqlth_te WHERE retired IS NULL AND datatype = 1")]
    query = "SELECT DISTINCT pname FROM sqlth_partitions WHERE pname LIKE '%2026_10' ORDER BY 1"
    tables = [table for (table,) in database.execute(query)]
    late = {
        (chance.choice(ids), month.start_ms + chance.randrange(30) * DAY + chance.randrange(DAY // 1000) * 1000 + 7)
        for _ in range(2000)
    }
    with psycopg.connect(database.owner) as connection:
        for i, ms in late:
            table = tables[i % len(tables)]
            connection.execute(f"INSERT INTO {table} VALUES ({i}, NULL, 1.5, NULL, NULL, 192, {ms})")
    path_of = dict(database.execute("SELECT id, tagpath FROM sqlth_te"))
    days = {(path_of[i], (ms - month.start_ms) // DAY) for i, ms in late}
    yesterday = window_of("UTC", day="2026-10-31")
    found = ingest(config, yesterday).late
    assert found["detector"] == "heap tail" and found["tag_days"] == len(days)
    count = sum(
        database.execute(
            f"SELECT count(*) FROM {table} JOIN sqlth_te ON id = tagid"
            f" WHERE (tagpath, (t_stamp - {month.start_ms}) / {DAY})"
            " IN (SELECT * FROM unnest(%s::text[], %s::bigint[]))",
            [path for path, _ in days],
            [n for _, n in days],
        )[0][0]
        for table in tables
    )
    assert found["rows_read"] == count
    fresh = make_config(dbname=database.name)
    ingest(fresh, month)
    ingest(fresh, yesterday)
    assert readings_of(config) == readings_of(fresh)
