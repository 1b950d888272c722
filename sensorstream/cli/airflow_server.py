"""An Airflow of one's own on the loopback, on SQLite: for trying, and for tests."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..airflow.site import POOL
from ..errors import ConfigError
from ..project_files import project_folder
from ..sandbox.processes import DIRECT, HOST, Process, spawn, wait_until
from ..sandbox.state import write_private

USER = "admin"
USUAL_PORT = 8080
START_SECONDS = 180
# The server of task logs would listen on every address; the API server reads the files itself.
COMMANDS = {
    "api-server": ("api-server", "--workers", "1"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}


def airflow_environment(home: Path, config: Path | None = None, port: int | None = None) -> dict[str, str]:
    """Environment variables of an Airflow with our DAGs in ``home``; ``port`` is that of its API server, if any."""
    home, dags = home.resolve(), project_folder("dags")
    address = f"http://{HOST}:{port or USUAL_PORT}"
    ours = {"SENSORSTREAM_CONFIG": str(config), "SENSORSTREAM_RUNS": str(home / "runs")} if config else {}
    return ours | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(dags.with_name("plugins")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # seconds; a small machine may be busy with the readings
        # Seconds to wait for another process that writes.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=60",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port or USUAL_PORT),
        "AIRFLOW__API__BASE_URL": address,
        "NO_PROXY": ",".join({HOST, "localhost", *os.environ.get("NO_PROXY", "").split(",")} - {""}),
    }


@dataclass
class Server:
    """Airflow's processes in one home. ``environment`` is that of each of them, ``port`` the API server's."""

    home: Path
    port: int
    environment: Mapping[str, str] = field(repr=False)
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def password(self) -> str:
        """The password of the user ``admin``, kept in the home, made when there is none."""
        path = self.home / "passwords.json"
        if not path.is_file():
            write_private(path, json.dumps({USER: secrets.token_urlsafe(12)}))
        return str(json.loads(path.read_text())[USER])

    def command(self, *words: str) -> str:
        """Run an ``airflow`` command to its end; what it printed. ``ConfigError`` if it fails."""
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "airflow", *words], env=dict(self.environment), capture_output=True, text=True
        )
        if ran.returncode:
            last = (ran.stderr.strip() or ran.stdout.strip() or "no message").splitlines()[-1]
            raise ConfigError(f"airflow {' '.join(words[:2])} failed: {last}")
        return ran.stdout

    def prepare(self) -> None:
        """Make or migrate the database, the pool of the historian and the login."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _ = self.password
        self.command("db", "migrate")
        self.command("pools", "set", POOL, "1", "Tasks that read the historian at once")

    def start(self, names: Iterable[str] = COMMANDS) -> None:
        """Start what is named and not running, and wait until the API server answers and all others beat."""
        for name in names:
            if name not in self.processes or not self.processes[name].alive():
                self.processes[name] = spawn(
                    [sys.executable, "-P", "-m", "airflow", *COMMANDS[name]],
                    log=self.home / f"{name}.log",
                    folder=self.home,
                    environ=self.environment,
                )
        if not wait_until(self._ready, START_SECONDS):
            raise ConfigError(f"Airflow did not start in {START_SECONDS} s: see the logs in {self.home}")

    def stop(self, names: Iterable[str] = COMMANDS) -> None:
        """Stop what is named; the scheduler first, so that its workers can still say that they end."""
        for name in sorted(names, reverse=True):
            if name in self.processes:
                self.processes.pop(name).stop()

    def alive(self) -> bool:
        """Whether every process runs."""
        return bool(self.processes) and all(process.alive() for process in self.processes.values())

    def _ready(self) -> bool:
        if not self.alive():
            raise ConfigError(f"a process of Airflow ended at once: see the logs in {self.home}")
        try:
            with DIRECT.open(f"{self.address}/api/v2/monitor/health", timeout=10) as answer:
                health = json.load(answer)
        except (OSError, ValueError):
            return False
        return all(
            health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor", "triggerer")
        )
