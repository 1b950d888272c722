"""A Spark cluster whose workers are as far from this process as other machines are.

Each is in a network namespace of its own, where nothing of this machine answers but one address: there are the
master, the driver, and lines to the historian and the store. The temporary files of this machine and the package of
this checkout are hidden from it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import sensorstream
from sensorstream.config.settings import Config
from sensorstream.sandbox import Sandbox
from sensorstream.sandbox.processes import free_port, spawn, wait_until
from sensorstream.sandbox.spark import MASTER, START_SECONDS, WORKERS, command, environ, make_python, workers
from sensorstream.sandbox.state import State
from sensorstream.spark.java import java_home
from tests.networks import Network

NUMBER = os.getpid() % 250  # two of these tests may run at once
NET = f"10.99.{NUMBER}"
HOST = f"{NET}.1"  # this machine, as the workers see it
BRIDGE = f"sensorst{NUMBER}"
HIDDEN = (Path(tempfile.gettempdir()), Path(sensorstream.__file__).parent)


@dataclass
class Worker:
    """One machine of the cluster."""

    name: str  # of its namespace
    host: str
    own: Path  # all that it sees of the temporary files of this machine

    @property
    def python(self) -> Path:
        return self.own / "python" / "bin"

    def command(self, program: list[str]) -> list[str]:
        """``program`` as that machine runs it."""
        steps = [f"mount --bind {self.own} /mnt", *(f"mount -t tmpfs none {folder}" for folder in HIDDEN)]
        steps += [f"mkdir -p {self.own}", f"mount --bind /mnt {self.own}", f"cd {self.own}", 'exec "$@"']
        return [str(shutil.which("ip")), "netns", "exec", self.name, "sh", "-ec", "; ".join(steps), "sh", *program]

    def says(self, script: str) -> str:
        """What its Python prints, and what it ends with."""
        program = self.command([str(self.python / "python3"), "-c", script])
        done = subprocess.run(program, env={"PATH": os.defpath}, capture_output=True, text=True)
        return done.stdout + done.stderr


@dataclass
class Apart:
    """The cluster, and where it finds the servers."""

    folder: Path
    state: State
    network: Network
    master: str
    page: str  # of the master
    s3: str
    historian_port: int
    until_end: ExitStack
    workers: list[Worker] = field(default_factory=list)

    def config(self, config: Config) -> Config:
        """``config`` with addresses that hold on this machine and on the workers."""
        conf = {"spark.driver.host": HOST, "spark.driver.bindAddress": HOST}
        return config.model_copy(
            update={
                "db": config.db.model_copy(update={"host": HOST, "port": self.historian_port}),
                "s3_endpoint_url": self.s3,
                "spark_master": self.master,
                "spark_conf": conf | config.spark_conf,
            }
        )

    def join(self) -> None:
        """One worker more."""
        number = len(self.workers)
        own = self.folder / f"worker{number + 1}"
        own.mkdir()
        worker = Worker(f"{BRIDGE}-{number + 1}", f"{NET}.{number + 11}", own)
        make_python(own / "python")
        ends = f"{BRIDGE}a{number}", f"{BRIDGE}b{number}"
        ip("netns", "add", worker.name)
        self.until_end.callback(ip, "netns", "del", worker.name)
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", worker.name)
        self.until_end.callback(ip, "link", "del", ends[0])
        ip("link", "set", ends[0], "master", BRIDGE, "up")
        ip("-n", worker.name, "addr", "add", f"{worker.host}/24", "dev", ends[1])
        for link in ("lo", ends[1]):
            ip("-n", worker.name, "link", "set", link, "up")
        ports = {"spark": 7078, "ui": 8081}
        told = environ(self.state, java_home(), worker.python, own, worker.host)
        program = worker.command(command(WORKERS[0], ports, own, self.master, worker.host))
        process = spawn(program, log=self.folder / f"{own.name}.log", folder=self.folder, environ=told)
        self.until_end.callback(process.stop)
        self.workers.append(worker)
        assert wait_until(lambda: workers(self.page) == len(self.workers), START_SECONDS), self.folder


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@contextmanager
def apart(sandbox: Sandbox, folder: Path, **network: float) -> Iterator[Apart]:
    """A cluster without a worker yet; all of it is gone when the block ends."""
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("network namespaces need root and the program ip")
    made = subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], capture_output=True, text=True)
    assert "File exists" not in made.stderr, f"another run has {BRIDGE} here: one at a time"
    if made.returncode:
        pytest.skip(f"no network can be made here: {made.stderr.strip()}")
    with ExitStack() as until_end:
        until_end.callback(ip, "link", "del", BRIDGE)
        ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        lines = until_end.enter_context(Network(HOST, **network))
        state, ports = State.load(sandbox.root), {"spark": free_port(), "ui": free_port()}
        own, log = folder / "master", folder / "master.log"
        own.mkdir()
        told = environ(state, java_home(), make_python(own / "python"), own, HOST)
        process = spawn(command(MASTER, ports, own, None, HOST), log=log, folder=own, environ=told)
        until_end.callback(process.stop)
        yield Apart(
            folder=folder,
            state=state,
            network=lines,
            master=f"spark://{HOST}:{ports['spark']}",
            page=f"http://{HOST}:{ports['ui']}",
            s3=f"http://{HOST}:{lines.line(urlsplit(sandbox.s3_endpoint).port)}",
            historian_port=lines.line(sandbox.port),
            until_end=until_end,
        )
