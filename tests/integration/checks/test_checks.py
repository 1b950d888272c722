"""Planted faults, each caught by the expectation that should, with the tags named; a clean plant raises none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from sensorstream.checks.check_lake import check_lake
from sensorstream.checks.check_source import check_source
from sensorstream.checks.result import CheckResult
from sensorstream.config.settings import Config
from sensorstream.config.sources import load
from sensorstream.errors import ConfigError, LakeCheckFailed, SourceCheckFailed
from sensorstream.lake.keys import encode_tagpath, reading_key
from sensorstream.lake.manifest import DataFile, MonthChange, read_manifest, swap_root, write_states
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.run_record import RunRecord
from sensorstream.transform.parquet import encode
from sensorstream.transform.readings import SCHEMA
from sensorstream.windows import Window, window_of

DAY = window_of("UTC", day="2026-10-14")
MINUTE = 60_000  # ms
ODD = "plant1/zone 4/füll 100%/a=b"

IGNITION = """
CREATE TABLE sqlth_te (id int, tagpath text, scid int, datatype int, querymode int, created bigint, retired bigint);
CREATE TABLE sqlth_partitions (pname text, drvid int, start_time bigint, end_time bigint, blocksize int, flags int);
CREATE TABLE sqlt_data_1_2026_10 (tagid int, intvalue bigint, floatvalue float8, stringvalue varchar(255),
    datevalue timestamp, dataintegrity int, t_stamp bigint);
INSERT INTO sqlth_te VALUES (1, 'plant1/a', 1, 1, 0, 0, NULL), (2, 'plant1/b', 1, 1, 0, 0, NULL);
INSERT INTO sqlth_partitions VALUES ('sqlt_data_1_2026_10', 1, 1790812800000, 1793491200000, 0, 0);
"""


@pytest.fixture
def historian(database) -> Callable[[str], list[tuple]]:
    """Two tags with a reading a minute on 2026-10-14, in a table without a key; call it to plant a fault."""
    for statement in IGNITION.split(";"):
        if statement.strip():
            database.execute(statement)
    database.execute(
        "INSERT INTO sqlt_data_1_2026_10 (tagid, floatvalue, dataintegrity, t_stamp)"
        f" SELECT id, 20 + id, 192, t FROM sqlth_te, generate_series({DAY.start_ms}, {DAY.end_ms - 1}, {MINUTE}) t"
    )
    return database.execute


@pytest.fixture
def config(database, make_config) -> Config:
    return make_config(dbname=database.name)


def broken(result: CheckResult) -> dict[str, tuple[str, ...]]:
    return {finding.expectation: finding.tags for finding in result.findings if not finding.success}


def test_a_clean_plant_with_everything_odd_that_real_ones_have_raises_nothing(plant) -> None:
    result = check_source(load(plant.config_path), plant.window)
    assert broken(result) == {}
    assert result.measured["readings"] == plant.summary.readings
    result.raise_if_failed()


SOURCE_FAULTS = {
    "a tag without a path": (
        "INSERT INTO sqlth_te VALUES (9, NULL)",
        "every tag id has a path", ("(no path)",), "critical",
    ),
    "a blank tag path": (
        "INSERT INTO sqlth_te VALUES (9, '')",
        "no tag path is blank", ('""',), "critical",
    ),
    "a tag without an id": (
        "INSERT INTO sqlth_te VALUES (NULL, 'plant1/c')",
        "every tag has an id", ("plant1/c",), "critical",
    ),
    "no readings": (
        "TRUNCATE sqlt_data_1_2026_10",
        "the window holds at least one reading", (), "critical",
    ),
    "a tag path with a blank at its end": (
        "UPDATE sqlth_te SET tagpath = 'plant1/b ' WHERE id = 2",
        "no tag path begins or ends with a blank", ('"plant1/b "',), "warning",
    ),
    "rows without a tag id": (
        "UPDATE sqlt_data_1_2026_10 SET tagid = NULL WHERE tagid = 2 AND t_stamp % 7 = 0",
        "every row has a time and a tag id", ("table sqlt_data_1_2026_10",), "warning",
    ),
    "bad quality of one tag": (
        "UPDATE sqlt_data_1_2026_10 SET dataintegrity = 0 WHERE tagid = 2",
        "at least half of a tag's readings are of good quality", ("plant1/b",), "warning",
    ),
    "bad quality of the plant": (
        f"UPDATE sqlt_data_1_2026_10 SET dataintegrity = 0 WHERE t_stamp % {5 * MINUTE} > 0",
        "at most half of all readings are of bad quality", (), "warning",
    ),
    "a silent tag": (
        "DELETE FROM sqlt_data_1_2026_10 WHERE tagid = 1",
        "every living tag has a reading", ("plant1/a",), "warning",
    ),
    "readings without a code": (
        f"UPDATE sqlt_data_1_2026_10 SET dataintegrity = NULL WHERE tagid = 1 AND t_stamp < {DAY.start_ms + MINUTE}",
        "every reading has a quality code", ("plant1/a",), "warning",
    ),
    "good readings without a value": (
        f"UPDATE sqlt_data_1_2026_10 SET floatvalue = NULL WHERE tagid = 1 AND t_stamp % {5 * MINUTE} = 0",
        "at most one good reading in twenty is empty", ("plant1/a",), "warning",
    ),
    "text in a tag of numbers": (
        f"UPDATE sqlt_data_1_2026_10 SET stringvalue = 'n/a' WHERE tagid = 2 AND t_stamp = {DAY.start_ms}",
        "no tag of numbers holds text", ("plant1/b",), "warning",
    ),
    "a value that is no number": (
        f"UPDATE sqlt_data_1_2026_10 SET floatvalue = 'NaN' WHERE tagid = 2 AND t_stamp = {DAY.start_ms}",
        "every value is finite and within ±1e150", ("plant1/b",), "warning",
    ),
    "doubled rows": (
        "INSERT INTO sqlt_data_1_2026_10 SELECT * FROM sqlt_data_1_2026_10"
        f" WHERE tagid = 1 AND t_stamp = {DAY.start_ms}",
        "a tag id has one reading a time", ("plant1/a",), "warning",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", SOURCE_FAULTS)
def test_a_fault_of_the_source_is_caught_and_its_tags_are_named(fault: str, historian, config) -> None:
    plant_it, expectation, tags, severity = SOURCE_FAULTS[fault]
    assert broken(check_source(config, DAY)) == {}
    historian(plant_it)
    result = check_source(config, DAY)
    assert broken(result)[expectation] == tags
    found = next(f for f in result.findings if f.expectation == expectation)
    assert found.severity == severity
    if severity == "critical":
        with pytest.raises(SourceCheckFailed, match=expectation):
            result.raise_if_failed()
    else:
        result.raise_if_failed()


def test_a_code_that_neither_list_names_is_a_warning(historian, config) -> None:
    historian(f"UPDATE sqlt_data_1_2026_10 SET dataintegrity = 777 WHERE tagid = 2 AND t_stamp = {DAY.start_ms}")
    listed = config.model_copy(update={"good_quality": (192,), "bad_quality": (0, 500)})
    assert broken(check_source(listed, DAY)) == {"every quality code is on a list": ("plant1/b",)}


def test_patterns_limit_what_is_looked_at(historian, config) -> None:
    historian("DELETE FROM sqlt_data_1_2026_10 WHERE tagid = 1")
    result = check_source(config, DAY, ["b$"])
    assert broken(result) == {}
    assert result.measured["tags"] == 1


def test_an_expectation_that_does_not_fit_is_the_suites_fault(historian, config, tmp_path) -> None:
    (tmp_path / "source_readings.json").write_text('{"expectations": []}')
    wrong = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "temperature"}, "description": "warm"}
    (tmp_path / "source_tags.json").write_text(json.dumps({"expectations": [wrong]}))
    with pytest.raises(ConfigError, match=r'source_tags.json: "warm" cannot be evaluated: .*temperature'):
        check_source(config, DAY, expectations_dir=tmp_path)


def test_an_expectation_that_is_none_is_not_passed_over(historian, config, tmp_path) -> None:
    (tmp_path / "source_readings.json").write_text('{"expectations": []}')
    right = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "tagpath"}, "description": "named"}
    for wrong in (right | {"type": "expect_column_valeus"}, right | {"kwargs": {"column": "tagpath", "mostyl": 0.5}}):
        (tmp_path / "source_tags.json").write_text(json.dumps({"expectations": [right | {"description": "d"}, wrong]}))
        with pytest.raises(ConfigError, match=r'source_tags.json: "named" is refused by Great Expectations'):
            check_source(config, DAY, expectations_dir=tmp_path)


# -- the lake -------------------------------------------------------------------------------------------------------


def table(times: list[int | None], quality: int = 192) -> pa.Table:
    count = len(times)
    return pa.table([times, [1.5] * count, [None] * count, [quality] * count], schema=SCHEMA)


GOOD = table([DAY.start_ms, DAY.start_ms + MINUTE])


def write_lake(config: Config, files: dict[tuple[str, Window], pa.Table]) -> list[DataFile]:
    """Committed files of October, whatever is in them."""
    store = open_store(config)
    entries = []
    for (path, interval), readings in files.items():
        data = encode(readings)
        span = interval.start_ms, interval.end_ms - 1  # the manifest believes that all is well
        place = path, "2026-10", interval.start_ms // 1000, interval.end_ms // 1000
        entry = DataFile(*place, readings.num_rows, *span, len(data), sha256(data).hexdigest())
        store.put(entry.key, data)
        entries.append(entry)
    before = read_manifest(store)
    swap_root(before, write_states(before, {"2026-10": MonthChange(added=frozenset(entries))}))
    return entries


@pytest.fixture
def lake(historian, config) -> Config:
    historian("UPDATE sqlth_te SET tagpath = %s WHERE id = 2", ODD)
    write_lake(config, {("plant1/a", DAY): GOOD, (ODD, DAY): GOOD})
    assert broken(check_lake(config, DAY)) == {}
    return config


def record_of(rows_written: int) -> RunRecord:
    named = {"run_id": "r", "started": "", "finished": "", "engine": "packed", "source_snapshot": ""}
    counts = dict.fromkeys(
        ("tags_selected", "rows_read", "rows_deduplicated", "files_written", "files_unchanged", "files_removed",
         "bytes_written"), 0,
    )  # fmt: skip
    dicts: dict[str, dict] = {"window": {}, "rows_rejected": {}, "quality_codes": {}, "seconds": {}}
    return RunRecord(**named, **counts, **dicts, patterns=[], partition_tables=[], rows_written=rows_written)


@pytest.mark.parametrize(
    ("readings", "expectation"),
    [
        (table([DAY.start_ms, DAY.start_ms]), "times rise, and no two are equal"),
        (table([DAY.start_ms + 1, DAY.start_ms]), "times rise, and no two are equal"),
        (table([DAY.start_ms - 1, DAY.start_ms]), "no reading is before its file's interval"),
        (table([DAY.start_ms, DAY.end_ms]), "no reading is after its file's interval"),
        (table([DAY.start_ms, None]), "every reading has a time"),
        (table([DAY.start_ms], quality=500), "every reading has a quality that the rule keeps"),
    ],
)
def test_a_fault_inside_a_file_is_caught_and_its_tag_is_named(lake, readings: pa.Table, expectation: str) -> None:
    write_lake(lake, {("plant1/a", DAY): GOOD, (ODD, DAY): readings})
    result = check_lake(lake, DAY)
    assert broken(result) == {expectation: (ODD,)}
    with pytest.raises(LakeCheckFailed, match="zone 4"):
        result.raise_if_failed()


def test_a_file_in_the_folder_of_another_month_is_caught(lake) -> None:
    before = window_of("UTC", start="2026-09-30", end="2026-10-01")
    write_lake(lake, {(ODD, before): table([before.start_ms, before.start_ms + MINUTE])})
    result = check_lake(lake, Window(before.start, DAY.end))
    assert broken(result) == {"the first reading is in the month of the partition": (ODD,)}


def test_intervals_that_overlap_are_caught(lake, monkeypatch) -> None:
    monkeypatch.setattr("sensorstream.lake.manifest._refuse_overlaps", lambda *_: None)  # no run commits such
    noon = Window(DAY.start, DAY.start.replace(hour=12))
    write_lake(lake, {("plant1/a", DAY): GOOD, ("plant1/a", noon): GOOD, (ODD, DAY): GOOD})
    assert broken(check_lake(lake, DAY)) == {"intervals of one tag path and month do not overlap": ("plant1/a",)}


def test_a_file_that_is_gone_is_caught(lake) -> None:
    open_store(lake).delete([reading_key(ODD, "2026-10", DAY)])
    assert broken(check_lake(lake, DAY)) == {"every committed file is there": (ODD,)}


def test_a_file_with_other_bytes_is_caught(lake) -> None:
    open_store(lake).put(reading_key(ODD, "2026-10", DAY), b"PAR1, once")
    assert broken(check_lake(lake, DAY)) == {
        "every file has the size that was committed": (ODD,),
        "every file has the bytes that were committed": (ODD,),
        "every file has as many readings as were committed": (ODD,),
        "columns and types are those of the lake": (ODD,),
    }


def test_a_file_that_nobody_committed_is_caught(lake) -> None:
    store = open_store(lake)
    store.put(f"readings/tagpath={encode_tagpath(ODD)}/month=2026-10/part-0.parquet", b"")
    store.put(reading_key("plant1/a", "2026-10", window_of("UTC", day="2026-10-15")), b"of a run that goes on")
    result = check_lake(lake, DAY)
    assert broken(result) == {"every file of the window is committed": (ODD,)}
    assert result.failed[0].examples[0]["file"] == "part-0.parquet"


def test_a_total_that_is_not_the_runs_is_caught(lake) -> None:
    assert broken(check_lake(lake, DAY, record=record_of(4))) == {}
    result = check_lake(lake, DAY, record=record_of(5))
    with pytest.raises(LakeCheckFailed, match=r"as many readings as the run wrote.*rows is 4"):
        result.raise_if_failed()
    appending = lake.model_copy(update={"write_mode": "append"})
    assert check_lake(appending, DAY, record=record_of(5)).success


def test_a_lake_without_a_file_of_the_window_passes_only_if_nothing_was_written(historian, config) -> None:
    assert check_lake(config, DAY, record=record_of(0)).success
    assert not check_lake(config, DAY, record=record_of(1)).success


@pytest.mark.parametrize("place", ["local", "s3"])
def test_what_a_run_wrote_passes(place: str, plant, make_config) -> None:
    config = make_config(lake=place)
    record = ingest(config, plant.window)
    result = check_lake(config, plant.window, record=record)
    assert result.success and broken(result)["no sensor is stuck"] == ("plant1/furnace/unit1/temperature",)
    assert set(broken(result)) == {"no sensor is stuck", "no tag has a gap"}  # which the plant has
    lengths = [row["longest_gap_s"] for one in result.warnings for row in one.examples if "longest_gap_s" in row]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) > 1, "the worst first"
    assert result.measured["readings"] == record.rows_written
    assert result.measured["files"] == result.measured["files read"] == record.files_written


# -- what stays away ------------------------------------------------------------------------------------------------


def test_a_run_without_checks_never_imports_great_expectations() -> None:
    code = (
        "import sys, sensorstream.pipeline.ingest, sensorstream.checks; sys.exit('great_expectations' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_check_leaves_no_folder_behind(historian, config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    check_source(config, DAY)
    assert list((tmp_path / "here").iterdir()) == []
