"""Which tables are read, and that nothing is left out, kept out or taken for another tag's without a word."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from sensorstream.checks.check_source import check_source
from sensorstream.cli.main import main
from sensorstream.config.layouts.known import known
from sensorstream.errors import SourceError
from sensorstream.historian import open_historian
from sensorstream.historian.layout_check import check_layout
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.historians import DAY, T0, small_historian
from tests.oracle import Row, readings_of

COLUMNS = "(pname text, drvid int, start_time bigint, end_time bigint, blocksize int, flags int)"
PARTITIONS = f"CREATE TABLE sqlth_partitions {COLUMNS}"
GENERIC = "(tagid int, t_stamp bigint, value float8, dataintegrity int)"


@pytest.fixture
def generic(database):
    """A generic historian with one tag; call it to make a table of a reading a minute from noon on."""
    database.execute("CREATE TABLE tags (id int, tagpath text, description text, unit text)")
    database.execute("INSERT INTO tags VALUES (1, 'a', NULL, NULL)")

    def make(table: str, times: str = "t", columns: str = GENERIC) -> None:
        database.execute(f"CREATE TABLE {table} {columns}")
        noon = T0 + 43_200_000
        database.execute(
            f"INSERT INTO {table} SELECT 1, {times}, 1, 192 FROM generate_series({noon}, {noon + 540_000}, 60000) t"
        )

    return make


@pytest.mark.parametrize(
    "name",
    [
        "sqlth_1_data", "sqlth_84_data", "sqlt_data_1_2026", "sqlt_data_84_2026", "sqlt_data_84_2026_10",
        "sqlt_data_1_20261014",
    ],
)  # fmt: skip
@pytest.mark.parametrize("partitions", ["missing", "empty"])
def test_where_nothing_is_listed_every_name_that_gateways_give_is_known(name, partitions, database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    database.execute(f"ALTER TABLE sqlt_data_1_2026_10 RENAME TO {name}")
    if partitions == "empty":
        database.execute(PARTITIONS)
    assert [table.name for table in plan(make_config(dbname=database.name), DAY).tables] == [name]


def test_a_month_may_be_written_without_its_zero_and_a_table_of_three_months_is_read_to_its_end(database, make_config):
    november = window_of("UTC", day="2026-11-20")
    small_historian(database, [Row(1, november.start_ms, 1.0)], {1: "a"})
    database.execute("CREATE TABLE sqlt_data_2_2026_9 (LIKE sqlt_data_1_2026_10)")
    database.execute("CREATE TABLE sqlt_data_2_2026_11 (LIKE sqlt_data_1_2026_10)")
    config = make_config(dbname=database.name)
    assert [table.name for table in plan(config, window_of("UTC", day="2026-09-05")).tables] == ["sqlt_data_2_2026_9"]
    assert [table.name for table in plan(config, november).tables] == ["sqlt_data_1_2026_10", "sqlt_data_2_2026_11"]


def test_preprocessed_tables_are_no_readings_even_where_no_other_is_listed(database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    database.execute("CREATE TABLE sqlt_data_1_20261014 (LIKE sqlt_data_1_2026_10)")
    database.execute(PARTITIONS)
    database.execute(f"INSERT INTO sqlth_partitions VALUES ('sqlt_data_1_20261014', 1, {T0}, {DAY.end_ms}, 60, 0)")
    assert [t.name for t in plan(make_config(dbname=database.name), DAY).tables] == ["sqlt_data_1_2026_10"]


def test_a_listed_table_that_is_part_of_one_that_is_not_is_read(database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    database.execute("CREATE TABLE sqlth_1_data (LIKE sqlt_data_1_2026_10)")
    database.execute("ALTER TABLE sqlt_data_1_2026_10 INHERIT sqlth_1_data")
    database.execute(PARTITIONS)
    row = "INSERT INTO sqlth_partitions VALUES ('{}', 1, {}, {}, 0, 0)"
    database.execute(row.format("sqlt_data_1_2026_10", T0, DAY.end_ms))
    config = make_config(dbname=database.name)
    found = plan(config, DAY)
    assert [table.name for table in found.tables] == ["sqlt_data_1_2026_10"] and not found.left_out
    database.execute(row.format("sqlth_1_data", T0 - 9_000_000, T0))
    assert [table.name for table in plan(config, DAY).tables] == ["sqlth_1_data"]  # which shows its heirs' rows


def test_a_table_that_is_not_listed_and_holds_readings_of_the_window_is_named(database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    database.execute("CREATE TABLE sqlt_data_2_2026_10 AS SELECT * FROM sqlt_data_1_2026_10")
    database.execute("CREATE TABLE sqlt_data_3_2026_10 (LIKE sqlt_data_1_2026_10)")  # nothing is lost with it
    database.execute(PARTITIONS)
    database.execute(f"INSERT INTO sqlth_partitions VALUES ('sqlt_data_1_2026_10', 1, {T0}, {DAY.end_ms}, 0, 0)")
    config = make_config(dbname=database.name)
    says = (
        "sqlt_data_2_2026_10 is not listed in sqlth_partitions and holds readings of the window: left out, list it"
        " there, or rename it if it is not wanted"
    )
    assert says in plan(config, DAY).notes
    assert ingest(config, DAY).warnings == [says]
    assert says in verify(config, DAY).notes
    found = check_source(config, DAY)
    (unread,) = [one for one in found.findings if one.column == "unread"]
    assert unread.tags == ("table sqlt_data_2_2026_10",) and says in found.notes and found.success
    database.execute("REVOKE SELECT ON sqlt_data_2_2026_10 FROM reader")
    notes = plan(config, DAY).notes
    assert any("sqlt_data_2_2026_10 is not listed" in n and "cannot be looked into: left out" in n for n in notes)


def test_a_table_without_a_month_in_its_name_gets_a_hint(database, make_config, generic):
    generic("readings")
    config = make_config(dbname=database.name)
    says = (
        "readings has the columns of readings but no month in its name: left out, rename it, or show it in a view"
        ' "readings_2026_10"'
    )
    assert says in plan(config, DAY).notes
    november = plan(make_config(dbname=database.name, timezone="Asia/Tokyo"), "2026-11-01").notes
    assert says.replace("2026_10", "2026_11") in november
    with pytest.raises(SourceError, match="no partition table covers .*" + re.escape(f"({says})")):
        ingest(config, DAY)
    database.execute("CREATE VIEW readings_2026_10 AS SELECT * FROM readings")
    assert [table.name for table in plan(config, DAY).tables] == ["readings_2026_10"]


def test_a_table_by_weeks_is_told_of(database, make_config, generic):
    generic("sensor_2026_10")
    generic("sensor_2026_42")
    (note,) = [note for note in plan(make_config(dbname=database.name), DAY).notes if "sensor_2026_42" in note]
    assert note.startswith("sensor_2026_42 has the columns of readings but no month in its name: left out")


def test_a_week_that_is_taken_for_a_month_is_told_of(database, make_config, generic):
    past, next_year = "sensor_2026_08", f"sensor_{date.today().year + 1}_05"
    generic(past)
    generic(next_year)
    config = make_config(dbname=database.name)
    (left,) = plan(config, DAY).left_out
    assert left.why.startswith(f"{next_year} is of a time that has not begun") and "{year}_{n}" in left.why
    with pytest.raises(SourceError, match="no partition table covers .*" + re.escape(left.why)):
        ingest(config, DAY)
    notes = [note for note in check_layout(config).notes if "has no reading of that time" in note]
    assert [note.partition(" is taken for ")[0] for note in notes] == [past, next_year]
    layout = json.loads(known("generic").model_dump_json(exclude_defaults=True))
    layout["readings"][0]["tables"] = {"names": ["sensor_{year}_{n}"]}
    assert ingest(make_config(dbname=database.name, layout=layout), DAY).rows_written == 10


def test_a_table_of_next_year_that_may_not_be_read_stops_nothing(database, make_config, generic):
    generic("sensor_2026_10")
    generic(later := f"sensor_{date.today().year + 1}_05")
    config = make_config(dbname=database.name)
    database.execute(f'REVOKE ALL ON {later} FROM "{config.db.user}"')
    assert ingest(config, DAY).rows_written == 10
    assert [table.failure is None for table in check_layout(config).tables] == [True, False]


def test_a_table_of_three_months_is_read_beside_those_of_months_that_others_have(database, make_config, generic):
    generic("sensor_2026_10")
    generic("pump_2026_08", "t + 1")
    config = make_config(dbname=database.name)
    assert ingest(config, DAY).rows_read == 20
    database.execute(f'REVOKE ALL ON pump_2026_08 FROM "{config.db.user}"')
    record = ingest(make_config(dbname=database.name), DAY)
    (says,) = [note for note in record.explain if note.startswith("pump_2026_08")]
    assert record.rows_written == 10 and "cannot be looked into: left out" in says


def test_a_table_of_long_ago_is_not_looked_at(database, make_config, generic):
    generic("sensor_2026_10")
    database.execute("CREATE TABLE log_2019_01 (t_stamp timestamp)")
    assert [table.name for table in plan(make_config(dbname=database.name), DAY).tables] == ["sensor_2026_10"]


def test_parents_and_partitions_of_month_tables_get_no_hint(database, make_config):
    database.execute("CREATE TABLE tags (id int, tagpath text, description text, unit text)")
    database.execute("INSERT INTO tags VALUES (1, 'a', NULL, NULL)")
    database.execute(f"CREATE TABLE sensor {GENERIC} PARTITION BY RANGE (t_stamp)")
    database.execute(
        f"CREATE TABLE sensor_2026_10 PARTITION OF sensor FOR VALUES FROM ({T0}) TO ({DAY.end_ms})"
        " PARTITION BY RANGE (t_stamp)"
    )
    database.execute("CREATE TABLE sensor_rest PARTITION OF sensor_2026_10 DEFAULT")
    found = plan(make_config(dbname=database.name), DAY)
    assert [table.name for table in found.tables] == ["sensor_2026_10"] and not found.left_out


def test_a_month_table_without_one_of_its_columns_is_refused_by_name(database, make_config, generic):
    generic("sensor_2026_10", columns="(tagid int, moment bigint, value float8, dataintegrity int)")
    with pytest.raises(SourceError, match="table sensor_2026_10 has no column t_stamp"):
        plan(make_config(dbname=database.name), DAY)


@pytest.mark.parametrize(
    ("times", "unit", "remedy"),
    [
        ("t / 1000", "seconds", "t_stamp * 1000"),
        ("t * 1000", "microseconds", "t_stamp / 1000"),
        ("t * 1000000", "nanoseconds", "t_stamp / 1000000"),
    ],
)
def test_times_in_another_unit_are_refused_by_name(times, unit, remedy, database, make_config, generic):
    generic("sensor_2026_10", times)
    says = rf"table sensor_2026_10 has times in {unit}, t_stamp \d+ for one, .*view with {re.escape(remedy)}$"
    with pytest.raises(SourceError, match=says):
        plan(make_config(dbname=database.name), DAY)


def test_a_few_odd_times_do_not_condemn_a_table(database, make_config, generic):
    generic("sensor_2026_10")
    database.execute(f"CREATE TABLE odd {GENERIC}")
    database.execute(f"INSERT INTO odd SELECT 1, {T0 // 1000} + n, 1, 192 FROM generate_series(1, 99) n")
    database.execute("INSERT INTO odd SELECT * FROM sensor_2026_10; DROP TABLE sensor_2026_10")
    database.execute("ALTER TABLE odd RENAME TO sensor_2026_10")
    config = make_config(dbname=database.name)
    assert any("has times that are no milliseconds" in note for note in plan(config, DAY).notes)
    database.execute("UPDATE sensor_2026_10 SET t_stamp = 0")
    plan(config, DAY)  # of no unit at all
    database.execute(f"UPDATE sensor_2026_10 SET t_stamp = {T0 // 1000}")
    database.execute("ALTER TABLE sensor_2026_10 RENAME TO sensor_1970_01")
    assert len(plan(config, window_of("UTC", start="1970-01-01", end="1970-02-01")).tables) == 1  # an old recording


# -- nothing kept is no quiet success ----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_a_run_that_keeps_not_one_reading_says_so(engine, database, make_config):
    small_historian(database, [Row(1, T0 + n, 1.0, quality=q) for n, q in enumerate([0, 0, 500, None])], {1: "a"})
    config = make_config(dbname=database.name, engine=engine)
    says = (
        "not one of 4 readings of sqlt_data_1_2026_10 is kept, bad_quality 3, no_quality 1, with quality code 0 Bad"
        ' (2), 500 Stale (1), no (1): name the codes that are good under "good_quality"'
    )
    assert ingest(config, DAY).warnings == [says]
    found = check_source(config, DAY)
    assert [one.expectation for one in found.failed] == ["at least one reading of the window is kept"]
    assert says in found.notes


def test_a_table_of_which_nothing_is_kept_is_named_beside_one_that_is(database, make_config):
    good = [Row(1, T0 + n, 1.0) for n in range(5)]
    small_historian(database, [*good, Row(1, T0 + 9, 1.0, quality=0)], {1: "a", 2: "b"})
    database.execute("CREATE TABLE sqlt_data_2_2026_10 (LIKE sqlt_data_1_2026_10)")
    database.execute(f"INSERT INTO sqlt_data_2_2026_10 VALUES (2, NULL, 1, NULL, NULL, 0, {T0})")
    database.execute("CREATE TABLE sqlt_data_3_2026_10 (LIKE sqlt_data_1_2026_10)")
    database.execute(f"INSERT INTO sqlt_data_3_2026_10 VALUES (77, NULL, 1, NULL, NULL, 192, {T0})")
    config = make_config(dbname=database.name)
    bad, foreign = ingest(config, DAY).warnings
    assert bad.startswith(
        "not one of 1 readings of sqlt_data_2_2026_10 is kept, bad_quality 1, with quality code 0 Bad"
    )
    assert foreign.startswith("sqlt_data_3_2026_10 holds readings of the window, and none is of a tag in sqlth_te: add")
    found = check_source(config, DAY)
    assert found.success and {bad, foreign} <= set(found.notes)
    assert {one.column: one.tags for one in found.findings if one.column in ("none_kept", "unread")} == {
        "none_kept": ("table sqlt_data_2_2026_10",),
        "unread": ("table sqlt_data_3_2026_10",),
    }


def test_what_was_not_kept_stands_on_standard_error_and_in_the_record(database, make_config, tmp_path, capsys):
    small_historian(database, [Row(1, T0, 1.0, quality=0)], {1: "a"})
    config = make_config(dbname=database.name)
    values = json.loads(config.model_dump_json()) | {"local_path": str(tmp_path / "lake")}
    values["db"]["password"] = config.db.password.get_secret_value()
    values = {key: values[key] for key in ("db", "local_path", "spark_master")}
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(SystemExit):
        main(["ingest", "--config", str(tmp_path / "config.json"), "--date", "2026-10-14", "--json"])
    out, err = capsys.readouterr()
    assert "sensorstream: warning: not one of 1 readings of sqlt_data_1_2026_10 is kept" in err
    assert json.loads(out.splitlines()[-1])["warnings"][0].startswith("not one of 1 readings")


# -- the tags table ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([(1, "a")], 'id 1 2 times with tag path "a": whose readings are they'),
        ([(1, "b")], 'id 1 with tag paths "a" and "b": whose readings are they'),
        ([(1, "b"), (1, "c")], 'id 1 with tag paths "a" and "c"'),
        ([(1, "")], 'id 1 with tag paths "" and "a"'),
    ],
)
@pytest.mark.parametrize("layout", ["ignition", "generic"])
def test_an_id_that_stands_twice_is_refused_whichever_tags_are_selected(layout, rows, says, database, make_config):
    if layout == "ignition":
        small_historian(database, [], {1: "a", 2: "z"})
    else:
        database.execute("CREATE TABLE tags (id int, tagpath text, description text, unit text)")
        database.execute("INSERT INTO tags VALUES (1, 'a', NULL, NULL), (2, 'z', NULL, NULL)")
    table = "sqlth_te" if layout == "ignition" else "tags"
    for number, path in rows:
        database.execute(f"INSERT INTO {table} (id, tagpath) VALUES ({number}, '{path}')")
    with (
        open_historian(make_config(dbname=database.name)) as historian,
        pytest.raises(SourceError, match=f"table {table} has {says}"),
    ):
        historian.tags(["^z$"])


def test_rows_without_an_id_take_nothing_from_a_path_and_are_told(database, make_config):
    small_historian(database, [Row(1, T0, 1.0), Row(2, T0, 2.0)], {1: "a", 2: "b"})
    config = make_config(dbname=database.name)
    ingest(config, DAY)
    before = readings_of(config)
    database.execute("INSERT INTO sqlth_te (id, tagpath) VALUES (NULL, 'a'), (NULL, 'a'), (1, NULL)")
    database.execute("UPDATE sqlth_te SET id = NULL WHERE tagpath = 'b'")
    record = ingest(config, DAY)
    assert "sqlth_te has rows without an id, 3 of them, a for one: left out" in record.explain
    assert readings_of(config) == before  # what has no id any more is not taken for gone
