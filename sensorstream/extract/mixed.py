"""What a pass over pages brings, told apart by tag: the client's half of ``readings_sql.mixed``. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..historian.readings_sql import MIXED_BITS
from .unpack import texts_of
from .wire import UNIT, heads, tails, units_of

Column = tuple[memoryview, NDArray[np.int64]]  # what lies end to end, and the bytes of each id
DIGIT_BITS = 16  # numpy sorts numbers of this length by their digits, in a fifth of the time of longer ones


class Mixed:
    """Readings of ``ids``, and of others that lie between them, none earlier than ``start_ms`` (lifted)."""

    def __init__(self, ids: Sequence[int], start_ms: int) -> None:
        self.places = {number: place for place, number in enumerate(sorted(ids))}
        self.start_ms = start_ms
        self._first, self._none = min(ids), len(ids)
        # An id that is not among them has the place behind them all.
        self._place = np.full(max(ids) - self._first + 1, self._none, np.int32)
        self._place[np.array(list(self.places)) - self._first] = np.arange(len(ids))

    def apart(self, rows: bytes | None, texts: bytes | None) -> tuple[list[Column], NDArray[np.int64]]:
        """The two columns as ``readings_sql.packed`` has them, and the readings of each id, in ``places``' order.

        Times keep what stands for the id in them.
        """
        units = units_of(rows)
        at = heads(units)
        keys = units["t"].astype(np.float64)
        if len(at):
            keys[at] *= -1
            keys[at + 1] = keys[at]  # a second unit goes where the first does
        keys -= (self._first << MIXED_BITS) + self.start_ms
        keys *= 2.0**-MIXED_BITS
        places = self._place[keys.astype(np.int32)]
        found = units.take(self._order(places))
        places_of_others = places[at]
        lengths = tails(units, at)["n"].astype(np.int64)
        order = self._order(places_of_others)
        moved = texts_of(lengths, texts or b"").take(pa.array(order)).buffers()[2] or b""
        counts, sizes = self._sum(places), self._sum(places_of_others, np.maximum(lengths, 0))
        columns = [
            (memoryview(found.view(np.uint8).data), counts * UNIT.itemsize),
            (memoryview(moved).cast("B")[: sizes.sum()], sizes),
        ]
        return columns, counts - self._sum(places_of_others)

    def _sum(self, places: NDArray[np.int32], weights: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Of each id: how often its place is there, or the sum of its weights."""
        return np.bincount(places, weights, self._none + 1)[:-1].astype(np.int64)

    def _order(self, places: NDArray[np.int32]) -> NDArray[np.int64]:
        """The order that sorts rows by their ids; those of no id are left out."""
        return stable_order(places, self._none + 1)[: np.count_nonzero(places < self._none)]


def stable_order(places: NDArray[np.int32], bound: int) -> NDArray[np.int64]:
    """The order that sorts ``places`` (from 0, below ``bound``) and leaves what is equal as it stands."""
    order = np.argsort(places.astype(np.uint16), kind="stable")
    if bound > 1 << DIGIT_BITS:
        order = order[np.argsort((places >> DIGIT_BITS).astype(np.uint16)[order], kind="stable")]
    return order
