"""Threads that work on one share together: what is nearest to its end is done first, results stream.

PostgreSQL and Arrow's encoder work outside Python's lock, so threads share one pass over a table where processes would
each need a pass of their own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Result = TypeVar("Result")

AGAIN_SECONDS = 0.5  # until threads that are to end are interrupted once more


class Jobs(Generic[Item, Ready]):
    """What is left to do, for several threads: items to fetch, and what has become ready to be finished, which goes
    first."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items, self._ready = deque(items), deque[Ready]()
        self._changed = threading.Condition()
        self._fetching = 0
        self._stopped = False

    def next(self) -> tuple[list[Item], list[Ready]] | None:
        """One item to fetch, or one thing to finish; waits while others may make something ready; ``None`` at the
        end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._ready or self._items or not self._fetching)
            if self._ready and not self._stopped:
                return [], [self._ready.popleft()]
            if self._items and not self._stopped:
                self._fetching += 1
                return [self._items.popleft()], []
            return None

    def ready(self, done: Ready) -> None:
        """Something can be finished."""
        with self._changed:
            self._ready.append(done)
            self._changed.notify()

    def fetched(self) -> None:
        """An item has given all that it makes ready."""
        with self._changed:
            self._fetching -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Nothing more is to be done."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def work_through(
    items: Iterable[Item],
    fetch: Callable[[Item], Iterable[Ready]],
    finish: Callable[[Ready], Result],
    *,
    threads: int,
    interrupt: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """``fetch`` every item, ``finish`` all that becomes ready by it, and yield what comes out, in no set order.

    Never more than ``2 * threads`` results wait to be taken. The first failure of any thread is raised when the others
    have ended what they are at, which ``interrupt`` may cut short.
    """
    jobs = Jobs[Item, Ready](items)
    out: Queue[Result | BaseException | None] = Queue(maxsize=2 * threads)

    def work() -> None:
        try:
            while job := jobs.next():
                to_fetch, to_finish = job
                for ready in to_finish:
                    out.put(finish(ready))
                for item in to_fetch:
                    for ready in fetch(item):
                        jobs.ready(ready)
                    jobs.fetched()
            out.put(None)
        except BaseException as error:
            jobs.stop()
            out.put(error)

    def interrupted() -> Result | BaseException | None:
        """The next that comes of threads that are to end: a query that was about to begin missed the first call."""
        while True:
            interrupt()
            with suppress(Empty):
                return out.get(timeout=AGAIN_SECONDS)

    for _ in range(threads):
        threading.Thread(target=work, daemon=True).start()
    failure: BaseException | None = None
    left = threads
    try:
        while left:
            found = interrupted() if failure else out.get()
            if found is None or isinstance(found, BaseException):
                left -= 1
                failure = failure or found
            elif failure is None:
                yield found
    finally:
        jobs.stop()
        while left:  # the reader went away: let the threads run out
            found = interrupted()
            left -= found is None or isinstance(found, BaseException)
    if failure:
        raise failure
