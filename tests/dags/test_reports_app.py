"""Reports on Airflow's web server: of our DAG, under its name alone; ``test_slow_nights`` logs in for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

ASK = """
import json, sys
from pathlib import Path
from airflow.api_fastapi.core_api import security

security.requires_access_dag = lambda *about: lambda: None  # somebody who may see every DAG
from fastapi.testclient import TestClient
from sensorstream.airflow.report_server import application

asking = TestClient(application(Path(sys.argv[1])))
print(json.dumps({path: asking.get(path).status_code for path in sys.argv[2:]}))
"""


def test_reports_are_shown_under_the_name_of_their_dag_alone(tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    for page in ("one/report.html", "index.html", "one/ingest.ipynb", "one/secret.json"):
        (tmp_path / "runs" / page).write_text("a page")
    ours, others = "/sensor_data_pipeline", "/another_dag"
    there = [f"{ours}/one/report.html", f"{ours}/index.html", f"{ours}/one/ingest.ipynb"]
    absent = [
        f"{others}/one/report.html",
        f"{others}/index.html",
        f"{others}/one/ingest.ipynb",
        f"{ours}/one/secret.json",
        f"{ours}/..%2Fone/ingest.ipynb",
        f"{ours}/two/report.html",
        f"{ours}/..%2Fone/report.html",
    ]
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK, str(tmp_path / "runs"), *there, *absent],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path / "airflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(ran.stdout.splitlines()[-1])
    assert said == dict.fromkeys(there, 200) | dict.fromkeys(absent, 404)
