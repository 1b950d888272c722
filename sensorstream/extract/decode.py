"""What the packed query returns, as Arrow. Pure: no loop over readings, and few calls for many short tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..hashing.postgres_hash import Hashes
from ..historian.readings_sql import HAS_QUALITY, HAS_VALUE, LOW_BITS, NO_TEXT, PLAIN, UNREADABLE
from ..transform.clean import RAW, Clean, QualityRule, Tally, clean_each, readings
from ..transform.fingerprint import Prints, by_piece, plain_hashes, row_hashes
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

    def cleaned(self, rule: QualityRule) -> list[tuple[Clean, Tally]]:
        """Each stretch, cleaned as ``transform.clean`` does.

        Where nothing but plain readings is kept, as of nearly every tag, they need no table of raw rows.
        """
        numbers = {n: one for n in np.flatnonzero(self._plain(rule)).tolist() if (one := self._one_a_time(n))}
        rows = []
        for stretch in range(self.count):
            first, end = self._parts_of(stretch)
            there = () if stretch in numbers else np.flatnonzero(np.diff(self.number_ends[first : end + 1])).tolist()
            plain = [self._numbers(first + n) for n in there]
            rows.append([*plain, self._rest.slice(*_slice(self.other_ends, first, end))])
        nothing_plain = all(len(tables) == 1 for tables in rows)
        raw = self._rest if nothing_plain else pa.concat_tables(table for tables in rows for table in tables)
        found = clean_each(raw, [sum(table.num_rows for table in tables) for tables in rows], rule)
        for stretch, (read, times, values) in numbers.items():
            rest, tally = found[stretch]
            tally.add(Tally.of(read=read, written=len(times), code=PLAIN))
            kept = readings(times, pa.array(values), None, PLAIN)
            found[stretch] = Clean(kept, rest.rejected, tally.deduplicated), tally
        return found

    def fingerprints(self, borders: Sequence[Sequence[int]]) -> list[Prints]:
        """Fingerprints of the pieces of each stretch, as the historian's own.

        About 0.02 ms a part. ``borders`` of each stretch as in ``fingerprint.by_piece``.
        """
        found = [Prints.of_nothing(len(mine) - 1) for mine in borders]

        def add(times: NDArray[np.int64], hashes: Hashes, ends: NDArray[np.int64]) -> None:
            for stretch, (start, end) in zip(self.stretch_of.tolist(), pairwise(ends.tolist()), strict=True):
                if start < end:
                    found[stretch] += by_piece(times[start:end], hashes[start:end], borders[stretch])

        add(self.times, plain_hashes(self.times, self.values), self.number_ends)
        add(self.others["t"], self._hashes_of_others(), self.other_ends)
        return found

    def _parts_of(self, stretch: int) -> tuple[int, int]:
        first, end = np.searchsorted(self.stretch_of, [stretch, stretch + 1]).tolist()
        return first, end

    def _plain(self, rule: QualityRule) -> NDArray[np.bool_]:
        """Whether a stretch has plain readings, and they are all that is kept of it."""
        there: NDArray[np.bool_] = np.bincount(self.stretch_of, np.diff(self.number_ends), self.count) > 0
        if rule.reason(PLAIN) is not None:
            return np.zeros(self.count, bool)
        codes = self._rest.column("dataintegrity")
        kept = [code for code in pc.unique(codes).to_pylist() if rule.reason(code) is None]
        if kept:
            others = pc.is_in(codes, value_set=pa.array(kept, pa.int32())).to_numpy()
            there[np.repeat(self.stretch_of, np.diff(self.other_ends))[others]] = False
        return there

    def _one_a_time(self, stretch: int) -> tuple[int, NDArray[np.int64], NDArray[np.float64]] | None:
        """How many plain readings a stretch has, and the times and values of one a time: of the last part that has it.

        ``None`` where a part has a time twice; ``transform.clean`` knows the winner then.
        """
        start, end = self.number_ends[[*self._parts_of(stretch)]].tolist()
        times, values = self.times[start:end], self.values[start:end]
        if (times[1:] > times[:-1]).all():
            return end - start, times, values
        order = np.argsort(times, kind="stable")
        times = times[order]
        same = np.flatnonzero(times[1:] == times[:-1])
        part, next_part = (np.searchsorted(self.number_ends, start + order[n], side="right") for n in (same, same + 1))
        if (part == next_part).any():
            return None
        if len(same):
            order, times = np.delete(order, same), np.delete(times, same)
        return end - start, times, values[order]

    def _hashes_of_others(self) -> Hashes:
        rows, has = self.others, self.others["has"]
        columns = rows["v"], (has & HAS_VALUE) != 0, rows["q"], (has & HAS_QUALITY) != 0
        return row_hashes(rows["t"], *columns, rows["n"], self.texts)

    def _numbers(self, part: int) -> pa.Table:
        mine = slice(*self.number_ends[part : part + 2].tolist())
        count = mine.stop - mine.start
        quality = pa.repeat(pa.scalar(PLAIN, pa.int32()), count)
        readable = pa.repeat(pa.scalar(False), count)
        columns = [self.times[mine], pa.array(self.values[mine]), pa.nulls(count, pa.string()), quality, readable]
        return _raw(np.full(count, self.tagids[part]), np.full(count, self.sources[part]), *columns)

    @cached_property
    def _rest(self) -> pa.Table:
        """All rows that are not plain."""
        rows, counts = self.others, np.diff(self.other_ends)
        return _raw(
            np.repeat(self.tagids, counts),
            np.repeat(self.sources, counts),
            rows["t"],
            pa.array(rows["v"], mask=(rows["has"] & HAS_VALUE) == 0),
            texts_of(rows["n"], self.texts),
            pa.array(rows["q"], mask=(rows["has"] & HAS_QUALITY) == 0),
            pa.array((rows["has"] & UNREADABLE) != 0),
        )


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


def cleaned(parts: Sequence[tuple[int, int, Bytes, Bytes]], base: int, rule: QualityRule) -> tuple[Clean, Tally]:
    """All readings of one tag path in a stretch of time, cleaned as ``transform.clean`` does.

    Parameters
    ----------
    parts
        A tag id, the table's position, and its rows and texts.
    """
    parts = sorted(parts, key=lambda part: part[:2])
    found = [Packed(tagid, source, len(rows), base) for tagid, source, rows, _ in parts]
    rows, texts = b"".join(rows for *_, rows, _ in parts), b"".join(texts for *_, texts in parts)
    return Batch([found], rows, texts).cleaned(rule)[0]


def _slice(ends: NDArray[np.int64], first: int, end: int) -> tuple[int, int]:
    """Where the rows of parts ``[first, end)`` begin, and how many they are."""
    start, stop = ends[[first, end]].tolist()
    return start, stop - start


def _raw(
    tagid: NDArray[Any], source: NDArray[Any], times: NDArray[Any], value: pa.Array, text: pa.Array, quality: pa.Array,
    unreadable: pa.Array,
) -> pa.Table:  # fmt: skip
    columns = [
        pa.array(tagid, pa.int64()),
        pa.array(source, pa.int32()),
        pa.array(times),
        value,
        text,
        quality,
        unreadable,
    ]
    return pa.table(columns, schema=RAW)


def fingerprints_of_raw(raw: pa.Table, borders: Sequence[int]) -> Prints:
    """The same of rows of ``transform.RAW``."""
    raw = raw.combine_chunks()
    times = raw.column("t_stamp").to_numpy()
    value, text, quality = (raw.column(name).combine_chunks() for name in ("value", "text", "dataintegrity"))
    utf8 = text.cast(pa.binary())
    hashes = row_hashes(
        times,
        value.fill_null(0.0).to_numpy(zero_copy_only=False),
        value.is_valid().to_numpy(zero_copy_only=False),
        quality.fill_null(0).to_numpy(zero_copy_only=False),
        quality.is_valid().to_numpy(zero_copy_only=False),
        pc.binary_length(utf8).fill_null(-1).cast(pa.int64()).to_numpy(zero_copy_only=False),
        b"".join(utf8.drop_null().to_pylist()),
    )
    return by_piece(times, hashes, borders)


def texts_of(lengths: NDArray[np.int64], texts: Bytes) -> pa.Array:
    """Texts laid end to end, cut by their lengths; -1 is no text."""
    ends = np.cumsum(np.maximum(lengths, 0))
    if (total := int(lengths[lengths > 0].sum())) != len(texts):
        raise ValueError(f"{total:,} bytes of text announced, {len(texts):,} packed")
    offsets = np.concatenate([np.zeros(1, "i8"), ends])
    there = pa.array(lengths >= 0)
    buffers = [there.buffers()[1], pa.py_buffer(offsets), pa.py_buffer(texts)]
    return pa.Array.from_buffers(pa.large_string(), len(lengths), buffers).cast(pa.string())
