"""Work that is killed, as a process group of its own: at its n-th request to the store, or after so many seconds.

The processes are forked off one that has imported everything and started no thread, which takes 20 ms each.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

CHANGES = ("put", "delete", "swap", "copy")  # requests that change the store


class Deadly:
    """A store that kills its process group just before, or just after, its n-th change."""

    def __init__(self, store: Any, at: int, *, after: bool) -> None:
        self.store, self.at, self.after, self.count = store, at, after, 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.store, name)
        if name not in CHANGES:
            return real

        def counted(*arguments: Any) -> Any:
            self.count += 1
            mine = self.count == self.at
            if mine and not self.after:
                os.killpg(0, signal.SIGKILL)
            answer = real(*arguments)
            if mine and self.after:
                os.killpg(0, signal.SIGKILL)
            return answer

        return counted


def killed(config: Any, case: str, at: int, *, after: bool) -> bool:
    """Do a work of ``works.WORKS`` in a process that is killed at its ``at``-th change; whether it came to that."""
    return killed_within(float("inf"), _until_change, config, case, at, after)


def killed_within(seconds: float, work: Callable[..., None], *arguments: Any) -> bool:
    """Do ``work``, a function of a module, in a process that is killed after ``seconds``; whether it came to that."""
    server = _server()
    pickle.dump((seconds, work, arguments, dict(os.environ)), server.stdin)
    server.stdin.flush()
    code = pickle.load(server.stdout)
    assert code in (0, -signal.SIGKILL), f"{work.__name__}{arguments[1:]}: the process ended with {code}"
    return code != 0


def _until_change(config: Any, case: str, at: int, after: bool) -> None:
    from sensorstream.lake.stores import open_store
    from tests.faults.works import WORKS

    WORKS[case](Deadly(open_store(config), at, after=after), config)


@cache
def _server() -> Any:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.killed"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _serve() -> None:
    import boto3  # noqa: F401  what the children would each import
    import obstore.auth.boto3  # noqa: F401

    import sensorstream.pipeline.ingest  # noqa: F401
    import tests.faults.works  # noqa: F401

    while True:
        try:
            seconds, work, arguments, environ = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            os.environ.update(environ)
            os.dup2(2, 1)  # the answers are the server's
            try:
                work(*arguments)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        pickle.dump(os.waitstatus_to_exitcode(_ended(child, time.monotonic() + seconds)), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _ended(child: int, at: float) -> int:
    """The status of a child that is killed ``at`` that time if it has not ended before."""
    if at == float("inf"):
        return os.waitpid(child, 0)[1]
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > at:
            try:
                os.killpg(child, signal.SIGKILL)
            except ProcessLookupError:  # it has not come to have a group of its own
                os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        time.sleep(0.001)


if __name__ == "__main__":
    _serve()
