"""A publisher that is killed at its n-th request to the store, as a process group of its own.

The processes are forked off one that has imported everything and started no thread, which takes 20 ms each.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
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
    server = _server()
    pickle.dump((config, case, at, after, dict(os.environ)), server.stdin)
    server.stdin.flush()
    code = pickle.load(server.stdout)
    assert code in (0, -signal.SIGKILL), f"{case}, change {at}: the process ended with {code}"
    return code != 0


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

    from sensorstream.lake.stores import open_store
    from tests.faults.works import WORKS

    while True:
        try:
            config, case, at, after, environ = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            os.environ.update(environ)
            WORKS[case](Deadly(open_store(config), at, after=after), config)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        pickle.dump(os.waitstatus_to_exitcode(status), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
