"""JupyterLab and Airflow on the sandbox, for trying by hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .sandbox import Sandbox, up
from .sandbox.servers import ROOT

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
DAGS = Path(__file__).resolve().parent.parent / "dags"
PLUGINS = DAGS.with_name("plugins")


def lab(root: Path = ROOT) -> None:
    """Become JupyterLab on the notebooks; they find the sandbox through ``SENSORSTREAM_CONFIG``."""
    sandbox = _sandbox(root)
    os.environ["SENSORSTREAM_CONFIG"] = str(sandbox.config_path.resolve())
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--notebook-dir={NOTEBOOKS}"])


def airflow(root: Path = ROOT) -> None:
    """Become Airflow (``airflow standalone``) with the DAGs loaded; its home is in the sandbox's folder."""
    sandbox = _sandbox(root)
    os.environ.update(airflow_environment(root / "airflow"))
    os.environ["SENSORSTREAM_CONFIG"] = str(sandbox.config_path.resolve())
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.execv(sys.executable, [sys.executable, "-m", "airflow", "standalone"])


def airflow_environment(home: Path) -> dict[str, str]:
    """An Airflow of our own: SQLite in ``home``, our DAGs, no examples, loopback only."""
    home = home.resolve()
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__API__HOST": "127.0.0.1",
    }


def _sandbox(root: Path) -> Sandbox:
    sandbox = up(root)
    os.environ.update(sandbox.aws_env())
    return sandbox
