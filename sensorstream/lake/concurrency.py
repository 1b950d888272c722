"""Requests to the lake's store side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


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
