"""Requests to the lake's store side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def at_once(requests: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for so many requests; once the block fails, what has not begun is left: each would wait in vain for as
    long as the one that failed."""
    with ThreadPoolExecutor(requests) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def ahead(function: Callable[[Item], Result], items: Iterable[Item], requests: int) -> Iterator[Result]:
    """What ``function`` gives of each item, in order: so many threads ask, just ahead of who takes the answers, so that
    few wait in memory, and the one that takes them need not share its processor with others like it."""
    with at_once(requests) as pool:
        asked: deque[Future[Result]] = deque()
        for item in items:
            asked.append(pool.submit(function, item))
            if len(asked) > requests:
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()
