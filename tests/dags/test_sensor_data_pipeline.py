"""The daily DAG in a real Airflow: a home of its own, SQLite, no server."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from sensorstream.config.sources import load
from sensorstream.project_files import project_folder
from tests.dags.airflow_home import said
from tests.dags.listeners import http_server, mail_server
from tests.oracle import readings_of

DAG = "sensor_data_pipeline"
# What the dag processor loads once, before it forks to parse: the modules of Airflow that the files name.
PARSE = """
import sys, json, runpy, time
from pathlib import Path
import airflow.sdk, airflow.providers.papermill.operators.papermill
begin = time.perf_counter()
for path in Path(sys.argv[1]).glob("*.py"):
    runpy.run_path(str(path))
heavy = [name for name in ("pyspark", "great_expectations", "matplotlib", "obstore", "pandas") if name in sys.modules]
print(json.dumps([time.perf_counter() - begin, heavy]))
"""


def test_parsing_is_fast_and_loads_nothing_heavy():
    ran = subprocess.run([sys.executable, "-c", PARSE, str(project_folder("dags"))], capture_output=True, text=True)
    seconds, heavy = json.loads(ran.stdout.splitlines()[-1])
    assert heavy == [] and seconds < 2


@pytest.fixture(scope="module")
def night(home, plant):
    """One run for the plant's day, with one key from a Variable."""
    return home.airflow("dags", "test", DAG, plant.date, AIRFLOW_VAR_SENSOR_DIRECTORY="from_a_variable/")


def test_a_run_for_a_day_ends_green_with_the_day_in_the_lake_and_a_report(night, home, plant):
    assert night.returncode == 0 and "state=success" in said(night), said(night)[-5000:]
    config = load(home.config_path, arguments={"s3_directory": "from_a_variable/"})
    days = {t // 86_400_000 for _, t, *_ in readings_of(config)}
    assert days == {plant.window.start_ms // 86_400_000}
    (report,) = home.folder.glob("runs/*/report.html")
    page, verdict = report.read_text(), json.loads((report.parent / "verdict.json").read_text())
    assert "The run is done" in page and "Airflow Variable SENSOR_DIRECTORY" in page
    record = json.loads((report.parent / "record.json").read_text())
    assert verdict["verdict"] in ("done", "warnings") and verdict["asked"] == record["run_id"]


def test_the_log_of_a_task_says_what_it_did_and_no_green_one_has_an_error(night):
    log = said(night)
    for line in ("window    2026-10-31T", "source check passed: ", "rejected (bad quality)", "lake check passed: "):
        assert line in log
    assert re.search(r"report +http\S+/sensor_data_pipeline/\S+/report.html", log)
    assert not re.search(r"\berror\b", log, re.IGNORECASE)


def test_no_password_is_in_anything_that_a_run_leaves(night, home, sandbox):
    for secret in (sandbox.reader_password, sandbox.owner_password, sandbox.secret_key):
        assert secret not in said(night) and not home.holding(secret)


@pytest.mark.slow
def test_a_failing_expectation_stops_the_run_and_is_told_with_its_reason_and_report(home, plant):
    asked = {"start": "2026-11-03", "end": "2026-11-04"}  # a day that the historian has no reading of
    with mail_server() as (port, mails), http_server() as (url, posts):
        smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port}
        smtp["extra"] = {"security": "none", "from": "lake@plant.example", "to": ["shift@plant.example"]}
        ran = home.airflow(
            "dags", "test", DAG, "2026-11-04", "--conf", json.dumps(asked),
            AIRFLOW_CONN_SENSORSTREAM_SMTP=json.dumps(smtp),
            AIRFLOW_CONN_SENSORSTREAM_WEBHOOK=json.dumps({"conn_type": "http", "password": f"{url}/hook"}),
        )  # fmt: skip
    assert "state=failed" in said(ran), said(ran)[-5000:]
    (folder,) = [path for path in home.folder.glob("runs/*/") if not (path / "record.json").exists()]
    report, every = ((folder / name).read_text() for name in ("report.html", "../index.html"))
    assert "The run failed" in report and "Exit code 4" in report and f"{folder.name}/report.html" in every
    assert {path.stem for path in folder.glob("*.ipynb")} == {"check_source"}
    (told,), (posted,) = mails, posts
    assert told["To"] == "shift@plant.example" and "check_source failed" in told["Subject"]
    for text in (told.get_payload(decode=True).decode(), posted["text"]):
        assert "the window holds at least one reading" in text and f"{folder.name}/report.html" in text
