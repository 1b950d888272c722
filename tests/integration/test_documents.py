"""The commands and the Python of README and docs do what stands there, on the sandbox."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from subprocess import run

import pytest

from sensorstream import ingest, load
from tests.documents import DOCUMENTS, ROOT, blocks

LAKE = "documents/"  # in place of sensor_data/
SHELL = [path for path in DOCUMENTS if any(not block.left_out for block in blocks(path, "sh"))]
PYTHON = [path for path in DOCUMENTS if any(not block.left_out for block in blocks(path, "python"))]
SPARK = [path for path in DOCUMENTS if any(block.left_out == "slow" for block in blocks(path, "python"))]


@pytest.fixture(scope="module")
def reader(plant, sandbox, tmp_path_factory) -> Path:
    """The folder of somebody who reads along: a sandbox, its configuration, a day in the lake."""
    folder = tmp_path_factory.mktemp("reader")
    home = folder / ".sandbox"
    home.mkdir()
    for name in ("aws", "state.json"):
        shutil.copy(sandbox.root / name, home)
    values = json.loads(plant.config_path.read_text()) | {"s3_directory": LAKE, "reports_path": str(folder / "reports")}
    for path in (home / "config.json", folder / "config.json"):
        path.write_text(json.dumps(values))
    ingest(load(folder / "config.json"), plant.date)
    return folder


def done_in(folder: Path, command: list[str], *, keys: bool, **environment: str) -> None:
    """What a reader types; the sandbox's configuration finds the keys of AWS by itself, other readers want ``keys``."""
    there = {key: value for key, value in os.environ.items() if keys or "_ACCESS_KEY" not in key}
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SENSORSTREAM_CONFIG": str(folder / "config.json"),
    }
    done = run(command, cwd=folder, env={**there, **own, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"


def python_in(folder: Path, document: Path, sandbox, left_out: set[str | None]) -> None:
    """The Python of a document as one script, with readers of others pointed at the sandbox's S3."""
    code = [block.code for block in blocks(document, "python") if block.left_out in left_out]
    script = "\n".join(code).replace("/sensor_data/", f"/{LAKE}")
    done_in(
        folder,
        [sys.executable, "-c", script],
        keys=document.name != "README.md",
        AWS_ENDPOINT_URL=sandbox.s3_endpoint,
        AWS_ALLOW_HTTP="true",
    )


@pytest.mark.parametrize("document", SHELL, ids=lambda path: path.name)
def test_the_commands_of_a_document_run(document, reader):
    for block in blocks(document, "sh"):
        if not block.left_out:
            done_in(reader, ["bash", "-euo", "pipefail", "-c", block.code], keys=False)


@pytest.mark.parametrize("document", PYTHON, ids=lambda path: path.name)
def test_the_python_of_a_document_runs(document, reader, sandbox):
    python_in(reader, document, sandbox, {None})


@pytest.mark.slow
@pytest.mark.parametrize("document", SPARK, ids=lambda path: path.name)
def test_the_spark_of_a_document_runs(document, reader, sandbox):
    python_in(reader, document, sandbox, {None, "slow"})
