"""Threads that work on one share together end when nobody wants what they do any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from sensorstream.extract.task_threads import work_through


def test_a_thread_that_missed_the_first_interruption_is_interrupted_again():
    calls, interrupted_twice = [], threading.Event()

    def interrupt() -> None:
        calls.append(None)
        if len(calls) == 2:
            interrupted_twice.set()

    def fetch(item: int) -> Iterator[int]:
        if item:  # its query begins just after the interruption
            interrupted_twice.wait(20)
        yield item

    results = work_through([0, 1], fetch, lambda ready: ready, threads=2, interrupt=interrupt)
    assert next(results) == 0
    results.close()
    assert len(calls) == 2
