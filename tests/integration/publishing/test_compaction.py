"""Many small files become few: the same readings, fewer files, faster queries."""

from __future__ import annotations

import json
import statistics
import time
from datetime import UTC, datetime

import duckdb
import pytest
from typer.testing import CliRunner

from sensorstream.cli.main import app
from sensorstream.config.settings import Config
from sensorstream.errors import ConfigError
from sensorstream.lake.manifest import DataFile, read_manifest
from sensorstream.lake.source_state import whole
from sensorstream.lake.stores import open_store
from sensorstream.publishing.compaction import MEGABYTE, compact
from sensorstream.publishing.file_changes import files_of
from sensorstream.publishing.publish import look, publish
from sensorstream.staging.staged_files import StagedHere
from sensorstream.transform.readings import inside
from sensorstream.windows import Window, day_window, month_window
from tests import lakes
from tests.oracle import objects

TAGS = [f"plant/line {n}/temperature" for n in range(20)]
OCTOBER = month_window("2026-10", "UTC")
NOVEMBER = datetime(2026, 11, 3, tzinfo=UTC)
MINUTE = 60_000


def values_of(window: Window, tags: list[str], every_ms: int, factor: float = 1.0) -> dict[tuple[str, int], float]:
    """Readings that do not compress to nothing."""
    times = range(window.start_ms, window.end_ms, every_ms)
    return {(tag, ms): factor * (hash((n, ms)) % 100_003) for n, tag in enumerate(tags) for ms in times}


@pytest.fixture
def daily(make_config):
    """October and the first two days of November, a run a day."""
    config = make_config()
    days = whole(Window(OCTOBER.start, NOVEMBER), "UTC")
    values = {}
    for day in days:
        values |= (new := values_of(day, TAGS, 240 * MINUTE))
        lakes.publish(open_store(config), lakes.scope_of(config, day, TAGS), new)
    return config, values


def counted(config) -> dict[str, int]:
    manifest = read_manifest(open_store(config))
    return {month: manifest.files(month).num_rows for month in manifest.months}


def test_a_month_of_daily_runs_becomes_one_file_a_tag_and_the_open_month_waits(daily):
    config, values = daily
    store = open_store(config)
    assert counted(config) == {"2026-10": 31 * 20, "2026-11": 2 * 20}
    done = compact(config, now=NOVEMBER)
    assert (done.months, done.files_before, done.files_after) == (("2026-10",), 620, 20)
    assert counted(config) == {"2026-10": 20, "2026-11": 40}
    lakes.assert_whole(store, values)
    once = objects(config)
    assert compact(config, now=NOVEMBER).files_before == 0
    assert objects(config) == once

    changed = {**values, **values_of(day := day_window(NOVEMBER.date().replace(month=10, day=14), "UTC"), TAGS, MINUTE)}
    lakes.publish(store, lakes.scope_of(config, day, TAGS), changed)
    assert counted(config)["2026-10"] == 3 * 20  # what is before the day, the day, what is after it
    lakes.assert_whole(store, changed)

    too_many = config.model_copy(update={"compact_over_files": 1})
    assert compact(too_many, now=NOVEMBER).months == ("2026-10", "2026-11")
    assert counted(config) == {"2026-10": 20, "2026-11": 20}
    lakes.assert_whole(store, changed)


def publish_in_days(config: Config, tags: list[str], values: dict[tuple[str, int], float]) -> None:
    """October at once, in files as a run a day leaves them."""
    store = open_store(config)
    files: dict[DataFile, bytes] = {}
    for tag in tags:
        readings = lakes.table(values, tag)
        for day in whole(OCTOBER, "UTC"):
            files |= files_of((tag, "2026-10"), day, inside(readings, day), 2000)
    scope = lakes.scope_of(config, OCTOBER, tags)
    publish(StagedHere(files, store), store, scope, look(store, scope))


def test_files_stop_growing_at_the_size_or_the_number_that_was_asked_for(make_config):
    config = make_config()
    store = open_store(config)
    values = values_of(OCTOBER, TAGS[:3], 5 * MINUTE)
    publish_in_days(config, TAGS[:3], values)
    compact(config.model_copy(update={"max_records_per_file": 2 * 288 + 287}), ["2026-10"])
    assert counted(config) == {"2026-10": 16 * 3}  # pairs of days, as a third would be too many
    target = 3 * max(entry.size for entry in read_manifest(store).entries("2026-10"))
    compact(config.model_copy(update={"compact_target_mb": target / MEGABYTE}), ["2026-10"])
    entries = sorted(read_manifest(store).entries("2026-10"))
    small = [entry.tagpath for entry in entries if entry.size < target]
    assert 3 < len(entries) < 16 * 3 and len(small) == len(set(small))
    assert max(entry.size for entry in entries) < 2 * target
    lakes.assert_whole(store, values)


@pytest.mark.slow
def test_a_query_over_a_month_of_small_files_is_five_times_faster_after(make_config):
    config = make_config()
    tags = [f"plant/line {n}/pressure" for n in range(100)]
    values = values_of(OCTOBER, tags, 240 * MINUTE)
    publish_in_days(config, tags, values)

    def seconds() -> float:
        took = []
        for _ in range(5):
            with duckdb.connect() as connection:
                began = time.perf_counter()
                query = "SELECT count(*), sum(value) FROM read_parquet(?, hive_partitioning = true)"
                count, total = connection.execute(query, [f"{config.lake}/readings/**/*.parquet"]).fetchone()
                took.append(time.perf_counter() - began)
            assert (count, total) == (len(values), sum(values.values()))
        return statistics.median(took)

    before = seconds()
    assert compact(config, ["2026-10"]).files_after == 100
    after = seconds()
    print(f"{before:.3f} s became {after:.3f} s: {before / after:.1f} times faster")
    assert before / after >= 5


def test_the_command_says_what_it_did(daily, tmp_path, monkeypatch):
    config, values = daily
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"db": {}, "local_path": config.local_path}))
    monkeypatch.setenv("COLUMNS", "200")

    def say(*arguments: str) -> str:
        found = CliRunner().invoke(app, ["compact", "--config", str(file), *arguments], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.output

    assert "2026-10: 620 files became 20, " in say("--month", "2026-10")
    assert "nothing to compact" in say("--month", "2026-10")
    assert "2026-11: 40 files became 20, " in say("--month", "2026-11")
    lakes.assert_whole(open_store(config), values)


def test_a_month_that_the_lake_does_not_have_is_named(make_config):
    config = make_config()
    with pytest.raises(ConfigError, match="holds nothing of month 2026-10: it has none"):
        compact(config, ["2026-10"])
    lakes.publish(open_store(config), lakes.scope_of(config, OCTOBER, ["a"]), {("a", OCTOBER.start_ms): 1.0})
    with pytest.raises(ConfigError, match="holds nothing of month 2026-09: it has 2026-10"):
        compact(config, ["2026-10", "2026-09"])
