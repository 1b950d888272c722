"""The daily DAG in a real Airflow: a home of its own, SQLite, no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sensorstream.config import load
from sensorstream.workbench import DAGS, airflow_environment
from tests.oracle import readings_of

DAG = "sensor_data_pipeline"
PARSE = """
import sys, json, runpy, time
from pathlib import Path
import airflow.sdk, airflow.providers.papermill.operators.papermill
begin = time.perf_counter()
module = runpy.run_path(sys.argv[1])
heavy = [name for name in ("pyspark", "great_expectations", "matplotlib", "obstore") if name in sys.modules]
print(json.dumps([time.perf_counter() - begin, heavy]))
"""


@pytest.fixture(scope="module")
def airflow(sandbox, plant, tmp_path_factory):
    """Run an Airflow command; returns its completed process."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **os.environ,
        **airflow_environment(home),
        "SENSORSTREAM_CONFIG": str(plant.config_path),
        "SENSORSTREAM_RUNS": str(home / "runs"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "airflow", *words], env=environment, capture_output=True, text=True, timeout=500
        )

    migrated = command("db", "migrate")
    assert migrated.returncode == 0, migrated.stderr[-3000:]
    return command


def test_parsing_is_fast_and_loads_nothing_heavy():
    ran = subprocess.run([sys.executable, "-c", PARSE, str(DAGS / f"{DAG}.py")], capture_output=True, text=True)
    seconds, heavy = json.loads(ran.stdout.splitlines()[-1])
    assert heavy == [] and seconds < 2


def test_a_run_for_a_day_ends_green_with_the_day_in_the_lake_and_a_report(airflow, plant, sandbox):
    ran = airflow("dags", "test", DAG, plant.date)
    assert ran.returncode == 0 and "state=success" in ran.stdout + ran.stderr, (ran.stdout + ran.stderr)[-5000:]
    days = {t // 86_400_000 for _, t, *_ in readings_of(load(sandbox.config_path))}
    assert days == {plant.window.start_ms // 86_400_000}
    assert sandbox.reader_password not in ran.stdout + ran.stderr
