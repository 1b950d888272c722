"""A window is published over files that no longer hold what was committed."""

from __future__ import annotations

import pytest

from sensorstream.errors import LakeError
from sensorstream.lake.keys import reading_key
from sensorstream.lake.manifest import read_manifest
from sensorstream.lake.stores import open_store
from sensorstream.windows import Window, window_of
from tests.configs import lakes_in
from tests.lakes import assert_whole, publish, scope_of

DAY = window_of("UTC", day="2026-10-14")
VALUES = {(path, DAY.start_ms + n * 3_600_000): float(n) for path in "ab" for n in range(24)}
A = reading_key("a", "2026-10", DAY)


@pytest.fixture
def lake(tmp_path):
    config = lakes_in(tmp_path)()
    store = open_store(config)
    publish(store, scope_of(config, DAY, "ab"), VALUES)
    return config, store


@pytest.mark.parametrize("harm", [lambda store: store.put(A, b"rubbish"), lambda store: store.delete([A])])
def test_one_that_is_replaced_whole_is_replaced_though_its_readings_are_the_same(harm, lake):
    config, store = lake
    states = read_manifest(store).root.states
    harm(store)
    done = publish(store, scope_of(config, DAY, "ab"), VALUES)
    assert (done.files_written, done.files_unchanged) == (1, 1) and read_manifest(store).root.states == states
    assert_whole(store, VALUES)


@pytest.mark.parametrize("append", [False, True])
def test_one_of_which_a_part_would_stay_is_named_with_the_remedy(append, lake):
    config, store = lake
    store.put(A, b"rubbish")
    half = Window(DAY.start, DAY.start.replace(hour=12))
    with pytest.raises(LakeError, match=f"{A}.* not what was committed: run verify with repair=True"):
        publish(store, scope_of(config, half, "ab"), VALUES, append=append)
    assert read_manifest(store).root.turn is None and store.get(A) == b"rubbish"
