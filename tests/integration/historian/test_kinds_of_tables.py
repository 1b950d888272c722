"""Whatever PostgreSQL lets one select from works as a month table and as the tags table, in every command."""

from __future__ import annotations

import json
from functools import partial

import pytest

import sensorstream
from sensorstream.checks.check_lake import check_lake
from sensorstream.checks.check_source import check_source
from sensorstream.exploration import from_historian
from sensorstream.historian import open_historian
from sensorstream.historian.statistics import statistics
from sensorstream.notebook_run.run import run
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.verification.verify import verify
from sensorstream.windows import Window, window_of
from tests.historians import DAY, T0, small_historian
from tests.kinds import KINDS, become, insert
from tests.oracle import Row, bits, expect, readings_of

QUICK = ("view over a join",)  # least like a table
slow = partial(pytest.param, marks=pytest.mark.slow)
MONTH, MINUTE, NOON = "sqlt_data_1_2026_10", 60_000, T0 + 43_200_000
PATHS = {1: "plant/a", 2: "plant/b", 3: "plant/a"}
ORDERED = ("table", "materialized view")


@pytest.fixture
def rows() -> list[Row]:
    """A day and the one before, of three ids, texts and bad readings among them."""
    times = range(T0 - 86_400_000, DAY.end_ms, 10 * MINUTE)
    found = [Row(i, t, float(n), quality=192 if n % 5 else 0) for n, t in enumerate(times) for i in (1, 2)]
    return sorted([*found, Row(2, T0 + 1, text="ünïcode"), Row(3, NOON, -1.5)], key=lambda row: row.t_stamp)


@pytest.fixture
def of_kind(request, rows, database, sandbox) -> str:
    small_historian(database, rows, PATHS)
    database.execute("UPDATE sqlth_te SET datatype = 2 WHERE id = 2")
    become(database, sandbox, request.param, MONTH, ("tagid", "t_stamp"), NOON)
    become(database, sandbox, request.param, "sqlth_te", ("id",), 2)
    return request.param


@pytest.mark.parametrize("of_kind", [kind if kind in QUICK else slow(kind) for kind in KINDS], indirect=True)
def test_every_command_reads_it_whole(of_kind, rows, database, make_config):
    packed, jdbc = (make_config(dbname=database.name, engine=engine) for engine in ("packed", "jdbc"))
    today = [row for row in rows if row.t_stamp >= T0]
    assert {tag.path: tag.ids for tag in plan(packed, DAY).tags} == {"plant/a": (1, 3), "plant/b": (2,)}
    both = window_of("UTC", start="2026-10-13", end="2026-10-15")
    found = check_source(packed, both)
    unlike = "readings of one tag path and time are alike"  # two ids of one path differ at a time
    assert [one.expectation for one in found.findings if not one.success] == [unlike]
    assert any("clocks are not judged" in note for note in found.notes) == (of_kind not in ORDERED)
    for config in (packed, jdbc):
        record = ingest(config, both)
        assert readings_of(config) == expect(rows, PATHS).readings
        assert record.partition_tables == [MONTH] and record.warnings == []

    late = Row(1, T0 - 5, 77.0)
    insert(database, of_kind, MONTH, f"1, NULL, 77, NULL, NULL, 192, {late.t_stamp}")
    for config in (packed, jdbc):
        record = ingest(config, DAY)
        assert record.late["tag_days"] == 1
        assert readings_of(config) == expect([*rows, late], PATHS).readings
    check_lake(packed, DAY, record=record).raise_if_failed()
    assert verify(packed, both).success

    expected = expect(today, PATHS).readings
    seen = from_historian.read(packed, sorted(set(PATHS.values())), DAY).to_pylist()
    assert [(one["tagpath"], bits(one["value"]), one["text"]) for one in seen] == [
        (path, value, text) for path, _, value, text, _ in expected
    ]
    for config in (packed, jdbc):
        assert sensorstream.read_historian(config, DAY).count() == len(expected)


@pytest.mark.parametrize("of_kind", [slow("view over a join"), slow("heirs of another schema")], indirect=True)
def test_a_whole_run_passes_its_checks(of_kind, database, make_config, tmp_path):
    config = make_config(dbname=database.name)
    path = tmp_path / "config.json"
    values = {"db": config.db.model_dump(mode="json"), "local_path": str(tmp_path / "lake"), "spark_master": "local[2]"}
    values["db"]["password"] = config.db.password.get_secret_value()
    path.write_text(json.dumps(values | {"reports_path": str(tmp_path / "reports")}))
    assert run(path, date="2026-10-14").record.rows_written > 0


@pytest.mark.parametrize("of_kind", KINDS, indirect=True)
def test_only_a_table_whose_rows_all_stand_in_its_file_is_read_by_pages(of_kind, rows, database, make_config):
    config = make_config(dbname=database.name)
    everything = Window(DAY.start.replace(day=1), DAY.end)
    with open_historian(config) as historian:
        (table,) = historian.partition_tables(everything)
        found = statistics(historian, table, everything)
    assert (found.pages is None) == (of_kind not in ORDERED)
    assert ingest(config, everything).rows_read == len(rows)
