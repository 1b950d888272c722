"""Committed files held against what was committed, and their readings against those staged from the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ..lake.concurrency import at_once
from ..lake.manifest import DataFile, Partition, by_partition
from ..lake.stores import Store
from ..progress.steps import Progress, Step
from ..publishing.patch import portions
from ..staging.staged_files import Staged
from ..transform.parquet import decode
from ..transform.readings import times_ms
from ..windows import Window, joined, without
from .audit_objects import committed_bytes, overlapping
from .differences import Compared, Difference, compare, within_all

READERS = 8  # threads; each holds the files of one tag path and month


@dataclass(frozen=True)
class Asked:
    """What is compared: the window, its days, the parts that tables are listed for, the tag paths that are tags."""

    window: Window
    days: tuple[Window, ...]
    covered: tuple[Window, ...]
    tagpaths: frozenset[str]


@dataclass(frozen=True)
class Place:
    """What was found at a tag path and month. ``damaged`` files (what is the matter with each) are not compared."""

    where: Partition
    files: int
    readings: int
    size: int  # bytes
    damaged: Mapping[DataFile, str] = field(default_factory=dict)
    overlaps: frozenset[DataFile] = frozenset()
    differences: tuple[Difference, ...] = ()
    days: tuple[Window, ...] = ()  # in which readings differ

    @property
    def broken(self) -> frozenset[DataFile]:
        """Files that can only be read from the source again."""
        return self.overlaps | frozenset(self.damaged)

    def every(self) -> list[Difference]:
        path, month = self.where
        found = [Difference("damaged", path, month, why, key=e.key) for e, why in sorted(self.damaged.items())]
        found += [
            Difference("overlap", path, month, "shares time with another committed file", key=entry.key)
            for entry in sorted(self.overlaps - set(self.damaged))
        ]
        return [*found, *self.differences]


def compare_places(
    store: Store, committed: Mapping[Partition, Sequence[DataFile]], staged: Staged | None, asked: Asked,
    progress: Progress | None,
) -> list[Place]:  # fmt: skip
    """Read every committed file of the window, and compare where other files were staged.

    Parameters
    ----------
    committed
        All committed files of each tag path and month, whether they meet the window or not.
    staged
        What the source holds; ``None`` if no table covers the window.
    """
    kept = {(entry.key, entry.digest) for entries in committed.values() for entry in entries}
    entries = staged.entries if staged else ()
    alike = {entry.key for entry in entries if (entry.key, entry.digest) in kept}
    news = by_partition(entry for entry in entries if entry.key not in alike)
    every = sorted({*committed, *news})
    found: list[Place] = []
    for some in portions(every, news):
        data = staged.data([entry for where in some for entry in news[where]]) if staged else {}

        def one(where: Partition, data: dict[DataFile, bytes] = data) -> Place:
            new = [decode(data[entry]) for entry in sorted(news[where])]
            return _compare_place(store, where, committed.get(where, ()), new, alike, asked)

        with at_once(READERS) as pool:
            found += pool.map(one, some)
        if progress:
            progress(Step("compare", len(found), len(every)))
    return found


def _compare_place(
    store: Store, where: Partition, committed: Sequence[DataFile], new: Sequence[pa.Table], alike: set[str],
    asked: Asked,
) -> Place:  # fmt: skip
    overlaps = overlapping(committed)
    mine = [entry for entry in sorted(committed) if entry.interval.overlaps(asked.window)]
    # A file that shares time with one of the window's has to be read again with it.
    around = joined([entry.interval for entry in mine], touching=False)
    overlaps = {entry for entry in overlaps if any(entry.interval.overlaps(part) for part in around)}
    compared = where[0] in asked.tagpaths
    damaged: dict[DataFile, str] = {}
    held: list[pa.Table] = []
    for entry in mine:
        data, why = committed_bytes(store, entry)
        if why:
            damaged[entry] = why
        elif data is not None and compared and entry.key not in alike and entry not in overlaps:
            readings = decode(data)
            if (np.diff(times_ms(readings)) <= 0).any():
                damaged[entry] = "has times that do not rise"
            else:
                held.append(readings)
    differences: tuple[Difference, ...] = ()
    days: tuple[Window, ...] = ()
    if compared and (held or new):
        parts = without(asked.covered, [entry.interval for entry in {*damaged, *overlaps}])
        found = compare(within_all(held, parts), within_all(new, parts))
        differences, days = tuple(found.differences(*where)), _days(found, asked.days)
    return Place(
        where,
        files=len(mine),
        readings=sum(entry.rows for entry in mine),
        size=sum(entry.size for entry in mine),
        damaged=damaged,
        overlaps=frozenset(overlaps),
        differences=differences,
        days=days,
    )


def _days(found: Compared, days: Sequence[Window]) -> tuple[Window, ...]:
    times = np.concatenate([found.missing, found.surplus, found.different])
    places = np.unique(np.searchsorted([day.start_ms for day in days], times, side="right") - 1)
    return tuple(days[int(place)] for place in places)
