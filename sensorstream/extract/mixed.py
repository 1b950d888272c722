"""What a pass over pages brings, told apart by tag: the client's half of ``readings_sql.mixed``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..historian.readings_sql import MIXED_BITS
from .unpack import NUMBER, OTHER, texts_of

Column = tuple[memoryview, NDArray[np.int64]]  # what lies end to end, and the bytes of each id
DIGIT_BITS = 16  # numpy sorts numbers of this length by their digits, in a fifth of the time of longer ones


class Mixed:
    """Readings of ``ids``, and of others that lie between them; their times count from ``start_ms``."""

    def __init__(self, ids: Sequence[int], start_ms: int) -> None:
        self.places = {number: place for place, number in enumerate(sorted(ids))}
        self.start_ms = start_ms
        self._first, self._none = min(ids), len(ids)
        # An id that is not among them has the place behind them all.
        self._place = np.full(max(ids) - self._first + 1, self._none, np.int32)
        self._place[np.array(list(self.places)) - self._first] = np.arange(len(ids))

    def apart(
        self, numbers: bytes | None, others: bytes | None, texts: bytes | None
    ) -> tuple[list[Column], NDArray[np.int64]]:
        """The three columns as ``readings_sql.packed`` has them, and the readings of each id, in ``places``' order."""
        rows, places, _ = self._sorted(np.frombuffer(numbers or b"", NUMBER))
        found = np.frombuffer(others or b"", OTHER)
        rest, places_of_rest, order = self._sorted(found)
        lengths = found["n"].astype("i8")
        moved = texts_of(lengths, texts or b"").take(pa.array(order)).buffers()[2] or b""
        counts, counts_of_rest = self._sum(places), self._sum(places_of_rest)
        sizes = self._sum(places_of_rest, np.maximum(lengths, 0))
        columns = [
            (_bytes(rows), counts * NUMBER.itemsize),
            (_bytes(rest), counts_of_rest * OTHER.itemsize),
            (memoryview(moved).cast("B")[: sizes.sum()], sizes),
        ]
        return columns, counts + counts_of_rest

    def _sum(self, places: NDArray[np.int32], weights: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Of each id: how often its place is there, or the sum of its weights."""
        return np.bincount(places, weights, self._none + 1)[:-1].astype(np.int64)

    def _sorted(self, rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int64]]:
        """The rows of ``ids`` in their order, with times for keys; the place of every row, and the order."""
        keys = rows["t"].astype(np.int64)
        places = self._place[(keys >> MIXED_BITS) - self._first]
        order = stable_order(places, self._none + 1)
        order = order[: np.count_nonzero(places < self._none)]
        found = rows.take(order)
        found["t"] = (keys & (1 << MIXED_BITS) - 1).take(order) + self.start_ms
        return found, places, order


def stable_order(places: NDArray[np.int32], bound: int) -> NDArray[np.int64]:
    """The order that sorts ``places`` (from 0, below ``bound``) and leaves what is equal as it stands."""
    order = np.argsort(places.astype(np.uint16), kind="stable")
    if bound > 1 << DIGIT_BITS:
        order = order[np.argsort((places >> DIGIT_BITS).astype(np.uint16)[order], kind="stable")]
    return order


def _bytes(rows: NDArray[Any]) -> memoryview:
    return memoryview(rows.view(np.uint8).data)
