"""What was read once, kept while there is room for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from operator import attrgetter
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

Kept = TypeVar("Kept")


class Memory(Generic[Kept]):
    """At most ``most`` bytes; what was used longest ago goes first. May be used by several threads."""

    def __init__(self, most: int) -> None:
        self.kept: LRUCache[Hashable, Kept] = LRUCache(most, getsizeof=attrgetter("nbytes"))
        self._lock = Lock()

    def get(self, name: Hashable, read: Callable[[], Kept]) -> Kept:
        """What is kept under that name; what is not is ``read``, and kept."""
        with self._lock:
            found = self.kept.get(name)
        if found is None:
            found = read()
            with self._lock, suppress(ValueError):  # of what is larger than all of it
                self.kept[name] = found
        return found
