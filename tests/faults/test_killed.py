"""Runs that are killed at every step of publishing and compaction: the next one leaves the lake as if none had been."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from pyiceberg.catalog import load_catalog

from sensorstream.lake.manifest import read_manifest
from sensorstream.lake.scan import metadata
from sensorstream.lake.stores import open_store
from sensorstream.publishing import lease
from tests.faults.killed import killed
from tests.faults.works import CASES, NEW, OLD, publish_new, publish_old
from tests.lakes import as_committed, as_table, assert_whole, in_prefix, put_all
from tests.oracle import objects

LATER = ("first publication", "append", "compaction")  # the same steps as the other: with the slow tests


def test_a_run_that_lives_is_waited_for_and_not_called_undone(make_config):
    store = open_store(make_config())
    with ThreadPoolExecutor(1) as aside, lease.acquire(read_manifest(store), "a window") as turn:
        recovering = aside.submit(lease.recover, store)
        time.sleep(0.3)
        assert not recovering.done()
        turn.undo()
        assert recovering.result(30) is None


@pytest.mark.parametrize("lake", ["local", pytest.param("s3", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case in LATER else []) for case in CASES]
)
def test_killed_at_every_step_the_next_run_puts_it_right(case, lake, make_config):
    prepare, work, before, after = CASES[case]
    first = make_config(lake=lake)
    prepare(open_store(first), first)
    prepared = objects(first)
    for step in count(1):
        config = make_config(lake=lake)
        store = open_store(config)
        put_all(store, prepared)
        died = killed(config, work.__name__, step, after=bool(step % 2))
        assert as_committed(store) in (before, after), step  # even before anything is put right
        found, twice = in_prefix(store)
        assert not twice, step
        assert found.items() <= {**before, **after}.items() or case == "overwrite across borders", step
        if step % 3:
            work(store, config)
        else:
            lease.recover(store)
            assert_whole(store, as_committed(store))
            work(store, config)
        assert_whole(store, after)
        if not died:
            break
    assert step > 10


@pytest.mark.slow
@pytest.mark.parametrize("keep_days", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_killed_at_every_step_the_next_run_puts_the_iceberg_table_right_too(case, keep_days, make_config, tmp_path):
    prepare, work, before, after = CASES[case]
    for step in count(1):
        catalog = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog_{step}.db"}
        config = make_config(iceberg={"table": "plant.readings", "keep_days": keep_days, "catalog": catalog})
        store = open_store(config)
        prepare(store, config)
        died = killed(config, work.__name__, step, after=bool(step % 2))
        assert as_committed(store) in (before, after), step
        if step % 3 == 0:
            lease.recover(store)
            assert as_committed(store) == {} or as_table(store) == as_committed(store), step
        work(store, config)
        assert as_committed(store) == as_table(store) == after, step
        entry = load_catalog("sensorstream", **catalog).load_table("plant.readings")
        assert entry.metadata_location == f"{store.url}{metadata(config)}", step
        if not keep_days:
            assert_whole(store, after)
        if not died:
            break
    assert step > 10


@pytest.mark.slow
@pytest.mark.parametrize("lake", ["local", "s3"])
def test_killed_while_it_puts_right_what_another_left(lake, make_config):
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    for _ in range(6):
        config = make_config(lake=lake)
        store = open_store(config)
        publish_old(store, config)
        for _ in range(4):  # a run that dies, and others that die of it
            killed(config, publish_new.__name__, chance.randint(1, 40), after=chance.random() < 0.5)
            assert as_committed(store) in (OLD, NEW), seed
            assert not in_prefix(store)[1], seed
        publish_new(store, config)
        assert_whole(store, NEW)
