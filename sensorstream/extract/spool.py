"""Packed readings on their way from slices to files: in memory while they are few, else in a file on the worker's disk.

A share gathers each tag's readings over many slices; what waits costs no memory, however long the window.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Hashable, Iterable
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

IN_MEMORY_BYTES = 16 << 20

Key = TypeVar("Key", bound=Hashable)


class Place(NamedTuple):
    """Where a piece waits: its bytes, or their place in the file."""

    data: memoryview | None
    start: int
    size: int


class Spool(Generic[Key]):
    """Pieces by key, kept in the order of ``order``; every method may be called from several threads."""

    def __init__(self, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self._free = in_memory_bytes
        self._lock = Lock()
        self._pieces: dict[Key, list[tuple[int, Place]]] = {}
        self._file: int | None = None
        self._end = 0
        self._waiting = 0  # pieces in the file that nobody has taken

    def put(self, key: Key, order: int, data: bytes) -> None:
        """Keep ``data``; pieces of one key are taken in the order of ``order``, not of arrival."""
        self.put_each([key], [len(data)], order, memoryview(data))

    def put_each(self, keys: Iterable[Key], sizes: Iterable[int], order: int, data: memoryview) -> None:
        """The same for pieces of several keys, end to end in ``data``."""
        pieces = [(key, size) for key, size in zip(keys, sizes, strict=True) if size]
        size = len(data)
        with self._lock:
            held = size <= self._free
            if held:
                self._free -= size
                at = 0
            else:
                if self._file is None:
                    self._file = _nameless_file()
                at = self._end
                self._end += size
                self._waiting += len(pieces)
        if not held:
            _write(self._file or 0, data, at)
        with self._lock:
            for key, size in pieces:
                place = Place(data[at : at + size] if held else None, at, size)
                self._pieces.setdefault(key, []).append((order, place))
                at += size

    def take(self, key: Key) -> bytearray:
        """All pieces of ``key``, end to end; they are gone from the spool afterwards."""
        with self._lock:
            places = [place for _, place in sorted(self._pieces.pop(key, ()), key=lambda piece: piece[0])]
        found = bytearray(sum(place.size for place in places))
        view, at = memoryview(found), 0
        for place in places:
            part = view[at : at + place.size]
            if place.data is not None:
                part[:] = place.data
            else:
                _read(self._file or 0, part, place.start)
            at += place.size
        with self._lock:
            self._free += sum(place.size for place in places if place.data is not None)
            self._waiting -= sum(place.data is None for place in places)
            if self._end and not self._waiting:  # nothing waits: the file may start anew
                os.ftruncate(self._file or 0, 0)
                self._end = 0
        return found

    def __enter__(self) -> Spool[Key]:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _nameless_file() -> int:
    descriptor, path = tempfile.mkstemp(prefix="sensorstream-spool-")
    os.unlink(path)  # gone with the process, however that ends
    return descriptor


def _write(file: int, rest: memoryview, start: int) -> None:
    while rest:
        written = os.pwrite(file, rest, start)
        rest, start = rest[written:], start + written


def _read(file: int, into: memoryview, start: int) -> None:
    while into:
        count = os.preadv(file, [into], start)
        if not count:
            raise EOFError("the spool's file is shorter than what was written to it")
        into, start = into[count:], start + count
