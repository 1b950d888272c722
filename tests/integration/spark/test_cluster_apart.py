"""Runs on a Spark cluster whose workers reach nothing of this machine but the master, the historian and the store."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import median

import pytest

from sensorstream.config.settings import Config
from sensorstream.sandbox.plant import PlantOptions, seed
from sensorstream.windows import Window
from tests.apart import HOST, Apart, apart
from tests.configs import file_of
from tests.integration.spark.test_cluster import Cluster, wanted  # noqa: F401 - a fixture
from tests.oracle import objects, without_marks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster_apart(sandbox, tmp_path_factory) -> Iterator[Apart]:
    with apart(sandbox, tmp_path_factory.mktemp("apart")) as cluster:
        cluster.join()
        cluster.join()
        yield cluster


def test_a_worker_apart_reaches_the_historian_and_nothing_else_of_this_machine(cluster_apart, sandbox):
    worker = cluster_apart.workers[0]
    call = "import socket; print(socket.create_connection(({!r}, {}), 5).getpeername()[0])"
    assert worker.says(call.format(HOST, cluster_apart.historian_port)) == f"{HOST}\n"
    assert "ConnectionRefusedError" in worker.says(call.format(sandbox.host, sandbox.port))
    assert "FileNotFoundError" in worker.says(f"open({str(sandbox.config_path)!r})")
    assert "No module named 'sensorstream'" in worker.says("import sensorstream")


@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_workers_apart_leave_the_same_bytes(engine, cluster_apart, sandbox, plant, make_config, tmp_path, wanted):  # noqa: F811
    config = cluster_apart.config(make_config(lake="s3", engine=engine, jdbc_num_partitions=5))
    record = Cluster(sandbox.root, tmp_path).run(config, plant)
    assert record["ran_on"] == f"Spark {cluster_apart.master}"
    assert without_marks(objects(config)) == wanted


NETWORK = {"delay_seconds": 0.025, "bytes_per_second": 400e3}  # of each worker, to and from the historian and the store
TIMED = 3  # runs in one session after a first one


def extract_seconds(config: Config, window: Window, folder: Path) -> float:
    """The median of runs on workers that are warm."""
    script = f"""
import sensorstream
from sensorstream.pipeline.ingest import ingest
from sensorstream.windows import Window, instant
config = sensorstream.load({str(file_of(config, folder))!r})
window = Window(*(instant(text, "UTC") for text in {[window.start.isoformat(), window.end.isoformat()]}))
spark = sensorstream.spark_session(config)
print([ingest(config, window, spark=spark).seconds["extract"] for _ in range({1 + TIMED})])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    _, *timed = json.loads(done.stdout.splitlines()[-1])
    return median(timed)


@pytest.mark.timeout(1200)
def test_two_workers_are_at_least_1_6_times_as_fast_as_one(sandbox, database, make_config, tmp_path):
    options = replace(PlantOptions(), tags=200, days=1, end=date(2026, 10, 15), rate_seconds=30)
    filled = seed(database.owner, options)
    with apart(sandbox, tmp_path, **NETWORK) as cluster:
        config = cluster.config(make_config(dbname=database.name, lake="s3", lookback_days=0))
        took = []
        for _ in range(2):
            cluster.join()
            took.append(extract_seconds(config, Window(filled.start, filled.end), tmp_path))
    assert took[0] / took[1] >= 1.6, took
