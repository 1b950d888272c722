"""Servers that outlive the command that started them, and the ports that they listen on."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
# Below the kernel's range for outgoing connections, so that a port stays free until its server binds it.
PORTS = range(20_000, 32_000)
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy stands between us and the loopback
START_TOLERANCE_SECONDS = 0.05

# Servers start side by side: a port that one was given is not given again.
_given: set[int] = set()
# Kept so that a finished server is reaped and not taken for a running one.
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Process:
    """A process that is told apart from a later one with the same number."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Process:
        """Describe a running process."""
        import psutil

        return cls(pid, psutil.Process(pid).create_time())

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        import psutil

        for child in _children:
            child.poll()
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < START_TOLERANCE_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM, *, patience_seconds: float = 15) -> None:
        """Ask the process to end, and end it when it does not listen."""
        for number in (how, signal.SIGKILL):
            if not self.alive():
                return
            os.kill(self.pid, number)
            wait_until(lambda: not self.alive(), patience_seconds)


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    folder: Path,
    environ: Mapping[str, str],
    user: tuple[int, int] | None = None,
) -> Process:
    """Start a server in a session of its own, its output appended to ``log``; ``user`` is (uid, gid)."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **as_user(user),
        )
    _children.append(child)
    return Process.of(child.pid)


def as_user(user: tuple[int, int] | None) -> dict[str, Any]:
    """Return the arguments of ``subprocess`` that drop root for (uid, gid)."""
    return {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}


def free(port: int) -> bool:
    """Tell whether a server can bind the port now."""
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return True
    return False


def free_port(*, also_offset: int = 0) -> int:
    """Pick a free port, one whose neighbour at ``also_offset`` is free too."""
    while True:
        port = random.choice(PORTS) - also_offset
        both = {port, port + also_offset}
        if not both & _given and all(free(number) for number in both):
            _given.update(both)
            return port


def answers(port: int) -> bool:
    """Tell whether something accepts connections on the port."""
    with suppress(OSError):
        socket.create_connection((HOST, port), timeout=1).close()
        return True
    return False


def wait_until(condition: Callable[[], bool], patience_seconds: float) -> bool:
    """Poll until the condition holds; False when patience ends first."""
    end = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
