"""A clean plant raises nothing, day after day; what is planted in it is found, with the right tags and times."""

from __future__ import annotations

import csv
import itertools
import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from sensorstream.checks.check_lake import check_lake
from sensorstream.checks.check_source import check_source
from sensorstream.pipeline.ingest import ingest
from sensorstream.project_files import project_folder
from sensorstream.publishing.compaction import compact
from sensorstream.report.run_page import stands_out
from sensorstream.sandbox.plant import PlantOptions, seed
from sensorstream.sandbox.replay import replay
from sensorstream.sandbox.replay_csv import read_series
from sensorstream.windows import day_window, window_of
from tests.conftest import SHARED_DATA

CLEAN = replace(PlantOptions(), tags=12, days=2, end=date(2026, 10, 31), rate_seconds=60, clean=True)
DAY = window_of("UTC", day="2026-10-30")
ENERGY, TABLE = "plant1/press/unit1/energy", "sqlt_data_1_2026_10"  # tag id 4
HOUR = 3_600_000  # ms
NOON = DAY.start_ms + 12 * HOUR
SCANNED = tuple(
    sorted(
        [ENERGY, "plant1/furnace/unit1/flow", "plant1/furnace/unit1/running", "plant1/furnace/unit1/temperature",
         "plant1/furnace/zone 4/temperature", "plant1/press/unit1/temperature", "plant2/packaging/fill 100%/pressure",
         "plant2/packaging/line #3/flow", "plant2/packaging/unit1/pressure", "plant2/packaging/unit1/valve"]
    )
)  # fmt: skip


def broken(*results):
    return {f.expectation: tuple(sorted(f.tags)) for result in results for f in result.findings if not f.success}


@pytest.fixture
def plant_fault(database, make_config, tmp_path):
    """Plant a fault by SQL in a clean plant; both checks of the day, before and after its run."""
    seed(database.owner, CLEAN)
    folder = tmp_path / "expectations"
    shutil.copytree(project_folder("expectations"), folder)
    ranges = [{"pattern": "energy$", "lowest": 0, "highest": 2e6}]
    (folder / "ranges.json").write_text(json.dumps({"ranges": ranges}))
    config = make_config(dbname=database.name, good_quality=[192], bad_quality=[0, 256, 500, 600])

    def plant(statements):
        for statement in statements.split(";"):
            database.execute(statement)
        source = check_source(config, DAY, expectations_dir=folder)
        record = ingest(config, DAY)
        return source, check_lake(config, DAY, record=record, expectations_dir=folder)

    return plant


WHERE = f"WHERE tagid = 4 AND t_stamp >= {DAY.start_ms} AND t_stamp < {DAY.end_ms}"
FAULTS = {
    "nulls": (
        f"UPDATE {TABLE} SET floatvalue = NULL {WHERE} AND t_stamp / 60000 % 5 = 0",
        {"at most one good reading in twenty is empty", "at most one reading in twenty is empty"}, None,
    ),
    "out of range": (
        f"UPDATE {TABLE} SET floatvalue = -5 - t_stamp / 60000 % 7 {WHERE}"
        f" AND t_stamp >= {NOON} AND t_stamp < {NOON + HOUR}",
        {"no value is below its range", "every value is within its range"}, None,
    ),
    "an unknown quality code": (
        f"UPDATE {TABLE} SET dataintegrity = 42 {WHERE} AND t_stamp < {DAY.start_ms + 120_000}",
        {"every quality code is on a list"}, None,
    ),
    "a missing tag": (f"DELETE FROM {TABLE} {WHERE}", {"every living tag has a reading"}, None),
    "a stuck sensor": (
        f"UPDATE {TABLE} SET floatvalue = 7.5 {WHERE} AND t_stamp >= {NOON} AND t_stamp < {NOON + 5 * HOUR}",
        {"no sensor is stuck"}, ("stuck", NOON, NOON + 5 * HOUR),
    ),
    "a clock that went back": (
        f"CREATE TABLE rest AS SELECT * FROM {TABLE} {WHERE} AND t_stamp >= {NOON};"
        f"DELETE FROM {TABLE} {WHERE} AND t_stamp >= {NOON};"
        f"INSERT INTO {TABLE} SELECT tagid, intvalue, floatvalue + 1, stringvalue, datevalue, dataintegrity,"
        f" t_stamp - {2 * HOUR} + 17 FROM rest WHERE t_stamp < {NOON + 2 * HOUR} ORDER BY t_stamp;"
        f"INSERT INTO {TABLE} SELECT * FROM rest ORDER BY t_stamp; DROP TABLE rest",
        {"no clock went back"}, ("clock step", NOON - 2 * HOUR, NOON),
    ),
    "a gap": (
        f"DELETE FROM {TABLE} {WHERE} AND t_stamp >= {NOON} AND t_stamp < {NOON + 2 * HOUR}",
        {"no tag has a gap"}, ("gap", NOON, NOON + 2 * HOUR),
    ),
    "doubled rows": (
        f"ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey;"
        f"INSERT INTO {TABLE} SELECT * FROM {TABLE} {WHERE} AND t_stamp < {DAY.start_ms + 120_000}",
        {"a tag id has one reading a time"}, None,
    ),
    "text in a numeric tag": (
        f"UPDATE {TABLE} SET stringvalue = 'n/a' {WHERE} AND t_stamp < {DAY.start_ms + 120_000}",
        {"no tag of numbers holds text"}, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_by_its_expectation_and_only_its_tag_is_named(fault, plant_fault) -> None:
    statements, expectations, stretch = FAULTS[fault]
    source, lake = plant_fault(statements)
    assert broken(source, lake) == dict.fromkeys(expectations, (ENERGY,))
    assert source.success and lake.success  # all of it is a warning, as the suites come
    if stretch:
        kind, start, end = stretch
        (found,) = [one for one in (*source.notable, *lake.notable) if one.kind == kind]
        assert found.tagpath == ENERGY
        assert abs(found.start_ms - start) <= HOUR // 2 and abs(found.end_ms - end) <= HOUR // 2


def test_what_a_run_rejected_is_no_gap_in_whatever_window_is_checked(database, make_config):
    plant = seed(database.owner, CLEAN)
    database.execute(
        f"UPDATE {TABLE} SET dataintegrity = 0 {WHERE} AND t_stamp >= {NOON} AND t_stamp < {NOON + 2 * HOUR}"
    )
    config = make_config(dbname=database.name)
    days = [plant.start.date() + timedelta(days=number) for number in range(CLEAN.days)]
    for day in days:
        ingest(config, day)
    whole = window_of("UTC", start=days[0].isoformat(), end=(days[-1] + timedelta(days=1)).isoformat())
    assert broken(check_lake(config, whole), check_lake(config, DAY, ["energy$"])) == {}


def test_half_a_day_missing_names_every_tag_that_is_scanned(plant_fault) -> None:
    cut = f"WHERE t_stamp >= {NOON} AND t_stamp < {DAY.end_ms}"
    source, lake = plant_fault(f"DELETE FROM {TABLE} {cut}; DELETE FROM sqlt_data_2_2026_10 {cut}")
    found = broken(source, lake)
    assert found["no tag is silent for more than a quarter of the window"] == SCANNED
    assert set(found) <= {
        "no tag is silent for more than a quarter of the window",
        "every tag is read up to the end of the window",
        "every living tag has a reading",
    }


@pytest.mark.parametrize("days", [9, pytest.param(30, marks=pytest.mark.slow)])
def test_a_clean_plant_raises_nothing_day_after_day(days, database, make_config) -> None:
    plant = seed(database.owner, replace(CLEAN, days=days, tags=24))
    config = make_config(dbname=database.name)
    for number in range(days) if days > 9 else (0, 1, 8):
        day = day_window(plant.start.date() + timedelta(days=number), "UTC")
        ingest(config, day)
        assert broken(check_source(config, day), check_lake(config, day)) == {}, day


def test_half_of_the_usual_readings_is_noticed_a_week_later(database, make_config) -> None:
    plant = seed(database.owner, replace(CLEAN, days=9))
    config = make_config(dbname=database.name)
    for start, end in (
        (f"{plant.start:%Y-%m-%d}", "2026-10-23T06:00"), ("2026-10-23T06:00", "2026-10-29"),
    ):  # fmt: skip
        ingest(config, window_of("UTC", start=start, end=end))
    database.execute(f"DELETE FROM {TABLE} {WHERE} AND t_stamp / 60000 % 5 > 1")
    found = broken(check_source(config, DAY))
    assert found == {"a tag has about as many readings as on the same weekdays before": (ENERGY,)}


def test_a_sensor_that_is_stuck_all_day_is_told_by_the_day_before(database, make_config) -> None:
    seed(database.owner, CLEAN)
    config = make_config(dbname=database.name)
    database.execute(f"UPDATE {TABLE} SET floatvalue = 7.5 {WHERE}")
    for day in ("2026-10-29", "2026-10-30"):
        ingest(config, window_of("UTC", day=day))
    assert broken(check_lake(config, DAY)) == {"no sensor is stuck": (ENERGY,)}
    compact(config, ["2026-10"])
    assert broken(check_lake(config, DAY)) == {"no sensor is stuck": (ENERGY,)}


def test_the_gaps_of_a_real_series_are_listed_exactly(database, make_config) -> None:
    file = SHARED_DATA / "nab/ambient_temperature_system_failure.csv"
    if not file.exists():
        pytest.skip("shared/data with the NAB files is not beside this checkout")
    times = [datetime.fromisoformat(row[0]).replace(tzinfo=UTC) for row in list(csv.reader(file.open()))[1:]]
    missing = {(a, b) for a, b in itertools.pairwise(times) if b - a > timedelta(hours=1)}
    replay(database.owner, read_series(file))
    config = make_config(dbname=database.name)
    window = window_of("UTC", start="2013-01-01", end="2015-01-01")
    ingest(config, window)
    found = check_lake(config, window).notable
    listed = {
        (datetime.fromtimestamp(g.start_ms / 1000, UTC), datetime.fromtimestamp(g.end_ms / 1000, UTC)) for g in found
    }
    assert listed == missing and len(missing) == 10 and {gap.kind for gap in found} == {"gap"}


def test_ranges_are_learned_from_history_and_data_docs_are_built(plant, sandbox, tmp_path) -> None:
    from sensorstream.cli.main import main

    window = ["--config", str(plant.config_path), "--start", plant.date, "--end", "2026-11-02"]
    for arguments in (
        ["ranges", *window, "--out", str(tmp_path / "ranges.json")],
        ["check", *window, "--pattern", "energy$", "--docs", str(tmp_path / "docs")],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
    learned = {entry.get("unit"): entry for entry in json.loads((tmp_path / "ranges.json").read_text())["ranges"]}
    assert 0 < learned["°C"]["lowest"] < 40 and learned["°C"]["highest"] < 200
    assert "highest" not in learned["kWh"]  # counters rise for ever
    pages = "".join(page.read_text() for page in (tmp_path / "docs").rglob("*.html"))
    assert all(name in pages for name in ("source_tags", "source_readings", "lake_readings", "no clock went back"))


def test_the_verdict_names_each_fault_in_one_sentence_with_its_tags_and_times(database, make_config, tmp_path) -> None:
    seed(database.owner, replace(CLEAN, days=3, end=date(2026, 11, 2)))
    flow, temperature = "plant1/furnace/unit1/flow", "plant1/furnace/unit1/temperature"

    def where(path: str, start: str, end: str) -> str:
        first, last = (round(datetime.fromisoformat(f"2026-{at}+00:00").timestamp() * 1000) for at in (start, end))
        tags = f"SELECT id FROM sqlth_te WHERE tagpath LIKE '{path}'"
        return f"WHERE tagid IN ({tags}) AND t_stamp >= {first} AND t_stamp < {last}"

    for (table,) in database.execute("SELECT pname FROM sqlth_partitions WHERE to_regclass(pname) IS NOT NULL"):
        database.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")  # rows stay as they were written
        database.execute(f"DELETE FROM {table} {where('%', '10-30 12:00', '10-30 15:00')}")
        database.execute(f"DELETE FROM {table} {where('plant2/packaging/%', '10-30 00:00', '10-30 09:00')}")
        database.execute(f"DELETE FROM {table} {where(flow, '10-31 10:00', '10-31 15:00')}")
        stuck = where(temperature, "10-31 21:00", "11-01 04:00")
        database.execute(f"UPDATE {table} SET floatvalue = 7.5 {stuck} AND floatvalue IS NOT NULL")
    november, back = "sqlt_data_1_2026_11", where(ENERGY, "11-01 12:00", "11-02 00:00")
    shifted = f"tagid, intvalue, floatvalue + 1, stringvalue, datevalue, dataintegrity, t_stamp - {2 * HOUR} + 17"
    database.execute(f"CREATE TABLE rest AS SELECT * FROM {november} {back}")
    database.execute(f"DELETE FROM {november} {back}")
    early = where(ENERGY, "11-01 12:00", "11-01 14:00")
    database.execute(
        f"INSERT INTO {november} SELECT {shifted} FROM rest {early} ORDER BY t_stamp ON CONFLICT DO NOTHING"
    )
    database.execute(f"INSERT INTO {november} SELECT * FROM rest ORDER BY t_stamp")
    config = make_config(dbname=database.name)

    def said(start: str, end: str) -> list[str]:
        window, folder = window_of("UTC", start=start, end=end), tmp_path / start
        folder.mkdir()
        record = ingest(config, window)
        check_source(config, window).save(folder / "check_source.json")
        check_lake(config, window, record=record).save(folder / "check_lake.json")
        return [each.text for each in stands_out(folder, "UTC")]

    assert said("2026-10-30", "2026-10-31") == [
        "Outage: 11 of 13 tags are silent at once for 3 h 1 min, Fri 30 Oct 11:59 to 15:00",
        "11 tags have gaps, the longest 9 h, Fri 30 Oct 00:00 to 09:00: plant2/packaging/unit1/valve",
        "4 tags silent for more than a quarter of the window: all under plant2/packaging: "
        "9 h, Fri 30 Oct 00:00 to 09:00",
    ]
    assert said("2026-10-31", "2026-11-02") == [
        f"1 tag has a gap of 5 h, Sat 31 Oct 10:00 to 15:00: {flow}",
        f"1 sensor stands still at 7.5 for 6 h 59 min, Sat 31 Oct 21:00 to Sun 01 Nov 03:59: {temperature}",
        f"The clock of 1 tag went back, 2 h, Sun 01 Nov 10:00 to 12:00 is there twice: {ENERGY}",
    ]
