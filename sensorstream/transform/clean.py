"""Raw rows of tag paths to clean readings: quality rule, UTC milliseconds, one reading a time. Pure.

The winner where several rows have one time: the highest tag id (the newest), then the later partition table, then, in
a table without a key, the higher quality code, the larger value (as its bits), the larger text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .quality import QualityRule
from .readings import SCHEMA

RAW = pa.schema(
    [
        ("tagid", pa.int64()),
        ("source", pa.int32()),  # position of the partition table in the plan
        ("t_stamp", pa.int64()),  # ms since 1970 UTC
        ("value", pa.float64()),
        ("text", pa.string()),
        ("dataintegrity", pa.int32()),
        ("unreadable", pa.bool_()),  # number, text or quality are none that could be read
    ]
)

# Of one tag path; the path itself is said once for all of them.
REJECTED = pa.schema([("tagid", pa.int64()), *SCHEMA, ("reason", pa.string())])

UNREADABLE = "unreadable"  # why a reading is rejected, whatever its quality code
DIGITS = r"^-?[0-9]+(\.[0-9]+)?$"
HELD_DIGITS = 15  # of a number that is a double's shortest text as well


@dataclass(frozen=True)
class Clean:
    """The readings of one path: kept (``SCHEMA``, sorted, times distinct), rejected (``REJECTED``), and the counts."""

    kept: pa.Table
    rejected: pa.Table
    deduplicated: int


@dataclass
class Tally:
    """Counts of readings that add up over paths and slices."""

    read: int = 0
    written: int = 0
    deduplicated: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    digits: int = 0  # written with the digits of a number that a double cannot hold

    @staticmethod
    def of(*, read: int, written: int, code: int) -> Tally:
        """Readings of one quality code, none of them rejected."""
        return Tally(read, written, read - written, codes=Counter({str(code): read}))

    def add(self, other: Tally) -> None:
        self.read += other.read
        self.written += other.written
        self.deduplicated += other.deduplicated
        self.rejected += other.rejected
        self.codes += other.codes
        self.digits += other.digits


def clean(raw: pa.Table, rule: QualityRule) -> tuple[Clean, Tally]:
    """Apply the rule, sort, and keep one reading a time.

    Parameters
    ----------
    raw
        Rows of ``RAW`` of every id of one tag path, any order.
    """
    return clean_each(raw, [raw.num_rows], rule)[0]


def clean_each(raw: pa.Table, counts: Sequence[int], rule: QualityRule) -> list[tuple[Clean, Tally]]:
    """The same of several tag paths whose rows lie end to end, ``counts`` of each: what is done is done to all at once,
    since a call costs what a thousand readings do.
    """
    raw = raw.combine_chunks()
    paths = np.repeat(np.arange(len(counts)), counts)
    tallies = [Tally() for _ in counts]
    codes = pc.dictionary_encode(raw.column("dataintegrity"), null_encoding="encode").combine_chunks()
    known: list[int | None] = codes.dictionary.to_pylist()
    reasons = [rule.reason(code) for code in known] + [UNREADABLE] * len(known)
    which = codes.indices.to_numpy(zero_copy_only=False)
    which = which + len(known) * raw.column("unreadable").to_numpy()
    known += known
    numbers = np.bincount(paths * len(known) + which)
    for place in np.flatnonzero(numbers).tolist():
        path, code = divmod(place, len(known))
        tally, why, number = tallies[path], reasons[code], int(numbers[place])
        tally.read += number
        tally.codes[str(known[code])] += number
        if why:
            tally.rejected[why] += number
    bad = np.array([why is not None for why in reasons], bool)[which]
    away, good = np.flatnonzero(bad), np.flatnonzero(~bad)
    why_of = pa.array(reasons, pa.string()).take(pa.array(which[away]))
    rejected = _of_each(_rejected(_rows(raw, away), paths[away], why_of), paths[away], len(counts))
    kept = _one_a_time(raw, paths, good)
    readings_kept = _readings(_rows(raw, kept))
    once = _of_each(readings_kept, paths[kept], len(counts))
    digits = np.bincount(paths[kept][digits_kept(readings_kept)], minlength=len(counts))
    found = []
    for tally, mine, gone, read, with_digits in zip(
        tallies, once, rejected, np.bincount(paths[good], minlength=len(counts)), digits.tolist(), strict=True
    ):
        tally.written, tally.digits = mine.num_rows, with_digits
        tally.deduplicated = int(read) - mine.num_rows
        found.append((Clean(mine, gone, tally.deduplicated), tally))
    return found


def digits_kept(readings: pa.Table) -> np.ndarray:
    """Which readings have the digits of their number as text, which its double cannot hold; most tables have no text
    beside a value."""
    value, text = readings.column("value"), readings.column("text")
    found = np.flatnonzero(pc.and_(value.is_valid(), text.is_valid()).to_numpy())
    found = found[pc.match_substring_regex(text.take(pa.array(found)), DIGITS).to_numpy().astype(bool)]
    values, texts = value.take(pa.array(found)), text.take(pa.array(found))
    # Of a layout whose texts are its numbers each has its own; 15 digits every double holds.
    many = pc.utf8_length(pc.utf8_ltrim(pc.replace_substring_regex(texts, "[-.]", ""), "0"))
    maybe = pc.and_(pc.equal(texts.cast(pa.float64()), values), pc.greater(many, HELD_DIGITS))
    maybe = pc.and_(maybe, pc.not_equal(texts, values.cast(pa.string()))).to_numpy().astype(bool)
    pairs = zip(texts.filter(pa.array(maybe)).to_pylist(), values.filter(pa.array(maybe)).to_pylist(), strict=True)
    return found[maybe][[Decimal(digits) not in (Decimal(number), Decimal(repr(number))) for digits, number in pairs]]


def later(times: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """Whether each time but the first is after the one before, or of another path."""
    return (np.diff(times) > 0) | (np.diff(paths) != 0)


def _of_each(table: pa.Table, paths: np.ndarray, count: int) -> list[pa.Table]:
    """The rows of each of ``count`` paths; ``paths`` rise."""
    ends = np.searchsorted(paths, np.arange(count), side="right").tolist()
    return [table.slice(start, end - start) for start, end in pairwise([0, *ends])]


def _rows(raw: pa.Table, rows: np.ndarray) -> pa.Table:
    """These rows of ``raw``, in this order; without a copy where they are all there, as they stand."""
    whole = len(rows) == raw.num_rows and bool((rows == np.arange(len(rows))).all())
    return raw if whole else raw.take(pa.array(rows))


def _one_a_time(raw: pa.Table, paths: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Which of ``rows`` are kept, in the order of path and time; ``paths`` rise."""
    all_times = raw.column("t_stamp").to_numpy()
    times, paths = all_times[rows], paths[rows]
    if (rising := later(times, paths)).all():
        return rows
    rows = rows.copy()
    for path in np.unique(paths[1:][~rising]).tolist():
        first, end = np.searchsorted(paths, [path, path + 1]).tolist()
        order = np.argsort(times[first:end], kind="stable")
        rows[first:end] = rows[first:end][order]
    last = np.append(later(all_times[rows], paths), True)
    if last.all():
        return rows
    doubled = ~last
    doubled[1:] |= ~last[:-1]
    some = rows[doubled]
    # Nulls first and the last row of a time wins, so a value beats none.
    rows[doubled] = some[_ranked(raw.take(pa.array(some)), paths[doubled], "at_start").to_numpy()]
    return rows[last]


def _ranked(raw: pa.Table, paths: np.ndarray, nulls: str) -> pa.Array:
    """The order of rows by path and time, and of one time by what else they hold."""
    bits = raw.column("value").combine_chunks().view(pa.int64())  # a total order even over NaN and the two zeros
    ranked = raw.append_column("path", pa.array(paths)).append_column("bits", bits)
    keys = ["path", "t_stamp", "tagid", "source", "dataintegrity", "bits", "text"]
    return pc.sort_indices(ranked, sort_keys=[(key, "ascending", nulls) for key in keys])


def readings(times: np.ndarray, value: pa.Array, text: pa.Array | None, quality: pa.Array | int) -> pa.Table:
    """Columns as ``SCHEMA``: ``times`` in ms since 1970 UTC; no text, or one quality code, for all where so given."""
    count = len(times)
    return pa.table(
        [
            pa.array(times).view(pa.timestamp("ms", tz="UTC")),
            value,
            pa.nulls(count, pa.string()) if text is None else text,
            pa.array(np.full(count, quality, np.int32)) if isinstance(quality, int) else quality,
        ],
        schema=SCHEMA,
    )


def _readings(raw: pa.Table) -> pa.Table:
    return readings(
        raw.column("t_stamp").to_numpy(), raw.column("value"), raw.column("text"), raw.column("dataintegrity")
    )


def _rejected(raw: pa.Table, paths: np.ndarray, reason: pa.Array) -> pa.Table:
    found = pa.table([raw.column("tagid"), *_readings(raw).columns, reason], schema=REJECTED)
    if later(raw.column("t_stamp").to_numpy(), paths).all():
        return found
    return found.take(_ranked(raw, paths, "at_end"))
