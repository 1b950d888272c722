"""Percent signs, quotes, braces and spaces in the names of schemas, tables and folders, through every command."""

from __future__ import annotations

import pytest
from psycopg import sql

from sensorstream.checks.check_lake import check_lake
from sensorstream.checks.check_source import check_source
from sensorstream.checks.learn_ranges import learn_ranges
from sensorstream.exploration import from_historian
from sensorstream.historian import open_historian
from sensorstream.lake.scan import read_lake
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.oracle import objects, readings_of, without_marks

DAY, NEXT = (window_of("UTC", day=f"2026-10-{day}") for day in (14, 15))
SCHEMA, TAGS = "p%s {0} \"q\" 'r' ${s}", 'tags %(a)s ? "x" \\y'
TABLES = "press%d_%s_2026_10", "line \"b\" %% 'c' {}_2026_10"
PATHS = {1: "a%s/{x}", 2: "b/'y' \"z\""}


@pytest.fixture
def execute(database):
    """``execute(query, *names)`` with the names in place of ``{}``; two tables, each a tag's reading every minute."""

    def do(query: str, *names: str) -> list[tuple]:
        found = sql.SQL(query).format(*(sql.Identifier(*name.split("\n")) for name in names))
        return database.execute(found)

    tags, *tables = (f"{SCHEMA}\n{name}" for name in (TAGS, *TABLES))
    do("CREATE SCHEMA {}", SCHEMA)
    do("CREATE TABLE {} (id int, tagpath text, description text, unit text, {} int)", tags, "100%")
    for number, table in enumerate(tables, 1):
        do("CREATE TABLE {} (tagid int, t_stamp bigint, value float8, dataintegrity int, {} int,"
           " PRIMARY KEY (tagid, t_stamp))", table, "50%s")  # fmt: skip
        do(f"INSERT INTO {{}} SELECT {number}, t, sin(t), 192"
           f" FROM generate_series({DAY.start_ms}, {NEXT.end_ms - 1}, 60000) t", table)  # fmt: skip
        path = PATHS[number].replace("'", "''").replace("{", "{{").replace("}", "}}")
        do(f"INSERT INTO {{}} VALUES ({number}, '{path}', 'of {number}', 'bar')", tags)
    do("GRANT USAGE ON SCHEMA {} TO reader", SCHEMA)
    do("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO reader", SCHEMA)
    return do


def test_odd_names_are_read_by_every_command(execute, database, make_config):
    keys = {"dbname": database.name, "db_schema": SCHEMA, "tags_table": TAGS, "layout": "generic"}
    packed = make_config(**keys, lake="s3", s3_directory="-{x}/100% é [*] b")
    jdbc = make_config(**keys, engine="jdbc")
    assert {table.name for table in plan(packed, DAY).tables} == set(TABLES)
    for config in (packed, jdbc):
        assert ingest(config, DAY).rows_written == 2 * 1440
    assert without_marks(objects(packed)) == without_marks(objects(jdbc))
    execute("UPDATE {} SET value = 7 WHERE t_stamp % 3600000 = 0", f"{SCHEMA}\n{TABLES[0]}")
    later = ingest(packed, NEXT)
    assert later.late["tag_days"] == 1
    assert {path for path, *_ in readings_of(packed)} == set(PATHS.values())

    assert check_source(packed, DAY).success and check_lake(packed, NEXT, record=later).success
    assert [one.unit for one in learn_ranges(packed, DAY)] == ["bar"]
    assert verify(packed, DAY).differences == ()
    assert read_lake(packed, DAY.start, DAY.end).num_rows == 2 * 1440
    assert read_lake(packed, DAY.start, DAY.end, into="spark").count() == 2 * 1440
    with open_historian(packed) as historian:
        assert historian.matching(PATHS.values(), ["^a"]) == {PATHS[1]}
    for most in (None, 10):  # whole, and sampled
        found = from_historian.look(packed, list(PATHS.values()), DAY, 100, most=most)
        assert all(one.kept.readings.num_rows for one in found.values())
