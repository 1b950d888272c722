"""How long each phase of a run takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

PHASES = ("plan", "start", "extract", "publish", "late")


class Clock:
    """Seconds of each phase; a phase inside another is taken out of it."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self._begin = time.perf_counter()
        self._spent: dict[str, float] = {}
        self._inner = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin, before = time.perf_counter(), self._inner
        try:
            yield
        finally:
            took = time.perf_counter() - begin
            self._spent[name] = self._spent.get(name, 0.0) + took - (self._inner - before)
            self._inner = before + took

    def seconds(self) -> dict[str, float]:
        total = time.perf_counter() - self._begin
        return {name: round(self._spent.get(name, 0.0), 3) for name in PHASES} | {"total": round(total, 3)}
