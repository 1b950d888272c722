"""Packed readings on their way from slices to files: in memory while they are few, else in a file on the worker's disk.

A share gathers each tag's readings over many slices; what waits costs no memory, however long the window.
"""

from __future__ import annotations

import ctypes
import os
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import groupby
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .temporary_file import open_nameless, write_at

IN_MEMORY_BYTES = 16 << 20
# A piece to be taken: ``of`` which key, by its number among those wanted; where it begins, in memory or in the file.
PIECE = np.dtype([("of", "i8"), ("start", "i8"), ("size", "i8"), ("in_file", "?")])

Key = TypeVar("Key", bound=Hashable)


class Block(Generic[Key]):
    """What waits together: pieces of several keys, end to end, in memory or at a place of the file."""

    def __init__(self, order: int, places: Mapping[Key, int], ends: NDArray[np.int64], start: int) -> None:
        self.order = order
        self.places = places  # of each key among the pieces; the same mapping serves many blocks
        self.ends = ends  # of the pieces, and before them where the first begins
        self.size = self.left = int(ends[-1])
        self.start = start  # in the file, or in memory
        self.data: memoryview | None = None


class Spool(Generic[Key]):
    """Pieces by group and key, in the order of ``order``; every method may be called from several threads."""

    def __init__(self, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self._free = in_memory_bytes
        self._lock = Lock()
        self._blocks: dict[Hashable, list[Block[Key]]] = {}
        self._file: int | None = None
        self._end = 0
        self._waiting = 0  # bytes in the file that nobody has taken

    def put(
        self, group: Hashable, places: Mapping[Key, int], ends: NDArray[np.int64], order: int, data: memoryview
    ) -> None:
        """Keep pieces of one key or many; those of a key are taken in the order of ``order``, not of arrival.

        Parameters
        ----------
        places
            The number of each key among the pieces.
        ends
            Of the pieces in ``data`` (bytes), and before them where the first begins.
        """
        if not len(data):
            return
        with self._lock:
            block = Block(order, places, ends, self._end)
            if block.size <= self._free:
                self._free -= block.size
                block.data, block.start = data, np.frombuffer(data, np.uint8).ctypes.data
            else:
                if self._file is None:
                    self._file = open_nameless("spool")
                self._end += block.size
                self._waiting += block.size
        if block.data is None:
            write_at(self._file or 0, block.start, data)
        with self._lock:
            self._blocks.setdefault(group, []).append(block)

    def take(self, wanted: Sequence[tuple[Hashable, Key]]) -> tuple[memoryview, list[int]]:
        """All pieces of each key in its group, end to end, and the bytes of each; nobody may take them again."""
        keys: dict[Hashable, list[tuple[int, Key]]] = defaultdict(list)
        for number, (group, key) in enumerate(wanted):
            keys[group].append((number, key))
        with self._lock:
            blocks = {group: sorted(self._blocks.get(group, ()), key=lambda block: block.order) for group in keys}
        found = [np.empty(0, PIECE)]
        taken: list[tuple[Hashable, Block[Key], int]] = []
        for group, mine in keys.items():
            for _, some in groupby(blocks[group], key=lambda block: id(block.places)):
                alike = list(some)
                places = alike[0].places
                pieces = _pieces(alike, [(number, places[key]) for number, key in mine if key in places])
                found.append(pieces.ravel())
                sizes = pieces["size"].sum(axis=1).tolist()
                taken += [(group, block, size) for block, size in zip(alike, sizes, strict=True) if size]
        all_pieces = np.concatenate(found)
        all_pieces = all_pieces[np.argsort(all_pieces["of"], kind="stable")]
        of_each = np.bincount(all_pieces["of"], all_pieces["size"], len(wanted)).astype(np.int64)
        into = np.empty(of_each.sum(), np.uint8)
        _lay(self._file or 0, all_pieces, into)
        with self._lock:
            for group, block, size in taken:
                self._taken(group, block, size)
        return into.data, of_each.tolist()

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


def _pieces(blocks: Sequence[Block[Any]], keys: Sequence[tuple[int, int]]) -> NDArray[Any]:
    """The pieces (``PIECE``) of keys, a row a block: of each key whose it is, and its place in the blocks."""
    found = np.empty((len(blocks), len(keys)), PIECE)
    of_each, places = np.array(keys, np.int64).reshape(-1, 2).T
    starts, ends = (np.stack([block.ends[some] for block in blocks]) for some in (places, places + 1))
    found["of"], found["size"] = of_each, ends - starts
    found["start"] = starts + np.array([[block.start] for block in blocks])
    found["in_file"] = [[block.data is None] for block in blocks]
    return found


def _lay(file: int, pieces: NDArray[Any], into: NDArray[np.uint8]) -> None:
    """Lay ``pieces`` (``PIECE``) end to end; whoever calls holds those that are in memory."""
    at = 0
    columns = (pieces[name].tolist() for name in ("start", "size", "in_file"))
    for start, size, in_file in zip(*columns, strict=True):
        part = into[at : at + size]
        if in_file:
            _read(file, part.data, start)
        elif size:
            ctypes.memmove(part.ctypes.data, start, size)
        at += size


def _read(file: int, into: memoryview, start: int) -> None:
    while into:
        count = os.preadv(file, [into], start)
        if not count:
            raise EOFError("the spool's file is shorter than what was written to it")
        into, start = into[count:], start + count
