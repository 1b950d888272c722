"""A plain run imports what it needs and no more: each of the absent modules costs a start a tenth to three seconds."""

from __future__ import annotations

import subprocess
import sys

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


def test_a_plan_imports_nothing_heavy(plant):
    script = "import sys\nfrom sensorstream.cli import app\napp(sys.argv[1:], standalone_mode=False)"
    assert not loaded(script, "plan", "--config", str(plant.config_path), "--date", plant.date) & ABSENT
