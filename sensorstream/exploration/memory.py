"""What was read once, kept while there is room for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Kept = TypeVar("Kept", bound=Sized)


class Memory(Generic[Kept]):
    """At most ``most`` bytes; what was used longest ago goes first. May be used by several threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = Lock()

    def get(self, name: Hashable) -> Kept | None:
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)

    def put(self, name: Hashable, value: Kept) -> None:
        with self._lock:
            if name not in self._kept:
                self._kept[name] = value
                self.held += value.nbytes
            while self.held > self.most and self._kept:
                self.held -= self._kept.popitem(last=False)[1].nbytes
