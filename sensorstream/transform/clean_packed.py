"""What the packed query returned, cleaned and fingerprinted. Pure: few calls for many short tags."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..extract.decode import Batch, Bytes, Packed, texts_of
from ..hashing.postgres_hash import Hashes
from ..historian.readings_sql import HAS_QUALITY, HAS_VALUE, UNREADABLE
from ..historian.values_sql import PLAIN
from .clean import RAW, Clean, Tally, clean_each, readings
from .fingerprint import Prints, by_piece, plain_hashes, row_hashes
from .quality import QualityRule


def clean_batch(batch: Batch, rule: QualityRule) -> list[tuple[Clean, Tally]]:
    """Each stretch, cleaned as ``transform.clean`` does.

    Where nothing but plain readings is kept, as of nearly every tag, they need no table of raw rows.
    """
    others = _others(batch)
    numbers = {n: one for n in np.flatnonzero(_plain(batch, others, rule)).tolist() if (one := _one_a_time(batch, n))}
    rows = []
    for stretch in range(batch.count):
        first, end = batch.parts_of(stretch)
        there = () if stretch in numbers else np.flatnonzero(np.diff(batch.number_ends[first : end + 1])).tolist()
        plain = [_numbers(batch, first + n) for n in there]
        rows.append([*plain, others.slice(*_slice(batch.other_ends, first, end))])
    nothing_plain = all(len(tables) == 1 for tables in rows)
    raw = others if nothing_plain else pa.concat_tables(table for tables in rows for table in tables)
    found = clean_each(raw, [sum(table.num_rows for table in tables) for tables in rows], rule)
    for stretch, (read, times, values) in numbers.items():
        rest, tally = found[stretch]
        tally.add(Tally.of(read=read, written=len(times), code=PLAIN))
        kept = readings(times, pa.array(values), None, PLAIN)
        found[stretch] = Clean(kept, rest.rejected, tally.deduplicated), tally
    return found


def fingerprint_batch(batch: Batch, borders: Sequence[Sequence[int]]) -> list[Prints]:
    """Fingerprints of the pieces of each stretch, as the historian's own.

    About 0.02 ms a part. ``borders`` of each stretch as in ``fingerprint.by_piece``.
    """
    found = [Prints.of_nothing(len(mine) - 1) for mine in borders]

    def add(times: NDArray[np.int64], hashes: Hashes, ends: NDArray[np.int64]) -> None:
        for stretch, (start, end) in zip(batch.stretch_of.tolist(), pairwise(ends.tolist()), strict=True):
            if start < end:
                found[stretch] += by_piece(times[start:end], hashes[start:end], borders[stretch])

    add(batch.times, plain_hashes(batch.times, batch.values), batch.number_ends)
    add(batch.others["t"], _hashes_of_others(batch), batch.other_ends)
    return found


def _plain(batch: Batch, others: pa.Table, rule: QualityRule) -> NDArray[np.bool_]:
    """Whether a stretch has plain readings, and they are all that is kept of it."""
    there: NDArray[np.bool_] = np.bincount(batch.stretch_of, np.diff(batch.number_ends), batch.count) > 0
    if rule.reason(PLAIN) is not None:
        return np.zeros(batch.count, bool)
    codes = others.column("dataintegrity")
    kept = [code for code in pc.unique(codes).to_pylist() if rule.reason(code) is None]
    if kept:
        unlike = pc.is_in(codes, value_set=pa.array(kept, pa.int32())).to_numpy()
        there[np.repeat(batch.stretch_of, np.diff(batch.other_ends))[unlike]] = False
    return there


def _one_a_time(batch: Batch, stretch: int) -> tuple[int, NDArray[np.int64], NDArray[np.float64]] | None:
    """How many plain readings a stretch has, and the times and values of one a time: of the last part that has it.

    ``None`` where a part has a time twice; ``transform.clean`` knows the winner then.
    """
    start, end = batch.number_ends[[*batch.parts_of(stretch)]].tolist()
    times, values = batch.times[start:end], batch.values[start:end]
    if (times[1:] > times[:-1]).all():
        return end - start, times, values
    order = np.argsort(times, kind="stable")
    times = times[order]
    same = np.flatnonzero(times[1:] == times[:-1])
    part, next_part = (np.searchsorted(batch.number_ends, start + order[n], side="right") for n in (same, same + 1))
    if (part == next_part).any():
        return None
    if len(same):
        order, times = np.delete(order, same), np.delete(times, same)
    return end - start, times, values[order]


def _hashes_of_others(batch: Batch) -> Hashes:
    rows, has = batch.others, batch.others["has"]
    columns = rows["v"], (has & HAS_VALUE) != 0, rows["q"], (has & HAS_QUALITY) != 0
    return row_hashes(rows["t"], *columns, rows["n"], batch.texts)


def _numbers(batch: Batch, part: int) -> pa.Table:
    mine = slice(*batch.number_ends[part : part + 2].tolist())
    count = mine.stop - mine.start
    quality = pa.repeat(pa.scalar(PLAIN, pa.int32()), count)
    readable = pa.repeat(pa.scalar(False), count)
    columns = [batch.times[mine], pa.array(batch.values[mine]), pa.nulls(count, pa.string()), quality, readable]
    return _raw(np.full(count, batch.tagids[part]), np.full(count, batch.sources[part]), *columns)


def _others(batch: Batch) -> pa.Table:
    """All rows that are not plain."""
    rows, counts = batch.others, np.diff(batch.other_ends)
    return _raw(
        np.repeat(batch.tagids, counts),
        np.repeat(batch.sources, counts),
        rows["t"],
        pa.array(rows["v"], mask=(rows["has"] & HAS_VALUE) == 0),
        texts_of(rows["n"], batch.texts),
        pa.array(rows["q"], mask=(rows["has"] & HAS_QUALITY) == 0),
        pa.array((rows["has"] & UNREADABLE) != 0),
    )


def clean_parts(parts: Sequence[tuple[int, int, Bytes, Bytes]], base: int, rule: QualityRule) -> tuple[Clean, Tally]:
    """All readings of one tag path in a stretch of time, cleaned as ``transform.clean`` does.

    Parameters
    ----------
    parts
        A tag id, the table's position, and its rows and texts.
    """
    parts = sorted(parts, key=lambda part: part[:2])
    found = [Packed(tagid, source, len(rows), base) for tagid, source, rows, _ in parts]
    rows, texts = b"".join(rows for *_, rows, _ in parts), b"".join(texts for *_, texts in parts)
    return clean_batch(Batch([found], rows, texts), rule)[0]


def _slice(ends: NDArray[np.int64], first: int, end: int) -> tuple[int, int]:
    """Where the rows of parts ``[first, end)`` begin, and how many they are."""
    start, stop = ends[[first, end]].tolist()
    return start, stop - start


def _raw(
    tagid: NDArray[Any], source: NDArray[Any], times: NDArray[Any], value: pa.Array, text: pa.Array, quality: pa.Array,
    unreadable: pa.Array,
) -> pa.Table:  # fmt: skip
    keys = [pa.array(tagid, pa.int64()), pa.array(source, pa.int32()), pa.array(times)]
    return pa.table([*keys, value, text, quality, unreadable], schema=RAW)
