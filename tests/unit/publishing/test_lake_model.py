"""Any sequence of runs over a lake in a folder leaves what the model says: no server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sensorstream.errors import LakeError
from sensorstream.lake import manifest
from sensorstream.lake.manifest import ROOT, read_manifest
from sensorstream.lake.stores import open_store
from sensorstream.publishing import publish as publishing
from sensorstream.publishing.compaction import compact
from sensorstream.publishing.file_changes import Changes
from sensorstream.windows import Window, month_window, window_of
from tests.configs import lakes_in
from tests.lake_model import PATHS, ZONE, hold
from tests.lakes import publish, scope_of
from tests.oracle import objects


def test_any_sequence_of_runs_leaves_what_the_model_says(tmp_path):
    hold(lakes_in(tmp_path), "local", 25, 8)


def test_any_sequence_of_runs_leaves_the_iceberg_table_that_the_model_says(tmp_path):
    hold(lakes_in(tmp_path), "local", 5, 6, iceberg={"table": "plant.readings"})


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_long_sequences_of_runs_leave_the_iceberg_table_that_the_model_says(tmp_path):
    hold(lakes_in(tmp_path), "local", 150, 20, iceberg={"table": "plant.readings"})


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_long_sequences_of_runs_leave_what_the_model_says(tmp_path):
    hold(lakes_in(tmp_path), "local", 500, 25)


def test_the_root_is_not_touched_where_nothing_changes(tmp_path):
    config = lakes_in(tmp_path)(timezone=ZONE)
    store = open_store(config)
    scope = scope_of(config, month_window("2026-10", ZONE), PATHS)
    publish(store, scope, {(PATHS[0], scope.window.start_ms): 1.0})
    before = store.versioned(ROOT)
    publish(store, scope, {(PATHS[0], scope.window.start_ms): 1.0})
    assert store.versioned(ROOT) == before


def test_two_files_that_share_time_are_never_committed(tmp_path, monkeypatch):
    config = lakes_in(tmp_path)()
    store = open_store(config)
    scope = scope_of(config, window_of("UTC", day="2026-10-14"), "a")
    values = {("a", scope.window.start_ms + n * 3_600_000): 1.0 for n in range(24)}
    publish(store, scope, values)
    before = objects(config)
    noon = scope.window.start + timedelta(hours=12)
    late = replace(scope, window=Window(noon, scope.window.end + timedelta(days=1)))
    monkeypatch.setattr(publishing, "over", lambda _, staged, *rest: Changes(staged=[*staged]))
    for window in (late.window, Window(scope.window.start, noon)):  # the second begins as what is there
        with pytest.raises(LakeError, match=r"two files of a would share the time from 2026-10-14 .*, run verify"):
            publish(store, replace(scope, window=window), values)
        assert objects(config) == before
    (entry,) = read_manifest(store).entries("2026-10")
    both = manifest.MonthChange(added=frozenset([entry, replace(entry, digest="0" * 64)]))  # of one interval
    with pytest.raises(LakeError, match="two files of a would share the time"):
        manifest.write_states(read_manifest(store), {"2026-10": both})


def test_files_that_share_time_stop_nobody_else_and_are_not_made_one(tmp_path, monkeypatch):
    config = lakes_in(tmp_path)()
    store = open_store(config)
    one, other = (scope_of(config, window_of("UTC", day=f"2026-10-{day}"), "a") for day in (14, 16))
    values = {("a", one.window.start_ms + n * 3_600_000): 1.0 for n in range(24)}
    late = replace(one, window=Window(one.window.start + timedelta(hours=12), one.window.end + timedelta(days=1)))
    with monkeypatch.context() as broken:
        broken.setattr(publishing, "over", lambda _, staged, *rest: Changes(staged=[*staged]))
        broken.setattr(manifest, "_refuse_overlaps", lambda *_: None)
        publish(store, one, values)
        publish(store, late, values)
    publish(store, other, {("a", other.window.start_ms): 1.0})
    assert len(read_manifest(store).entries("2026-10")) == 3
    assert compact(config, ["2026-10"]).files_before == 0
