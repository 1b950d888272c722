"""A notebook as a task of Airflow."""

from __future__ import annotations

import json

from sensorstream.airflow.daily_tasks import _failure
from sensorstream.airflow.notebooks import NotebookOperator


def test_a_notebook_that_airflow_ends_is_told_to_its_report(tmp_path):
    task = NotebookOperator(task_id="ingest", input_nb="in.ipynb", output_nb=str(tmp_path / "ingest.ipynb"))
    task.on_kill()  # before it began there is nobody to tell
    task._told = tmp_path / "ingest.failure"
    task.on_kill()
    assert json.loads(task._told.read_text())[0] == "Terminated"
    failure = _failure(task._told)
    assert failure.exit_code == 143 and "stopped by SIGTERM" in str(failure)
