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
def home(plant, tmp_path_factory) -> Path:
    """Airflow's home, with a configuration of the sandbox and a lake that no other test writes to."""
    folder = tmp_path_factory.mktemp("airflow")
    values = json.loads(plant.config_path.read_text()) | {"s3_directory": "airflow_lake/"}
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="module")
def airflow(sandbox, home):
    """Run an Airflow command; returns its completed process."""
    environment = {
        **os.environ,
        **airflow_environment(home),
        "SENSORSTREAM_CONFIG": str(home / "config.json"),
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


def test_a_run_for_a_day_ends_green_with_the_day_in_the_lake_and_a_report(airflow, home, plant, sandbox):
    ran = airflow("dags", "test", DAG, plant.date)
    assert ran.returncode == 0 and "state=success" in ran.stdout + ran.stderr, (ran.stdout + ran.stderr)[-5000:]
    days = {t // 86_400_000 for _, t, *_ in readings_of(load(home / "config.json"))}
    assert days == {plant.window.start_ms // 86_400_000}
    (report,) = home.glob("runs/*/report.html")
    assert "The run is done" in report.read_text()
    assert sandbox.reader_password not in ran.stdout + ran.stderr
    left = [path for path in home.rglob("*") if path.is_file() and path != home / "config.json"]
    assert not [path for path in left if sandbox.reader_password.encode() in path.read_bytes()]
