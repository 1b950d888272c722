"""JupyterLab and Airflow on the sandbox, for trying by hand."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from ..errors import ConfigError
from ..extras import needs
from ..fast_import import theirs
from ..project_files import project_folder
from ..sandbox import ROOT, Sandbox, up
from ..sandbox.plant_days import grow
from ..sandbox.processes import free, free_port
from ..sandbox.servers import LIBRARIES


def lab(root: Path = ROOT) -> None:
    """Become JupyterLab on the notebooks; they find the sandbox through ``SENSORSTREAM_CONFIG``."""
    needs("sensorstream lab", lab=("jupyterlab",), sandbox=LIBRARIES)
    sandbox = _sandbox(root)
    theirs()
    os.environ.update(lab_environment(root / "jupyter", sandbox.config_path))
    os.execv(sys.executable, lab_command())


def lab_command(notebooks: Path | None = None) -> list[str]:
    """JupyterLab on this machine alone, behind its token; it opens ``explore`` and asks nobody for updates."""
    from jupyter_core.paths import jupyter_runtime_dir

    from ..notebook_run.kernel import transport

    notebooks = notebooks or project_folder("notebooks")
    connection_file = Path(jupyter_runtime_dir(), f"kernel-{uuid4()}.json")  # as JupyterLab names those of its kernels
    return [
        sys.executable, "-P", "-m", "jupyterlab", "--ip=127.0.0.1", f"--notebook-dir={notebooks}",
        "--LabApp.default_url=/lab/tree/explore.ipynb",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--KernelManager.transport={transport(connection_file)}",
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip


def lab_environment(home: Path, config: Path) -> dict[str, str]:
    """What JupyterLab and its kernels find the lake by; in ``home`` is what differs from the user's own settings."""
    settings = home.resolve() / "labconfig" / "page_config.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}))
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    return {
        "SENSORSTREAM_CONFIG": str(config.resolve()),
        "JUPYTER_CONFIG_PATH": os.pathsep.join([str(home.resolve()), *([others] if others else [])]),
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment, not one of the user's home
    }


def airflow(root: Path = ROOT) -> None:
    """Airflow with both DAGs on the sandbox, until it is stopped with Ctrl-C; its home is in the sandbox's folder."""
    from rich.console import Console

    from .airflow_server import USER, USUAL_PORT, Server, airflow_environment

    needs("sensorstream airflow", airflow=("airflow",), sandbox=LIBRARIES)
    sandbox = _sandbox(root)
    theirs()
    home, port = (root / "airflow").resolve(), USUAL_PORT if free(USUAL_PORT) else free_port()
    server = Server(home, port, {**os.environ, **airflow_environment(home, sandbox.config_path.resolve(), port)})
    console = Console(highlight=False)
    console.print("Starting Airflow ...")
    try:
        server.prepare()
        server.start()
        console.print(
            f"[bold]Airflow[/]  {server.address}  user {USER}, password {server.password}\n"
            f"[bold]logs[/]     {home}\nBoth DAGs are paused: switch them on, or trigger one. Ctrl-C stops Airflow.",
            soft_wrap=True,
        )
        grown = datetime.now(UTC).date()
        while server.alive():
            time.sleep(1)
            if (today := datetime.now(UTC).date()) != grown:  # tonight's run finds its day
                grow(sandbox.owner_dsn)
                grown = today
        raise ConfigError(f"a process of Airflow has ended: see the logs in {home}")
    except KeyboardInterrupt:
        console.print("Stopping Airflow; the sandbox stays up ...")
    finally:
        server.stop()


def _sandbox(root: Path) -> Sandbox:
    sandbox = up(root)
    grow(sandbox.owner_dsn)
    os.environ.update(sandbox.aws_env())
    return sandbox
