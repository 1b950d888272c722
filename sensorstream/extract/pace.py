"""A limit on how fast a historian is read."""

from __future__ import annotations

import time
from threading import Event, Lock


class Pace:
    """Readings no faster than ``per_second``, whatever threads read them; ``None`` is as fast as they come."""

    def __init__(self, per_second: float | None) -> None:
        self.per_second = per_second
        self._due = 0.0  # when what was read so far may have been
        self._lock = Lock()
        self._stopped = Event()

    def keep(self, readings: int, since: float) -> None:
        """Wait until ``readings`` that were begun ``since`` (``time.monotonic``) are due."""
        if not self.per_second:
            return
        with self._lock:
            self._due = due = max(self._due, since) + readings / self.per_second
        self._stopped.wait(due - time.monotonic())

    def stop(self) -> None:
        """Let everybody go who waits."""
        self._stopped.set()
