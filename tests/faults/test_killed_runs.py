"""Whole runs, on this machine and on Spark, that are killed while they publish or at any time before."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sensorstream.config.settings import Config
from sensorstream.lake.manifest import read_manifest
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from tests.configs import file_of
from tests.lakes import as_committed, assert_whole, in_prefix
from tests.oracle import readings_of

RUN_SECONDS = 120


def start(config: Config, plant, folder: Path) -> subprocess.Popen:
    """``sensorstream ingest`` of the plant's whole window, as a process group of its own."""
    path = file_of(config, folder)
    window = ["--start", plant.window.start.isoformat(), "--end", plant.window.end.isoformat()]
    command = [sys.executable, "-m", "sensorstream", "ingest", "--config", str(path), *window]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def kill(run: subprocess.Popen) -> None:
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def right(config: Config, plant, wanted) -> None:
    """Before the next run readers see whole states only; it leaves what a run leaves that none had disturbed."""
    store = open_store(config)
    seen = as_committed(store)
    assert not in_prefix(store)[1]
    ingest(config, plant.window)
    assert readings_of(config) == wanted
    values = as_committed(store)
    assert seen in ({}, values)
    assert_whole(store, values)


@pytest.fixture(scope="module")
def wanted(plant, tmp_path_factory, sandbox):
    from sensorstream.config.sources import load

    lake = {"bucket_name": None, "s3_endpoint_url": None, "local_path": str(tmp_path_factory.mktemp("undisturbed"))}
    config = load(plant.config_path).model_copy(update=lake)
    ingest(config, plant.window)
    return readings_of(config)


@pytest.mark.parametrize(
    ("lake", "master"),
    [("s3", None), *(pytest.param(*case, marks=pytest.mark.slow) for case in [("s3", "local[2]"), ("local", None)])],
)
def test_killed_while_it_publishes(lake, master, plant, make_config, tmp_path, wanted):
    config = make_config(lake=lake, spark_master=master)
    run, store = start(config, plant, tmp_path), open_store(config)
    try:
        end = time.monotonic() + RUN_SECONDS
        while not read_manifest(store).root.turn:
            assert run.poll() is None and time.monotonic() < end, "the run ended before it was seen to publish"
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.2))
    finally:
        kill(run)
    right(config, plant, wanted)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("master", [None, "local[2]"])
@pytest.mark.parametrize("lake", ["local", "s3"])
def test_killed_at_random(lake, master, plant, make_config, tmp_path, wanted):
    config = make_config(lake=lake, spark_master=master)
    began = time.monotonic()
    assert start(config, plant, tmp_path).wait(RUN_SECONDS) == 0
    took = time.monotonic() - began
    for _ in range(10):
        config = make_config(lake=lake, spark_master=master)
        run = start(config, plant, tmp_path)
        time.sleep(random.uniform(0.3, 1.0) * took)
        kill(run)
        right(config, plant, wanted)
