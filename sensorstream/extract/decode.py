"""What the packed query returns, as arrays. Pure: no loop over readings, and few calls for many short tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..historian.readings_sql import LOW_BITS, NO_TEXT
from .wire_format import UNIT, Units, codes, heads, tails, units_of

Bytes = bytes | bytearray | memoryview
OTHER = np.dtype([("t", "i8"), ("v", "f8"), ("has", "i2"), ("q", "i4"), ("n", "i8")])


@dataclass(frozen=True)
class Packed:
    """Readings of one tag id in one partition table, and the ``size`` (bytes) of their rows.

    ``source`` is the table's position in the plan; ``base`` is what was added to the times.
    """

    tagid: int
    source: int
    size: int
    base: int = 0


class Batch:
    """Several stretches, of each the parts that it came in. They lie end to end, and what is done is done to all.

    A call of numpy's or Arrow's costs what a thousand readings do; a plant has ten thousand tags of a hundred readings.

    Parameters
    ----------
    stretches
        Of each its parts, by tag id and table: of several readings of one time the last is kept.
    rows, texts
        Those of all parts, end to end, as ``readings_sql.packed`` spells them.
    """

    def __init__(self, stretches: Sequence[Sequence[Packed]], rows: Bytes, texts: Bytes) -> None:
        parts = [part for stretch in stretches for part in stretch]
        self.stretch_of = np.repeat(np.arange(len(stretches)), [len(stretch) for stretch in stretches])
        self.count = len(stretches)
        self.tagids = np.array([part.tagid for part in parts], "i8")
        self.sources = np.array([part.source for part in parts], "i8")
        # The units are not kept: of a busy tag they are many, and what is made of them says the same.
        units = units_of(rows)
        ends = np.cumsum([0, *(part.size // UNIT.itemsize for part in parts)])
        at = heads(units)
        self.other_ends = np.searchsorted(at, ends)
        self.number_ends = ends - 2 * self.other_ends
        self.others = np.empty(len(at), OTHER)
        if len(at):
            first, rest = units.take(at), tails(units, at)
            self.others["t"], self.others["v"] = -first["t"], first["v"]
            (self.others["has"], self.others["q"]), self.others["n"] = codes(rest), rest["n"]
        one_nan(self.others["v"])
        self.texts = with_digits(self.others["v"], self.others["n"], texts)
        bases = np.array([part.base for part in parts], "i8")
        self.others["t"] -= np.repeat(bases, np.diff(self.other_ends))
        self.times, self.values = numbers(units, np.diff(self.number_ends), bases)

    def parts_of(self, stretch: int) -> tuple[int, int]:
        """The parts of a stretch, half open."""
        first, end = np.searchsorted(self.stretch_of, [stretch, stretch + 1]).tolist()
        return first, end


def numbers(
    units: Units, counts: NDArray[np.int64], bases: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times and values of the readings that are one unit, of parts that have so many of them each; ``bases`` are taken
    away from their times."""
    plain: Any = slice(None)
    if len(at := heads(units)):
        plain = np.ones(len(units), bool)
        plain[at] = plain[at + 1] = False
    times, values = units["t"][plain].astype("i8"), units["v"][plain].astype("f8")
    one_nan(values)
    return times - np.repeat(bases, counts), values


def with_digits(values: NDArray[np.float64], lengths: NDArray[np.int64], texts: Bytes) -> Bytes:
    """``texts`` with the digits of whole numbers that their doubles are not, which stand as their lowest bits in place
    of a length; ``lengths`` become those of all texts."""
    at = np.flatnonzero(lengths < NO_TEXT)
    low, lengths[at] = NO_TEXT - 1 - lengths[at], NO_TEXT
    # Modulo 2**64, since the largest are next to 2**63.
    near = np.where(values[at] < 2.0**63, values[at], -(2.0**63)).astype(np.int64)
    half = 1 << LOW_BITS - 1
    whole = near + ((low - near + half) % (2 * half) - half)
    at, whole = at[whole != near], whole[whole != near]
    if not len(at):
        return texts
    every = texts_of(lengths, texts)
    numbers = np.zeros(len(lengths), bool)
    numbers[at] = True
    every = pc.replace_with_mask(every, pa.array(numbers), pa.array(whole).cast(pa.string()))
    lengths[at] = pc.binary_length(every).fill_null(NO_TEXT).to_numpy()[at]
    return memoryview(pa.concat_arrays([every]).buffers()[2]).cast("B")[: np.maximum(lengths, 0).sum()]


def one_nan(values: NDArray[np.float64]) -> None:
    """Have ``values`` hold, of the many numbers that are none, the one that Java knows."""
    values[np.isnan(values)] = np.nan


def texts_of(lengths: NDArray[np.int64], texts: Bytes) -> pa.Array:
    """Texts laid end to end, cut by their lengths; -1 is no text."""
    ends = np.cumsum(np.maximum(lengths, 0))
    if (total := int(lengths[lengths > 0].sum())) != len(texts):
        raise ValueError(f"{total:,} bytes of text announced, {len(texts):,} packed")
    offsets = np.concatenate([np.zeros(1, "i8"), ends])
    there = pa.array(lengths >= 0)
    buffers = [there.buffers()[1], pa.py_buffer(offsets), pa.py_buffer(texts)]
    return pa.Array.from_buffers(pa.large_string(), len(lengths), buffers).cast(pa.string())
