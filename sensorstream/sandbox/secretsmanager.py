"""AWS Secrets Manager as ``moto`` plays it; what is stored there lives as long as the process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sensorstream.errors import ConfigError
from sensorstream.sandbox.processes import HOST, answers, free, free_port, spawn
from sensorstream.sandbox.state import State

START_SECONDS = 60


def start(root: Path, state: State) -> None:
    """Start the server."""
    server = state.secrets
    if server.alive():
        return
    port = server.ports.get("http", 0)
    server.ports["http"] = port if port and free(port) else free_port()
    log = root / "secrets.log"
    command = [sys.executable, "-P", "-m", "moto.server", "-H", HOST, "-p", str(server.ports["http"])]
    server.process = spawn(command, log=log, folder=root, environ=os.environ)
    if not server.comes_up(lambda: answers(server.ports["http"]), START_SECONDS):
        raise ConfigError(f"the sandbox's Secrets Manager did not start: see {log}")


def stop(state: State) -> None:
    """Stop the server."""
    state.secrets.stop()
