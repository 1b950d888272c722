"""What the packed query returns, as Arrow. Pure: one numpy view a piece, no loop over readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..fingerprint import Fingerprint, by_piece, plain_hashes, row_hashes
from ..historian.readings_sql import HAS_QUALITY, HAS_VALUE, PLAIN
from ..transform import RAW, Clean, QualityRule, Tally, clean, readings

NUMBER = np.dtype([("t", ">f8"), ("v", ">f8")])
OTHER = np.dtype([("t", ">f8"), ("v", ">f8"), ("q", ">i4"), ("n", ">i4"), ("has", ">i2")])


@dataclass(frozen=True)
class Packed:
    """Readings of one tag id in one partition table, as ``readings_sql.packed`` spells them.

    ``source`` is the table's position in the plan.
    """

    tagid: int
    source: int
    numbers: bytes | bytearray
    others: bytes | bytearray
    texts: bytes | bytearray


def counted(tagid: int, count: int, numbers: bytes | None, others: bytes | None) -> None:
    """Hold the bytes of a row against the server's own count; ``ValueError`` if they disagree."""
    found = len(numbers or b"") / NUMBER.itemsize + len(others or b"") / OTHER.itemsize
    if found != count:
        raise ValueError(f"tag id {tagid}: {count:,} readings counted, {found:,} packed")


def fingerprints(part: Packed, borders: Sequence[int]) -> dict[int, Fingerprint]:
    """Fingerprints of the pieces of time that ``part`` holds any row of, by their number, as the historian's own.

    About 20 ns a plain reading, and 0.1 ms a part. ``borders`` as in ``fingerprint.by_piece``.
    """
    found: dict[int, Fingerprint] = {}
    if part.numbers:
        times, values = _numbers(part)
        found = by_piece(times, plain_hashes(times, values), borders)
    if part.others:
        view = np.frombuffer(part.others, OTHER)
        times = view["t"].astype("i8")
        has_value, has_quality = (view["has"] & HAS_VALUE) != 0, (view["has"] & HAS_QUALITY) != 0
        columns = view["v"].astype("f8"), has_value, view["q"].astype("i4"), has_quality, view["n"].astype("i8")
        for piece, fingerprint in by_piece(times, row_hashes(times, *columns, part.texts), borders).items():
            found[piece] = found.get(piece, Fingerprint()) + fingerprint
    return found


def cleaned(parts: Sequence[Packed], rule: QualityRule) -> tuple[Clean, Tally]:
    """All readings of one tag path in a stretch of time, cleaned as ``transform.clean`` does.

    Plain readings of one id in one table whose times rise, as nearly all do, need no table of raw rows.
    """
    heads = [part for part in parts if part.numbers]
    others = [part for part in parts if part.others]
    rest = _table([_others(part) for part in others]) if others else RAW.empty_table()
    readings_of_rest, tally = clean(rest, rule)
    if not heads:
        return readings_of_rest, tally
    if len(heads) == 1 and not readings_of_rest.kept.num_rows and rule.reason(PLAIN) is None:
        times, values = _numbers(heads[0])
        if (np.diff(times) > 0).all():
            plain = Tally.of(read=len(times), written=len(times), code=PLAIN)
            plain.add(tally)
            kept = readings(times, pa.array(values), None, PLAIN)
            return Clean(kept, readings_of_rest.rejected, readings_of_rest.deduplicated), plain
    return clean(_table([*(_plain(part) for part in heads), rest]), rule)


def fingerprints_of_parts(parts: Sequence[Packed], borders: Sequence[int]) -> dict[int, Fingerprint]:
    """The same of several ids and tables together."""
    found: dict[int, Fingerprint] = {}
    for part in parts:
        for piece, one in fingerprints(part, borders).items():
            found[piece] = found.get(piece, Fingerprint()) + one
    return found


def fingerprints_of_raw(raw: pa.Table, borders: Sequence[int]) -> dict[int, Fingerprint]:
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


def _numbers(part: Packed) -> tuple[np.ndarray, np.ndarray]:
    view = np.frombuffer(part.numbers, NUMBER)
    return view["t"].astype("i8"), view["v"].astype("f8")


def _plain(part: Packed) -> pa.Table:
    times, values = _numbers(part)
    quality = pa.repeat(pa.scalar(PLAIN, pa.int32()), len(times))
    return _raw(part, times, pa.array(values), pa.nulls(len(times), pa.string()), quality)


def _others(part: Packed) -> pa.Table:
    view = np.frombuffer(part.others, OTHER)
    value = pa.array(view["v"].astype("f8"), mask=(view["has"] & HAS_VALUE) == 0)
    quality = pa.array(view["q"].astype("i4"), mask=(view["has"] & HAS_QUALITY) == 0)
    return _raw(part, view["t"].astype("i8"), value, _texts(view["n"].astype("i8"), part.texts), quality)


def _raw(part: Packed, times: np.ndarray, value: pa.Array, text: pa.Array, quality: pa.Array) -> pa.Table:
    count = len(times)
    return pa.table(
        [
            pa.repeat(pa.scalar(part.tagid, pa.int64()), count),
            pa.repeat(pa.scalar(part.source, pa.int32()), count),
            pa.array(times),
            value,
            text,
            quality,
        ],
        schema=RAW,
    )


def _table(parts: Sequence[pa.Table]) -> pa.Table:
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts)


def _texts(lengths: np.ndarray, texts: bytes | bytearray) -> pa.Array:
    """Texts laid end to end, cut by their lengths; -1 is no text."""
    ends = np.cumsum(np.maximum(lengths, 0))
    if ends[-1] != len(texts):
        raise ValueError(f"{ends[-1]:,} bytes of text announced, {len(texts):,} packed")
    offsets = np.concatenate([np.zeros(1, "i8"), ends])
    there = pa.array(lengths >= 0)
    buffers = [there.buffers()[1], pa.py_buffer(offsets), pa.py_buffer(texts)]
    return pa.Array.from_buffers(pa.large_string(), len(lengths), buffers).cast(pa.string())
