"""Fingerprints: a count and an order-free hash of the rows of a tag id in a piece of time. Pure.

Two states of a historian that differ in any row differ in a fingerprint. The historian computes them over all it has
(``historian/fingerprint_sql.py``), a run over what it read; where the two disagree, the piece is to be read again.

The hash of a row is PostgreSQL's own 64-bit hash with a seed, nested:

- a plain row (quality ``PLAIN``, a number, no text): ``float8(value, seed = time)``. All 128 bits of time and value go
  into lookup3's state unfolded. Nesting ``int8(time, float8(value, quality))`` costs a hash more and is weaker:
  ``hashint8extended`` folds its key to 32 bits.
- any other row: ``int4(quality, seed = float8(value, seed = hex(text, seed = time with flags)))``, each part only
  where there is one. The flags say which of value, quality and text are there; they stand in bits 56 to 58 of the
  time, which no time within 2 million years of 1970 reaches.
- a value of zero: PostgreSQL hashes it to the seed, of either sign. It is hashed as π with the sign of the zero, its
  seed inverted so that no reading of π is the same.
- texts are hashed as hexadecimal digits of their UTF-8: a server of another encoding has no function for bytes.

Hashes are added modulo 2**64. An XOR would lose a row that stands twice in a table without a key, and with it a
correction of both copies. Rows of several tables, pages or ids of one path add up likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..hashing.postgres_hash import Hashes, hash_float8, hash_hex, hash_int4
from ..historian.values_sql import PLAIN

HAS_VALUE, HAS_QUALITY, HAS_TEXT = 1, 2, 4
FLAGS_SHIFT = 56
MODULUS = 1 << 64


@dataclass(frozen=True)
class Prints:
    """Fingerprints of consecutive pieces of time: of each how many rows, and the sum of their hashes."""

    counts: NDArray[np.int64]
    hashes: Hashes

    @staticmethod
    def of_nothing(pieces: int) -> Prints:
        return Prints(np.zeros(pieces, np.int64), np.zeros(pieces, np.uint64))

    def __add__(self, other: Prints) -> Prints:
        return Prints(self.counts + other.counts, self.hashes + other.hashes)


def plain_hashes(t_stamp: NDArray[np.int64], value: NDArray[np.float64]) -> Hashes:
    """Hashes of plain rows: quality ``PLAIN``, a value, no text."""
    return _with_value(value, t_stamp)


def row_hashes(
    t_stamp: NDArray[np.int64],
    value: NDArray[np.float64],
    has_value: NDArray[np.bool_],
    quality: NDArray[np.int32],
    has_quality: NDArray[np.bool_],
    text_bytes: NDArray[np.int64],
    texts: bytes | bytearray | memoryview,
) -> Hashes:
    """Hashes of any rows, all arrays of one length.

    Parameters
    ----------
    t_stamp
        Milliseconds since 1970 UTC.
    value, quality
        Whatever where ``has_value`` or ``has_quality`` is not set.
    text_bytes
        Length of each row's text in UTF-8, -1 where it has none.
    texts
        The texts in UTF-8, end to end.

    Raises
    ------
    ValueError
        The texts are shorter than their lengths say.
    """
    if (announced := int(np.maximum(text_bytes, 0).sum())) > len(texts):
        raise ValueError(f"{announced:,} bytes of text announced, {len(texts):,} packed")
    has_text = text_bytes >= 0
    plain = has_value & has_quality & (quality == PLAIN) & ~has_text
    if plain.all():
        return plain_hashes(t_stamp, value)
    found = np.empty(len(t_stamp), np.uint64)
    found[plain] = plain_hashes(t_stamp[plain], value[plain])
    flags = HAS_VALUE * has_value + HAS_QUALITY * has_quality + HAS_TEXT * has_text
    seeds = (t_stamp ^ (flags.astype(np.int64) << FLAGS_SHIFT)).view(np.uint64)
    if has_text.any():
        seeds[has_text] = hash_hex(text_bytes[has_text], texts, seeds[has_text])
    other = ~plain
    codes = np.where(has_quality, quality, 0).astype(np.int32)
    found[other] = hash_int4(codes[other], _with_value(np.where(has_value, value, 0.0)[other], seeds[other]))
    return found


def _with_value(value: NDArray[np.float64], seeds: NDArray[Any]) -> Hashes:
    zero = value == 0
    if not zero.any():
        return hash_float8(value, seeds)
    return hash_float8(np.where(zero, np.copysign(np.pi, value), value), np.where(zero, ~seeds, seeds))


def by_piece(t_stamp: NDArray[np.int64], hashes: Hashes, borders: Sequence[int]) -> Prints:
    """Fingerprints of pieces of time.

    Parameters
    ----------
    t_stamp
        Times of the rows that ``hashes`` are of, any order (rising is fastest).
    borders
        Milliseconds, rising: piece ``n`` is ``[borders[n], borders[n + 1])``. Rows outside all pieces are left out.
    """
    if (t_stamp[1:] < t_stamp[:-1]).any():
        order = np.argsort(t_stamp)
        t_stamp, hashes = t_stamp[order], hashes[order]
    places = np.searchsorted(t_stamp, np.asarray(borders, np.int64))
    counts = np.diff(places)
    totals = np.zeros(len(counts), np.uint64)
    # Of pieces that hold nothing ``reduceat`` would say the next one's first hash.
    if len(there := np.flatnonzero(counts)):
        totals[there] = np.add.reduceat(hashes[: places[-1]], places[there])
    return Prints(counts, totals)


def fingerprints_of_raw(raw: pa.Table, borders: Sequence[int]) -> Prints:
    """Fingerprints of the pieces between ``borders``, of rows of ``clean.RAW``."""
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
