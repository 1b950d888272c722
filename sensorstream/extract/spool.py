"""Packed readings on their way from slices to files: in memory while they are few, else in a file on the worker's disk.

A share gathers each tag's readings over many slices; what waits costs no memory, however long the window.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Hashable, Mapping, Sequence
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .pieces_in_c import pieces_in_c

IN_MEMORY_BYTES = 16 << 20

Key = TypeVar("Key", bound=Hashable)


class Block(Generic[Key]):
    """What waits together: pieces of several keys, end to end, in memory or at a place of the file."""

    def __init__(
        self, order: int, places: Mapping[Key, int], sizes: Sequence[int] | NDArray[np.int64], start: int
    ) -> None:
        self.order = order
        self.places = places  # of each key among the sizes; the same mapping serves many blocks
        # Blocks are many, and wait until the last of their keys is taken: a list would take five times as much.
        self.ends = array("q", np.append(0, np.cumsum(sizes)).tobytes())
        self.size = self.left = self.ends[-1]
        self.start = start  # in the file, or in memory
        self.data: memoryview | None = None

    def piece(self, key: Key) -> tuple[int, int]:
        """Where a key's bytes begin, and how many they are."""
        number = self.places.get(key)
        if number is None:
            return 0, 0
        start = self.ends[number]
        return self.start + start, self.ends[number + 1] - start


class Spool(Generic[Key]):
    """Pieces by group and key, in the order of ``order``; every method may be called from several threads."""

    def __init__(self, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self._free = in_memory_bytes
        self._lock = Lock()
        self._blocks: dict[Hashable, list[Block[Key]]] = {}
        self._file: int | None = None
        self._end = 0
        self._waiting = 0  # bytes in the file that nobody has taken

    def put(self, group: Hashable, key: Key, order: int, data: bytes) -> None:
        """Keep ``data``; pieces of one key are taken in the order of ``order``, not of arrival."""
        self.put_each(group, {key: 0}, [len(data)], order, memoryview(data))

    def put_each(
        self,
        group: Hashable,
        places: Mapping[Key, int],
        sizes: Sequence[int] | NDArray[np.int64],
        order: int,
        data: memoryview,
    ) -> None:
        """The same for pieces of many keys, end to end in ``data``.

        Parameters
        ----------
        places
            The number of each key among ``sizes`` (bytes).
        """
        if not len(data):
            return
        with self._lock:
            block = Block(order, places, sizes, self._end)
            if block.size <= self._free:
                self._free -= block.size
                block.data, block.start = data, np.frombuffer(data, np.uint8).ctypes.data
            else:
                if self._file is None:
                    self._file = _nameless_file()
                self._end += block.size
                self._waiting += block.size
        if block.data is None:
            _write(self._file or 0, data, block.start)
        with self._lock:
            self._blocks.setdefault(group, []).append(block)

    def take(self, wanted: Sequence[tuple[Hashable, Key]]) -> tuple[memoryview, list[int]]:
        """All pieces of each key in its group, end to end, and the bytes of each; nobody may take them again."""
        pieces: list[tuple[Hashable, Block[Key], int, int]] = []
        sizes = []
        with self._lock:
            groups = {group for group, _ in wanted}
            blocks = {group: sorted(self._blocks.get(group, ()), key=lambda block: block.order) for group in groups}
        for group, key in wanted:
            mine = [(group, block, *piece) for block in blocks[group] if (piece := block.piece(key))[1]]
            sizes.append(sum(size for *_, size in mine))
            pieces += mine
        found = np.empty(sum(sizes), np.uint8).data
        if pieces:
            _lay(self._file or 0, [piece[1:] for piece in pieces], found)
        with self._lock:
            for group, block, _, size in pieces:
                self._taken(group, block, size)
        return found, sizes

    def _taken(self, group: Hashable, block: Block[Key], size: int) -> None:
        block.left -= size
        if block.data is None:
            self._waiting -= size
        if not block.left:
            self._free += block.size if block.data is not None else 0
            self._blocks[group].remove(block)
            if not self._blocks[group]:
                del self._blocks[group]
        if self._end and not self._waiting:  # nothing waits: the file may start anew
            os.ftruncate(self._file or 0, 0)
            self._end = 0

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


def _lay(file: int, pieces: Sequence[tuple[Block[Key], int, int]], into: memoryview) -> None:
    """Lay pieces, each of a block, end to end."""
    blocks, starts, sizes = zip(*pieces, strict=True)
    if laid := pieces_in_c():
        laid(file, starts, sizes, [block.data is None for block in blocks], into)
        return
    at = 0
    for block, start, size in pieces:
        part = into[at : at + size]
        if block.data is None:
            _read(file, part, start)
        else:
            here = block.data.cast("B")[start - block.start :]
            part[:] = here[:size]
        at += size


def _read(file: int, into: memoryview, start: int) -> None:
    while into:
        count = os.preadv(file, [into], start)
        if not count:
            raise EOFError("the spool's file is shorter than what was written to it")
        into, start = into[count:], start + count
