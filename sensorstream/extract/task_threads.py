"""Threads that work on one share together: what is nearest to its end is done first, results stream.

PostgreSQL and Arrow's encoder work outside Python's lock, so threads share one pass over a table where processes would
each need a pass of their own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import Queue
from typing import TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Result = TypeVar("Result")


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
    open_items, ready = deque(items), deque[Ready]()
    out: Queue[Result | BaseException | None] = Queue(maxsize=2 * threads)
    state = threading.Condition()
    fetching = 0
    stopped = False

    def next_job() -> tuple[str, Item | Ready | None]:
        nonlocal fetching
        with state:
            while True:
                if stopped:
                    return "stop", None
                if ready:
                    return "finish", ready.popleft()
                if open_items:
                    fetching += 1
                    return "fetch", open_items.popleft()
                if not fetching:
                    return "stop", None
                state.wait()

    def work() -> None:
        nonlocal fetching, stopped
        try:
            while True:
                kind, job = next_job()
                if kind == "stop":
                    break
                if kind == "finish":
                    out.put(finish(job))  # type: ignore[arg-type]
                    continue
                for done in fetch(job):  # type: ignore[arg-type]
                    with state:
                        ready.append(done)
                        state.notify()
                with state:
                    fetching -= 1
                    state.notify_all()
            out.put(None)
        except BaseException as error:
            with state:
                stopped = True
                state.notify_all()
            out.put(error)

    crew = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for thread in crew:
        thread.start()
    failure: BaseException | None = None
    left = len(crew)
    try:
        while left:
            found = out.get()
            if found is None or isinstance(found, BaseException):
                left -= 1
                if found and not failure:
                    failure = found
                    interrupt()
            elif failure is None:
                yield found
    finally:
        with state:
            stopped = True
            state.notify_all()
        if left:  # the reader went away: let the threads run out
            interrupt()
        while left:
            found = out.get()
            left -= found is None or isinstance(found, BaseException)
    if failure:
        raise failure
