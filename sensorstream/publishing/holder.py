"""The process that holds a lease, and whether it still runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """The process that holds a lease. ``host`` names the machine since its last start, and the process table."""

    host: str
    pid: int
    born: str  # when the process started, as its machine counts

    def gone(self) -> bool:
        """Whether the process is known to have ended; of other machines nothing is known."""
        return self.host == _host() and _born(self.pid) != self.born


def this_process() -> Holder:
    return Holder(_host(), os.getpid(), _born(os.getpid()))


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()}/{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _born(pid: int) -> str:
    """When the process started; empty if there is none, or only its entry is left."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in ("Z", "X") else rest[18]
