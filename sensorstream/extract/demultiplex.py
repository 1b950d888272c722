"""What a pass over pages brings, told apart by tag: the client's half of ``readings_sql.mixed``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..historian.readings_sql import MIXED_BITS
from ..windows import Window
from .decode import texts_of
from .wire_format import UNIT, Units, heads, tails, units_of

Column = tuple[memoryview, NDArray[np.int64]]  # what lies end to end, and the bytes of each part
ID_OF_KEY = 2.0**-MIXED_BITS


@dataclass(frozen=True, order=True)
class Part:
    """A tag id in a stretch of the share, by its position."""

    tagid: int
    start_ms: int
    end_ms: int
    stretch: int


class Mixed:
    """Readings of ``parts``, and of other ids that lie between theirs; all of ``window``, their times lifted.

    ``places`` are those of a part's id and stretch among what ``apart`` returns.
    """

    def __init__(self, parts: Sequence[Part], window: Window, lift: int) -> None:
        parts = sorted(parts)
        self.places = {(part.tagid, part.stretch): place for place, part in enumerate(parts)}
        ids = np.array([part.tagid for part in parts])
        first, self._none = int(ids[0]), len(parts)
        self._zero = (first << MIXED_BITS) + window.start_ms + lift
        # What is not of them has the place behind them all.
        self._place = np.full(ids[-1] - first + 1, self._none, np.int32)
        self._place[ids - first] = np.arange(len(parts))
        # Of an id whose parts do not reach over the whole window the time counts as well; as keys have it.
        spans = np.array([(part.start_ms, part.end_ms) for part in parts])
        self._starts, self._ends = np.ascontiguousarray(((ids - first) << MIXED_BITS) + (spans.T - window.start_ms))
        self._narrow = np.append((spans != (window.start_ms, window.end_ms)).any(axis=1), False)

    def apart(self, rows: bytes | None, texts: bytes | None) -> tuple[list[Column], NDArray[np.int64]]:
        """The two columns as ``readings_sql.packed`` has them, and the readings of each part, in ``places``' order.

        Times keep what stands for the id in them.
        """
        units = units_of(rows)
        at = heads(units)
        places = self._places(units, at)
        sorted_units, counts = units.take(self._order(places)), self._sum(places)
        places_of_others = places[at]
        lengths = tails(units, at)["n"].astype(np.int64)
        order = self._order(places_of_others)
        moved = texts_of(lengths, texts or b"").take(pa.array(order)).buffers()[2] or b""
        sizes = self._sum(places_of_others, np.maximum(lengths, 0))
        columns = [
            (memoryview(sorted_units.view(np.uint8).data), counts * UNIT.itemsize),
            (memoryview(moved).cast("B")[: sizes.sum()], sizes),
        ]
        return columns, counts - self._sum(places_of_others)

    def _places(self, units: Units, at: NDArray[np.int64]) -> NDArray[np.int32]:
        """The place of each unit; what is of no part has that behind them all."""
        keys = units["t"].astype(np.float64)
        if len(at):
            keys[at] *= -1
            keys[at + 1] = keys[at]  # a second unit goes where the first does
        keys -= self._zero
        places = self._place.take((keys * ID_OF_KEY).astype(np.int32))
        narrow = np.flatnonzero(self._narrow[places])
        found = np.searchsorted(self._starts, keys[narrow], side="right") - 1
        there = keys[narrow] < self._ends[found]  # of the last one, where none begins before
        places[narrow] = np.where(there & (found >= 0), found, self._none)
        return places

    def _sum(self, places: NDArray[np.int32], weights: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Of each part: how often its place is there, or the sum of its weights."""
        return np.bincount(places, weights, self._none + 1)[:-1].astype(np.int64)

    def _order(self, places: NDArray[np.int32]) -> NDArray[np.int64]:
        """The order that sorts rows by their parts, those of one as they stand; those of none are left out."""
        # Arrow counts how often each place is there where numpy would compare them.
        order = pc.array_sort_indices(pa.array(places)).to_numpy().view(np.int64)
        return order[: np.count_nonzero(places < self._none)]
