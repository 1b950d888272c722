"""A Spark standalone cluster of one machine: a master and two workers whose Python has the libraries, not this package.

What a cluster lacks is lacking here too: each worker has a folder, an environment and a Python of its own, so what a
run needs on it has to come with the run.
"""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

from sensorstream.errors import ConfigError
from sensorstream.sandbox.processes import DIRECT, HOST, free, free_port, spawn, wait_until
from sensorstream.sandbox.state import Server, State

MASTER = "Spark master"
WORKERS = ("Spark worker 1", "Spark worker 2")
PORTS = ("spark", "ui")
CORES, MEMORY = 1, "1g"  # of a worker
START_SECONDS = 90
PACKAGE = "sensorstream"


def start(root: Path, state: State, java: Path) -> None:
    """Start the cluster; where a part of it has ended, all of it anew."""
    if state.spark and all(server.alive() for server in state.spark.values()):
        return
    stop(state)
    folder = root / "spark"
    folder.mkdir(mode=0o700, exist_ok=True)
    python = make_python(folder / "python")
    for name in (MASTER, *WORKERS):
        server = state.spark.setdefault(name, Server())
        if set(server.ports) != set(PORTS) or not all(free(port) for port in server.ports.values()):
            server.ports = {port: free_port() for port in PORTS}
        own = folder / name.rpartition(" ")[2]
        own.mkdir(mode=0o700, exist_ok=True)
        server.process = spawn(
            command(name, server.ports, own, state.spark_master),
            log=folder / f"{own.name}.log",
            folder=own,
            environ=environ(state, java, python, own),
        )
    page = f"http://{HOST}:{state.spark[MASTER].ports['ui']}"
    if not wait_until(lambda: not _alive(state) or workers(page) == len(WORKERS), START_SECONDS) or not _alive(state):
        raise ConfigError(f"the sandbox's Spark cluster did not start: see the logs in {folder}")


def stop(state: State) -> None:
    """Stop the cluster, the workers first."""
    for name in (*WORKERS, MASTER):
        if server := state.spark.get(name):
            server.stop()


def make_python(folder: Path) -> Path:
    """A Python that has every library of this one by links, and not this package, however it is installed here.

    Returns the folder of its programs.
    """
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=False, symlinks=True)
    libraries = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    for place in dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib")):
        for library in Path(place).iterdir():
            # A .pth file would lead to an editable installation.
            wanted = library.suffix != ".pth" and PACKAGE not in library.name and library.name != "__pycache__"
            if wanted and not (link := libraries / library.name).exists():
                link.symlink_to(library)
    return folder / "bin"


def command(name: str, ports: Mapping[str, int], own: Path, master: str | None, host: str = HOST) -> list[str]:
    """What starts the master, or a worker of that ``master`` which works in its ``own`` folder."""
    program = [
        str(spark_home() / "bin" / "spark-class"),
        f"org.apache.spark.deploy.{'master.Master' if name == MASTER else 'worker.Worker'}",
        *("--host", host, "--port", str(ports["spark"]), "--webui-port", str(ports["ui"])),
    ]
    if name == MASTER:
        return program
    return [*program, "--cores", str(CORES), "--memory", MEMORY, "--work-dir", str(own / "work"), str(master)]


def environ(state: State, java: Path, python: Path, own: Path, host: str = HOST) -> dict[str, str]:
    """What a worker is told, and its executors by it: where S3 lets them in, as a role would on a real cluster."""
    return {
        "PATH": f"{python}:{os.defpath}",
        "HOME": str(own),
        "LANG": "C.UTF-8",
        "JAVA_HOME": str(java),
        "SPARK_HOME": str(spark_home()),
        "SPARK_LOCAL_IP": host,  # where web pages listen as well
        "SPARK_LOCAL_DIRS": str(own / "local"),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-Dspark.master.rest.enabled=false -XX:TieredStopAtLevel=1",
        "AWS_ACCESS_KEY_ID": state.access_key,
        "AWS_SECRET_ACCESS_KEY": state.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": state.sandbox(own).secrets_endpoint,
    }


def spark_home() -> Path:
    """Spark as pyspark brings it."""
    import pyspark

    return Path(pyspark.__file__).resolve().parent


def _alive(state: State) -> bool:
    return all(server.alive() for server in state.spark.values())


def workers(page: str) -> int:
    """How many workers the master knows whose web page that is."""
    try:
        with DIRECT.open(f"{page}/json/", timeout=5) as answer:
            return int(json.load(answer)["aliveworkers"])
    except (OSError, ValueError, KeyError):
        return 0
