"""The contenders: which script, under which Python, and what each cannot do. Started as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from sensorstream.errors import SensorStreamError
from sensorstream.sandbox.state import Sandbox

SCRIPTS = Path(__file__).with_name("contenders")
ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Kind:
    """``note``: what it cannot do; ``peer``: runs in the peers' environment; ``local``: writes to a folder; ``spark``:
    needs Java; ``whole``: a new process each round, which a waiting one starts.
    """

    script: str
    note: str
    options: Mapping[str, Any] = field(default_factory=dict)
    peer: bool = False
    local: bool = False
    writes: bool = True
    spark: bool = False
    whole: bool = False


KINDS: dict[str, Kind] = {
    "floor": Kind(
        "floor.py",
        "COPY of tag id, time and value to nowhere, one connection: no lake at all",
        {"connections": 1},
        writes=False,
    ),
    "floor2": Kind(
        "floor.py",
        "the same over two connections, half of the pages of each table: no lake at all",
        {"connections": 2},
        writes=False,
    ),
    "copy2": Kind(
        "floor.py",
        "floor2 with the columns that a lake needs (number, text, time and whole number, quality): no lake at all",
        {"connections": 2, "every_column": True},
        writes=False,
    ),
    "passes": Kind(
        "passes.py",
        "the queries of packed alone over two connections, received to nowhere: no lake at all",
        writes=False,
    ),
    "packed": Kind(
        "engine.py",
        "this machine without Spark; one snapshot, duplicates removed, rejected readings kept, counts reconciled,"
        " manifest",
    ),
    "packed-spark": Kind("engine.py", "the same lake as packed, file for file, by Spark on this machine", spark=True),
    "jdbc": Kind("engine.py", "the same lake as packed, file for file, by Spark", {"engine": "jdbc"}, spark=True),
    "ingest": Kind(
        "own_process.py", "`sensorstream ingest`, a new process each time: packed", {"command": "ingest"}, whole=True
    ),
    "run": Kind(
        "own_process.py",
        "`sensorstream run`, a new process each time: checks of source and lake, notebooks and report around ingest",
        {"command": "run"},
        whole=True,
    ),
    "spark": Kind(
        "plain_spark.py",
        "writes to a local folder (Spark has no S3 client here), which is in its favour; cannot remove duplicates, nor"
        " read one snapshot over its connections; files unsorted",
        local=True,
        spark=True,
    ),
    "duckdb": Kind(
        "peer_duckdb.py", "cannot remove duplicates; files unsorted; keeps no account of what was rejected", peer=True
    ),
    "duckdb-script": Kind("peer_duckdb_process.py", "duckdb, a new process each time", peer=True, whole=True),
    "connectorx": Kind(
        "peer_connectorx.py",
        "holds the whole window in memory; cannot remove duplicates, nor read one snapshot over its connections;"
        " files unsorted",
        peer=True,
    ),
    "adbc": Kind(
        "peer_adbc.py",
        "holds the whole window in memory; cannot remove duplicates; two connections without a common snapshot; files"
        " unsorted",
        peer=True,
    ),
    "dlt": Kind(
        "peer_dlt.py",
        "partitions only by its Delta table format; holds the whole window in memory; cannot remove duplicates",
        {"partitioned": True},
        peer=True,
    ),
    "dlt-files": Kind(
        "peer_dlt.py",
        "dlt without Delta: one table of files that are not partitioned, which is in its favour",
        {"partitioned": False},
        peer=True,
    ),
}


class ContenderFailed(SensorStreamError):
    """A contender gave up, or left the wrong number of readings."""


class Contender(Protocol):
    """Something that can be asked for a round."""

    pid: int
    versions: dict[str, str]

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]: ...
    def close(self) -> None: ...


class Spawned:
    """A contender in a process of its own, warm and waiting."""

    def __init__(
        self, name: str, kind: Kind, order: Mapping[str, Any], *, python: Path, sandbox: Sandbox, log: Path
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [str(python), str(SCRIPTS / kind.script)],
                cwd=log.parent,
                env=environment(sandbox, peer=kind.peer),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.pid = self._process.pid
        try:
            self.versions: dict[str, str] = self.ask(order)["versions"]
        except BaseException:
            self.close()
            raise

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send one line, wait for the answer to it. Raises ``ContenderFailed`` with the contender's own reason."""
        to, answers = _pipes(self._process)
        try:
            to.write(json.dumps(message) + "\n")
            to.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ContenderFailed(f"contender {self.name} ended without an answer: see {self.log}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise ContenderFailed(f"contender {self.name} failed: {reply['error'][:300]}: see {self.log}")
        return reply

    def close(self) -> None:
        to, answers = _pipes(self._process)
        try:
            to.close()
            self._process.wait(PATIENCE_SECONDS)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        answers.close()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin and process.stdout
    return process.stdin, process.stdout


def environment(sandbox: Sandbox, *, peer: bool) -> dict[str, str]:
    """This process's environment and the sandbox's AWS chain. A peer sees no SensorStream."""
    found = {key: value for key, value in os.environ.items() if not key.startswith("AWS_") and key != "PYTHONPATH"}
    if not peer:
        found["PYTHONPATH"] = str(ROOT)
    quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return found | sandbox.aws_env() | quiet


def spark_options() -> dict[str, str]:
    """What a Spark contender needs to know; sets ``JAVA_HOME`` for those that are started afterwards."""
    from sensorstream.spark.java import java_home
    from sensorstream.spark.jdbc_driver import require_driver

    os.environ["JAVA_HOME"] = str(java_home())
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    return {"master": "local[*]", "jar": str(require_driver(None))}
