"""A real Airflow, all of its processes, on a historian of its own, and what a test does with it."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import conninfo, sql

from sensorstream.cli.airflow_server import USER, Server, airflow_environment
from sensorstream.config.settings import Config
from sensorstream.config.sources import load
from sensorstream.sandbox import Sandbox
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox.plant import PlantOptions, seed
from sensorstream.sandbox.plant_days import grow
from sensorstream.sandbox.processes import DIRECT, free_port
from sensorstream.sandbox.state import State
from sensorstream.windows import day_window
from tests.dags.listeners import http_server
from tests.oracle import readings_of

DAILY = "sensor_data_pipeline"
DONE = {"success", "failed"}


@dataclass
class AskedServer(Server):
    """An Airflow whose API is asked."""

    def ask(self, path: str, *, body: Mapping[str, Any] | None = None, method: str | None = None) -> Any:
        """What the API says at ``path`` (below ``/api/v2``), as ``admin``."""
        request = urllib.request.Request(
            f"{self.address}/api/v2/{path}",
            json.dumps(body).encode() if body is not None else None,
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.token()}"},
            method=method,
        )
        with DIRECT.open(request, timeout=60) as answer:
            return json.load(answer)

    def token(self) -> str:
        """A token of the API for ``admin``."""
        request = urllib.request.Request(
            f"{self.address}/auth/token",
            json.dumps({"username": USER, "password": self.password}).encode(),
            {"Content-Type": "application/json"},
        )
        with DIRECT.open(request, timeout=60) as answer:
            return str(json.load(answer)["access_token"])


@dataclass
class Night:
    """A running Airflow, its configuration, and the notices that it has posted."""

    server: AskedServer
    config: Config
    owner: str
    posts: list[dict[str, Any]]
    started: list[str] = field(default_factory=list)

    def trigger(self, dag_id: str = DAILY, **conf: Any) -> str:
        body = {"logical_date": None, "dag_run_id": f"by_hand_{len(self.started)}", "conf": conf}
        self.started.append(self.server.ask(f"dags/{dag_id}/dagRuns", body=body)["dag_run_id"])
        return self.started[-1]

    def unpause(self, dag_id: str = DAILY) -> None:
        self.server.ask(f"dags/{dag_id}", body={"is_paused": False}, method="PATCH")

    def runs(self, dag_id: str = DAILY) -> list[dict[str, Any]]:
        return list(self.server.ask(f"dags/{dag_id}/dagRuns?limit=100")["dag_runs"])

    def state(self, run_id: str, dag_id: str = DAILY) -> str:
        return str(self.server.ask(f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, run_id: str, dag_id: str = DAILY) -> dict[str, tuple[str | None, int]]:
        """Task to its state and the number of its try."""
        found = self.server.ask(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: (task["state"], task["try_number"]) for task in found}

    def wait(self, condition: Callable[[], Any], seconds: float = 600) -> Any:
        """What the condition gives as soon as it is true; fails when it is not in time."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end and self.server.alive(), f"not in {seconds} s"
            time.sleep(0.5)
        return found

    def ends(self, run_id: str, seconds: float = 600) -> str:
        """How a run ends."""
        self.wait(lambda: self.state(run_id) in DONE, seconds)
        return self.state(run_id)

    def reaches(self, run_id: str, task: str) -> psutil.Process:
        """Wait until a notebook's kernel runs for the task; its process."""
        self.wait(lambda: self.tasks(run_id)[task][0] == "running")
        return self.wait(self._kernel)

    def _kernel(self) -> psutil.Process | None:
        scheduler = psutil.Process(self.server.processes["scheduler"].pid)
        for child in scheduler.children(recursive=True):
            try:
                if "-m ipykernel" in " ".join(child.cmdline()):
                    return child
            except psutil.Error:
                continue
        return None

    def expected(self, day: date) -> set[tuple[str, int]]:
        """Path and time (ms) of the day's good readings, as plain SQL finds them in every partition table."""
        window = day_window(day, self.config.timezone)
        found: set[tuple[str, int]] = set()
        with psycopg.connect(self.owner) as connection:
            tables = connection.execute(
                "SELECT DISTINCT pname FROM sqlth_partitions WHERE blocksize = 0 AND to_regclass(pname) IS NOT NULL"
            ).fetchall()
            for (table,) in tables:
                found |= set(
                    connection.execute(
                        sql.SQL(
                            "SELECT tagpath, t_stamp FROM {} JOIN sqlth_te ON id = tagid"
                            " WHERE dataintegrity = 192 AND t_stamp >= %s AND t_stamp < %s"
                        ).format(sql.Identifier(table)),
                        [window.start_ms, window.end_ms],
                    ).fetchall()
                )
        return found

    def held(self, day: date) -> set[tuple[str, int]]:
        """Path and time of the day's readings in the lake."""
        window = day_window(day, self.config.timezone)
        return {(path, ms) for path, ms, *_ in readings_of(self.config) if window.start_ms <= ms < window.end_ms}


@contextmanager
def night(sandbox: Sandbox, folder: Path, options: PlantOptions, **environment: str) -> Iterator[Night]:
    """An Airflow on a new database that ``options`` fill, both DAGs paused, retries at once, notices by webhook."""
    name = f"night_{folder.name.replace('-', '_').lower()}"
    state = State.load(sandbox.root)
    with sandbox_postgres._admin(state) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER owner").format(sql.Identifier(name)))
    owner = conninfo.make_conninfo(sandbox.owner_dsn, dbname=name)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("GRANT USAGE ON SCHEMA public TO reader")
        connection.execute("ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT SELECT ON TABLES TO reader")
    seed(owner, options)
    grow(owner, options)
    values = json.loads(sandbox.config_path.read_text()) | {"s3_directory": f"{name}/", "spark_master": "local[2]"}
    values["db"]["dbname"] = name
    (folder / "config.json").write_text(json.dumps(values))
    port = free_port()
    with http_server() as (url, posts):
        server = AskedServer(folder / "home", port, {
            **os.environ,
            **airflow_environment(folder / "home", folder / "config.json", port),
            "SENSORSTREAM_RETRY_SECONDS": "10",
            **environment,
        })  # fmt: skip
        try:
            server.prepare()
            server.start()
            night = Night(server, load(folder / "config.json"), owner, posts)
            night.wait(lambda: len(server.ask("dags")["dags"]) == 2, 180)
            hook = {"connection_id": "sensorstream_webhook", "conn_type": "http", "password": f"{url}/hook"}
            server.ask("connections", body=hook)
            assert server.ask("importErrors")["total_entries"] == 0
            yield night
        finally:
            server.stop()


def today() -> date:
    return datetime.now(UTC).date()
