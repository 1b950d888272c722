"""A plain run imports what it needs and no more: each of the absent modules costs a start a tenth to three seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.configs import file_of

ABSENT = {
    "airflow",
    "boto3",
    "great_expectations",
    "IPython",
    "jinja2",
    "matplotlib",
    "moto",
    "nbconvert",
    "pandas",
    "papermill",
    "pyspark",
    "sqlalchemy",
}


def loaded(script, *arguments):
    report = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", f"{script}\n{report}", *arguments], capture_output=True, text=True, check=True
    )
    return set(run.stdout.splitlines()[-1].split())


def test_the_pipeline_imports_nothing_heavy():
    assert not loaded("import sensorstream.pipeline") & ABSENT


@pytest.mark.parametrize("command", ["plan", "ingest", "verify"])
def test_a_command_on_this_machine_imports_nothing_heavy(command, plant, make_config, tmp_path):
    path = file_of(make_config(), tmp_path)
    script = "import sys\nfrom sensorstream.cli import app\napp(sys.argv[1:], standalone_mode=False)"
    if command == "verify":  # of what is there
        loaded(script, "ingest", "--config", str(path), "--date", plant.date)
    assert loaded(script, command, "--config", str(path), "--date", plant.date) & ABSENT == set()
