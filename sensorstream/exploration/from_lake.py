"""A window of some tags from the lake, as few readings as a screen shows.

Of every row group that was read once, least and greatest of each 256 readings stay in memory: a year at 1 Hz is 6 MB.
Windows of many readings are drawn from these; windows of few from the readings themselves, of which the last row groups
stay as well. Both are bounded, so a zoom reads only what was not seen before.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial

import pyarrow as pa
import pyarrow.parquet as pq
from cachetools import LRUCache

from ..config.settings import Config
from ..lake.concurrency import at_once
from ..lake.data_files import read_bytes
from ..lake.manifest import DataFile, Manifest, at_one_commit
from ..lake.scan import open_lake, present
from ..lake.stores import Store
from ..report.downsampling import Reduced, joined, reduced
from ..transform.parquet import opened
from ..transform.readings import SCHEMA, inside
from ..windows import Window
from .memory import Memory

STRETCH = 256  # readings, of which two are kept
GISTS_BYTES = 128 * 2**20
GROUPS_BYTES = 256 * 2**20
FETCHES_AT_ONCE = 4
MOST_LISTS = 2000


@dataclass(frozen=True)
class Group:
    """A row group of a committed file, and the times of its first and last reading (ms)."""

    number: int
    first_ms: int
    last_ms: int
    rows: int


class LakeReader:
    """Reads from one lake; keeps up to 384 MB of what it has read."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store: Store = open_lake(config)
        self.gists: Memory[Reduced] = Memory(GISTS_BYTES)
        self.groups: Memory[pa.Table] = Memory(GROUPS_BYTES)
        self._groups_of: dict[str, tuple[Group, ...]] = {}
        self._listed: LRUCache[tuple[str, str], tuple[DataFile, ...]] = LRUCache(MOST_LISTS)

    def look(self, tagpaths: Sequence[str], window: Window, points: int) -> dict[str, Reduced]:
        """About ``points`` readings of each tag; one that has none in the window is there with none.

        Raises ``LakeError`` as ``sensorstream.read_lake`` does.
        """
        with at_once(FETCHES_AT_ONCE) as pool:
            return at_one_commit(
                self.store, lambda now: self._look(present(now, self.config), pool, tagpaths, window, points)
            )

    def _look(
        self, manifest: Manifest, pool: ThreadPoolExecutor, tagpaths: Sequence[str], window: Window, points: int
    ) -> dict[str, Reduced]:
        found = {}
        for path in tagpaths:
            entries = self._entries(manifest, path, window)
            rows = sum(_rows_in(window, entry.first_ms, entry.last_ms, entry.rows) for entry in entries)
            whole = rows <= STRETCH * points // 2  # a stretch would be wider than a point
            read = pool.map(partial(self._parts, manifest, window, whole), entries)
            found[path] = joined([part for parts in read for part in parts], window.start_ms, window.end_ms, points)
        return found

    def _entries(self, manifest: Manifest, path: str, window: Window) -> list[DataFile]:
        """Files of one tag that meet the window; a state file never changes, so its answer is kept."""
        found: list[DataFile] = []
        for month, _ in window.months(manifest.root.timezone or self.config.timezone):
            state = manifest.root.files.get(month)
            if state is None:
                continue
            if (state, path) not in self._listed:
                self._listed[state, path] = tuple(sorted(manifest.entries(month, paths=[path])))
            found += self._listed[state, path]
        return [entry for entry in found if entry.reaches(window)]

    def _parts(self, manifest: Manifest, window: Window, whole: bool, entry: DataFile) -> list[Reduced]:
        @cache
        def file() -> pq.ParquetFile:
            return opened(read_bytes(self.store, entry, manifest))

        def part(group: Group) -> Reduced:
            name = entry.digest, group.number

            def readings() -> pa.Table:
                return self.groups.get(
                    name, lambda: file().read_row_group(group.number, use_threads=False).cast(SCHEMA)
                )

            gist = self.gists.get(name, lambda: reduced(readings(), max(group.rows * 2 // STRETCH, 2)))
            if not whole:
                return replace(gist, rows=_rows_in(window, group.first_ms, group.last_ms, group.rows))
            seen = inside(readings(), window)
            return replace(gist, readings=seen, rows=seen.num_rows)

        if entry.digest not in self._groups_of:
            self._groups_of[entry.digest] = _groups(file())
        groups = self._groups_of[entry.digest]
        return [part(group) for group in groups if group.first_ms < window.end_ms and group.last_ms >= window.start_ms]


def _groups(file: pq.ParquetFile) -> tuple[Group, ...]:
    found = []
    column = file.schema_arrow.get_field_index("datetime")
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        bounds = group.column(column).statistics
        first, last = (round(time.timestamp() * 1000) for time in (bounds.min, bounds.max))
        found.append(Group(number, first, last, group.num_rows))
    return tuple(found)


def _rows_in(window: Window, first_ms: int, last_ms: int, rows: int) -> int:
    """About how many of ``rows`` readings between two times are in the window."""
    seen = min(window.end_ms, last_ms + 1) - max(window.start_ms, first_ms)
    return rows if seen > last_ms - first_ms else max(rows * seen // (last_ms + 1 - first_ms), 1)
