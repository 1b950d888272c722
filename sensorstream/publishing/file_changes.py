"""What publishing does to the files of the lake, worked out before anything is written. Pure.

Within a tag path and month no two intervals ever overlap. Publishing a window replaces exactly that window (``over``);
appending, and reading changed pieces again, changes files in place (``within``).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ..lake.manifest import DataFile, Partition, by_partition
from ..transform.parquet import cut, encode
from ..transform.readings import SCHEMA, inside, times_ms
from ..windows import Window, without
from .lease import Place

News = Sequence[tuple[Window, pa.Table]]  # parts of a tag path and month, and what is read there now


@dataclass
class Changes:
    """Files that go and come. ``staged`` are those that the workers hold, ``made`` those that this process does."""

    staged: list[DataFile] = field(default_factory=list)  # new or different
    made: dict[DataFile, bytes] = field(default_factory=dict)
    trimmed: list[tuple[DataFile, list[Window]]] = field(default_factory=list)  # of a file across a border what stays
    removed: list[DataFile] = field(default_factory=list)  # of the manifest; some come again under the same key
    unchanged: int = 0

    def __bool__(self) -> bool:
        return bool(self.staged or self.made or self.removed)


def over(
    committed: Iterable[DataFile], staged: Iterable[DataFile], window: Window, damaged: Collection[DataFile] = ()
) -> Changes:
    """``staged`` in place of what is ``committed`` in ``window``; also where they are the same, of ``damaged`` files.

    Afterwards no two intervals of a tag path and month overlap, and outside the window nothing is lost.
    """
    new = {entry.key: entry for entry in staged}
    met = [old for old in committed if old.interval.overlaps(window)]
    same = {old.key for old in met if old.key in new and new[old.key].digest == old.digest and old not in damaged}
    removed = [old for old in met if old.key not in same]
    return Changes(
        staged=[entry for key, entry in new.items() if key not in same],
        trimmed=[(old, rest) for old in removed if (rest := old.interval.minus(window))],
        removed=removed,
        unchanged=len(same),
    )


def within(
    partition: Partition, olds: Sequence[DataFile], news: News, read: Callable[[DataFile], pa.Table], *, append: bool,
    max_records: int, micros: bool = False,
) -> Changes:  # fmt: skip
    """Readings of ``news`` brought into the files that cover their time; new files only where none does.

    Parameters
    ----------
    olds
        Committed files of the partition that meet a part of ``news``.
    news
        Parts in order of time; none overlaps another. An empty table means that nothing is there any more.
    append
        Only add what is there at no other reading's time; else what is read now stands in place of what was.
    """
    plan = Changes()
    for old in sorted(olds):
        parts = [(part, readings) for part, readings in news if part.overlaps(old.interval)]
        before = read(old)
        after = merged(before, parts, old.interval) if append else replaced(before, parts, old.interval)
        if append and after.num_rows == before.num_rows:
            plan.unchanged += 1
            continue
        files = files_of(partition, old.interval, after, max_records, micros=micros)
        if set(files) == {old}:
            plan.unchanged += 1
            continue
        plan.removed.append(old)
        plan.made |= files
    for part, readings in news:
        for gap in without([part], [old.interval for old in olds]):
            plan.made |= files_of(partition, gap, inside(readings, gap), max_records, micros=micros)
    return plan


def files_of(
    partition: Partition, interval: Window, readings: pa.Table, max_records: int, *, micros: bool = False
) -> dict[DataFile, bytes]:
    """``readings`` of an interval as files of at most ``max_records``; none where there is no reading."""
    parts = cut(times_ms(readings), interval, max_records)
    return dict(entry_of(partition, p, readings[rows], micros=micros) for p, rows in parts if rows.start < rows.stop)


def entry_of(
    partition: Partition, interval: Window, readings: pa.Table, *, micros: bool = False
) -> tuple[DataFile, bytes]:
    """One file of at least one reading, and its bytes."""
    data = encode(readings, micros=micros)
    times = times_ms(readings)
    digest = hashlib.sha256(data).hexdigest()
    rows, first, last = readings.num_rows, int(times[0]), int(times[-1])
    return DataFile(*partition, *interval.seconds, rows, first, last, len(data), digest, micros), data


def replaced(before: pa.Table, parts: News, interval: Window) -> pa.Table:
    """``before`` with the readings of ``parts`` in place of its own there; nothing outside ``interval`` is taken in."""
    times = times_ms(before)
    found, done = [], 0
    for part, readings in parts:
        first, last = times.searchsorted([part.start_ms, part.end_ms])
        found += [before.slice(done, first - done), inside(readings, part.clip(interval) or part)]
        done = last
    return pa.concat_tables([*found, before.slice(done)]).combine_chunks()


def merged(before: pa.Table, parts: News, interval: Window) -> pa.Table:
    """``before`` and what ``parts`` have at other times; nothing outside ``interval`` is taken in."""
    known = times_ms(before)
    new = [before]
    for part, readings in parts:
        some = inside(readings, part.clip(interval) or part)
        new.append(some.filter(pa.array(~np.isin(times_ms(some), known), pa.bool_())))
    return pa.concat_tables(new).sort_by("datetime").cast(SCHEMA).combine_chunks()


def both(changes: Iterable[Changes]) -> Changes:
    """Changes of different places as one."""
    whole = Changes()
    for one in changes:
        whole.staged += one.staged
        whole.made |= one.made
        whole.trimmed += one.trimmed
        whole.removed += one.removed
        whole.unchanged += one.unchanged
    return whole


def covered(new: Iterable[DataFile], removed: Iterable[DataFile]) -> set[DataFile]:
    """Those of ``new`` that come where a committed file was: readers must not meet both."""
    old = by_partition(removed)
    return {
        entry for entry in new if any(e.start < entry.end and entry.start < e.end for e in old.get(entry.partition, ()))
    }


def places(removed: Iterable[str], come: Iterable[DataFile]) -> list[Place]:
    """What settling does at each tag path and month: keys that go for good, then staged files that come."""
    gone: dict[str, list[str]] = defaultdict(list)
    coming: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in come:
        coming[_folder(entry.key)].append((entry.digest, entry.key))
    stay = {key for found in coming.values() for _, key in found}
    for key in removed:
        if key not in stay:
            gone[_folder(key)].append(key)
    return [Place(tuple(gone.get(p, ())), tuple(coming.get(p, ()))) for p in sorted({*gone, *coming})]


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
