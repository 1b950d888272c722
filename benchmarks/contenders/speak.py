"""How a contender and the harness talk: JSON lines over standard input and output.

The first line in is the order (where everything is, passwords too), answered by ``{"versions": {...}}`` once imports
and connections are warm. Each line after it is a round, ``{"prefix": ..., "port": ...}``, answered by ``{"wall": ...,
"readings": ...}`` or ``{"error": ...}``. End of input ends the contender. One that is a new process each round starts
it by ``to_its_end``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

Order = dict[str, Any]
Message = dict[str, Any]


def versions(*packages: str) -> dict[str, str]:
    return {package: version(package) for package in packages}


def serve(prepare: Callable[[Order], Any], run: Callable[[Any, Message], Mapping[str, Any] | None]) -> None:
    """Answer until standard input ends. ``run`` is timed; what it returns is added to the answer."""
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        # What a library prints belongs in the log, which is standard error.
        os.dup2(2, 1)
        order = json.loads(sys.stdin.readline())

        def answer(work: Callable[[], Mapping[str, Any]]) -> None:
            try:
                reply = dict(work())
            except Exception as error:
                traceback.print_exc()
                reply = {"error": f"{type(error).__name__}: {error}".replace(order["db"]["password"], "***")}
            answers.write(json.dumps(reply) + "\n")

        state: list[Any] = []

        def begin() -> Mapping[str, Any]:
            made, found = prepare(order)
            state.append(made)
            return {"versions": found}

        answer(begin)
        for line in sys.stdin:
            message = json.loads(line)
            answer(lambda message=message: timed(run, state[0], message))  # type: ignore[misc]


def timed(run: Callable[[Any, Message], Mapping[str, Any] | None], state: Any, message: Message) -> dict[str, Any]:
    """One round: what ``run`` returned, and the seconds that it took."""
    begin = time.perf_counter()
    told = run(state, message) or {}
    return {"wall": time.perf_counter() - begin, **told}


def to_its_end(command: Sequence[str], told: str = "") -> tuple[str, dict[str, Any]]:
    """Run a command: what it printed, and its ``wall`` seconds and ``peak`` of resident bytes."""
    begin = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        process.stdin.write(told)
        process.stdin.close()
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ended with exit code {process.returncode}")
    return said, {"wall": wall, "peak": used.ru_maxrss * 1024}
