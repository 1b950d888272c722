"""The page on Airflow, followed in a browser; ``SENSORSTREAM_SHOTS`` names a folder for the pictures of the docs."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from sensorstream.cli.airflow_server import USER
from sensorstream.sandbox.plant import PlantOptions
from tests.dags.browser import browser
from tests.dags.nights import DAILY, night, today


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_user_logs_in_triggers_a_day_and_opens_its_report_from_the_task(sandbox, tmp_path):
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "this test needs a browser: apt-get install chromium"
    shots = Path(os.environ.get("SENSORSTREAM_SHOTS", tmp_path))
    day = today() - timedelta(days=1)
    plant = PlantOptions(tags=12, rate_seconds=60, goes_on=True)  # as the demo's, but smaller
    with night(sandbox, tmp_path, plant) as airflow, browser(program, tmp_path) as tab:
        airflow.unpause()
        (first,) = airflow.wait(airflow.runs, 120)
        assert airflow.ends(first["dag_run_id"]) == "success"
        tab.open(f"{airflow.server.address}/dags/{DAILY}")
        tab.type("input[name=username]", USER)
        tab.type("input[name=password]", airflow.server.password)
        tab.click("button[type=submit]")
        tab.wait(f"location.pathname.startsWith('/dags/{DAILY}')")
        tab.click("button", "Trigger")
        tab.type("#element_date", str(day))
        tab.type("#element_patterns", "^plant1/press/")
        tab.shot(shots / "airflow-trigger.png")
        tab.click("[role=dialog] button", "Trigger")
        (second,) = airflow.wait(lambda: [run for run in airflow.runs() if run["run_type"] == "manual"], 60)
        assert second["conf"]["date"] == str(day) and second["conf"]["patterns"] == ["^plant1/press/"]
        assert airflow.ends(second["dag_run_id"]) == "success"
        tab.open(f"{airflow.server.address}/dags/{DAILY}/runs/{second['dag_run_id']}/tasks/ingest/details")
        tab.wait("!!document.querySelector('a[href*=\"report.html\"]')")
        tab.shot(shots / "airflow-task.png")
        tab.open(tab.js("document.querySelector('a[href*=\"report.html\"]').href"))
        tab.wait("document.body.innerText.includes('The run is done')")
        tab.shot(shots / "airflow-report.png")
