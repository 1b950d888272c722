"""CPU seconds and peak memory of process trees, from /proc."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# How often new and dying processes are looked for; a look costs a few milliseconds.
LOOK_SECONDS = 0.25
RESET_PEAK = "5"  # see clear_refs in proc(5)


@dataclass(frozen=True)
class Used:
    """What a round used. CPU in seconds by tree name; memory in bytes: the most that the client's processes had
    resident at one time, as far as it was seen, but no less than the peak of any of them. What they share counts for
    each.
    """

    cpu: dict[str, float]
    memory: int


def tree(root: int, *, without: Collection[int] = ()) -> list[int]:
    """``root`` and all its descendants, none of ``without`` or below them."""
    parents = psutil._ppid_map()  # one pass over /proc, where Process.children makes an object for each process
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        if pid in without:
            continue
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_seconds(pids: Collection[int]) -> float:
    """User and system time of the processes and of the children that they have reaped."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            # The name may hold spaces and brackets: fields are counted after the last one.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def peak_bytes(pid: int) -> int:
    """VmHWM; 0 for a process that has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def resident_bytes(pid: int) -> int:
    """What is resident now; 0 for a process that has ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    return 0


def reset_peak(pid: int) -> None:
    """Set VmHWM to what is resident now."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)


class Watch:
    """Measures from ``start`` to ``stop``.

    Parameters
    ----------
    client
        Root of the contender's tree.
    servers
        Roots of the servers' trees by name; no part of the client even where they descend from it.
    waits
        Whether the root only waits for the others: its memory does not count then.
    """

    def __init__(self, client: int, servers: Mapping[str, int], *, waits: bool = False) -> None:
        self.client = client
        self.servers = dict(servers)
        self._idle = {client} if waits else set()
        self._most = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look_often, daemon=True)

    def start(self) -> None:
        for pid in self._client_tree():
            reset_peak(pid)
        self._before = self._cpu()
        self._thread.start()

    def stop(self) -> Used:
        after = self._cpu()
        self._look()
        self._done.set()
        self._thread.join()
        return Used(
            cpu={name: after[name] - self._before[name] for name in after},
            memory=self._most,
        )

    def _client_tree(self) -> list[int]:
        return tree(self.client, without=self.servers.values())

    def _cpu(self) -> dict[str, float]:
        return {
            "client": cpu_seconds(self._client_tree()),
            **{name: cpu_seconds(tree(root)) for name, root in self.servers.items()},
        }

    def _look_often(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        pids = [pid for pid in self._client_tree() if pid not in self._idle]
        self._most = max(self._most, sum(map(resident_bytes, pids)), *map(peak_bytes, pids))
