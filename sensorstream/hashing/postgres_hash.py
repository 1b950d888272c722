"""PostgreSQL's seeded hash functions over numpy arrays, bit for bit. Pure.

They are Bob Jenkins' lookup3 over three 32-bit words (``src/common/hashfn.c``), as little-endian servers compute it.
Everything is done in place, a stretch of rows at a time that stays in the processor's cache: 10 to 15 ns a row.
"""

from __future__ import annotations

from binascii import hexlify
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Words = NDArray[np.uint32]

STRETCH = 32_768  # rows; four arrays of 128 kB. Shorter ones pay numpy's cost of a call, longer ones the memory's
BLOCK_BYTES = 12
START = 0x9E3779B9 + 3923095
MIX = (4, 6, 8, 16, 19, 4)
FINAL = (14, 11, 25, 16, 4, 14, 24)
BYTES_IN_BLOCK = BLOCK_BYTES // 2  # a byte is two hexadecimal digits
# What a block keeps that holds the last bytes of a text, by their number (0 to 5).
REST = np.array([[255] * 2 * n + [0] * (BLOCK_BYTES - 2 * n) for n in range(BYTES_IN_BLOCK)], np.uint8).view(np.uint32)


def hash_int4(keys: NDArray[np.int32], seeds: NDArray[Any]) -> Hashes:
    """``hashint4extended`` of each key with its seed (any 64-bit integers)."""
    return _fixed(np.ascontiguousarray(keys).view(np.uint32).reshape(-1, 1), seeds)


def hash_float8(keys: NDArray[np.float64], seeds: NDArray[Any]) -> Hashes:
    """``hashfloat8extended`` of each key with its seed; no key may be zero, whose hash would be the seed itself."""
    keys = np.where(np.isnan(keys), np.nan, keys)  # one NaN, as PostgreSQL has it
    return _fixed(np.ascontiguousarray(keys).view(np.uint32).reshape(-1, 2), seeds)


def hash_hex(lengths: NDArray[np.int64], data: bytes | bytearray | memoryview, seeds: NDArray[Any]) -> Hashes:
    """``hashtextextended(encode(bytes, 'hex'), seed)`` of byte strings laid end to end, ``lengths`` bytes each."""
    seeds, lengths = np.asarray(seeds), np.asarray(lengths, np.int64)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    found = np.empty(len(lengths), np.uint64)
    for first in range(0, len(lengths), STRETCH):
        some = slice(first, first + STRETCH)
        own = ends[first : first + STRETCH + 1]
        found[some] = _texts(hexlify(memoryview(data)[own[0] : own[-1]]), own[:-1] - own[0], lengths[some], seeds[some])
    return found


def _texts(digits: bytes, at: NDArray[np.int64], lengths: NDArray[np.int64], seeds: NDArray[Any]) -> Hashes:
    """Hashes of byte strings of these ``lengths`` that begin ``at`` these bytes, two ``digits`` each."""
    # The block that begins at each byte; beyond the end is room for one.
    blocks = np.ndarray(len(digits) // 2 + 1, f"V{BLOCK_BYTES}", digits + bytes(BLOCK_BYTES), strides=2)
    whole = lengths // BYTES_IN_BLOCK
    most = int(whole.max())
    fewer = (most - whole).astype(np.min_scalar_type(most))  # numpy sorts short numbers fastest
    longest_first = np.argsort(fewer, kind="stable")
    at, lengths, seeds, whole, fewer = (column[longest_first] for column in (at, lengths, seeds, whole, fewer))
    scratch = np.empty(len(lengths), np.uint32)
    start = (2 * lengths + START).astype(np.uint32)
    a, b, c = _seeded(start, seeds, scratch)
    for number in range(most):
        longer = slice(0, int(np.searchsorted(fewer, most - number)))  # texts that have this block whole
        read = blocks[at[longer] + number * BYTES_IN_BLOCK].view(np.uint32)
        for word, part in ((a, read[::3]), (b, read[1::3]), (c, read[2::3])):
            np.add(word[longer], part, out=word[longer])
        _mix(a[longer], b[longer], c[longer], scratch[longer])
    rest = blocks[at + whole * BYTES_IN_BLOCK].view(np.uint32).reshape(-1, 3)
    rest &= REST[lengths - whole * BYTES_IN_BLOCK]
    np.add(a, rest[:, 0], out=a)
    np.add(b, rest[:, 1], out=b)
    np.add(c, rest[:, 2] << np.uint32(8), out=c)  # its lowest byte belongs to the length
    _final(a, b, c, scratch)
    found = np.empty(len(lengths), np.uint64)
    found[longest_first] = _joined(b, c)
    return found


def _fixed(words: Words, seeds: NDArray[Any]) -> Hashes:
    """Hashes of keys that are all of one or of two words."""
    seeds = np.ascontiguousarray(seeds)
    start = np.uint32((START + 4 * words.shape[1]) & 0xFFFFFFFF)
    found = np.empty(len(seeds), np.uint64)
    scratch = np.empty(min(STRETCH, len(seeds)), np.uint32)
    for first in range(0, len(seeds), STRETCH):
        part = slice(first, first + STRETCH)
        some = seeds[part]
        room = scratch[: len(some)]
        a, b, c = _seeded(np.full(len(some), start), some, room)
        np.add(a, words[part, 0], out=a)
        if words.shape[1] == 2:
            np.add(b, words[part, 1], out=b)
        _final(a, b, c, room)
        _joined(b, c, found[part])
    return found


def _seeded(start: Words, seeds: NDArray[Any], scratch: Words) -> tuple[Words, Words, Words]:
    """The three words, which begin alike, with the seed mixed in; a seed of zero is none and mixes nothing."""
    low_high = seeds.view(np.uint32)
    low, high = low_high[::2], low_high[1::2]
    mixed = start + high, start + low, start.copy()
    _mix(*mixed, scratch)
    if not seeds.all():
        for word in mixed:
            np.copyto(word, start, where=seeds == 0)
    return mixed


def _mix(a: Words, b: Words, c: Words, scratch: Words) -> None:
    for round_, bits in enumerate(MIX):
        x, y, z = ((a, c, b), (b, a, c), (c, b, a))[round_ % 3]
        np.subtract(x, y, out=x)
        _rotated(np.bitwise_xor, x, y, bits, scratch)
        np.add(y, z, out=y)


def _final(a: Words, b: Words, c: Words, scratch: Words) -> None:
    for round_, bits in enumerate(FINAL):
        x, y = ((c, b), (a, c), (b, a))[round_ % 3]
        np.bitwise_xor(x, y, out=x)
        _rotated(np.subtract, x, y, bits, scratch)


def _rotated(operation: np.ufunc, x: Words, y: Words, bits: int, scratch: Words) -> None:
    """Apply ``y`` rotated left to ``x``, half by half: the halves share no bit."""
    np.left_shift(y, np.uint32(bits), out=scratch)
    operation(x, scratch, out=x)
    np.right_shift(y, np.uint32(32 - bits), out=scratch)
    operation(x, scratch, out=x)


def _joined(b: Words, c: Words, out: Hashes | None = None) -> Hashes:
    out = np.empty(len(c), np.uint64) if out is None else out
    halves = out.view(np.uint32)
    halves[::2], halves[1::2] = c, b
    return out
