"""What the pictures of a run show: counts over time, area and tag, taken from what the run left in the lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..config import Config
from ..keys import rejected_key
from ..manifest import Entry
from ..reading import FETCHES_AT_ONCE, area, entries
from ..record import RunRecord
from ..stores import Store, open_store
from ..windows import Window, parse_instant

# Widths of a bar, s: the smallest that needs no more than MOST_BARS for the window.
WIDTHS = (60, 300, 900, 3600, 4 * 3600, 86400, 7 * 86400, 30 * 86400)
MOST_BARS = 120


@dataclass(frozen=True)
class Facts:
    """Counts of readings; ``starts_ms`` are the left borders of the bars, ``width_s`` their width."""

    timezone: str
    width_s: int
    starts_ms: np.ndarray
    kept: np.ndarray
    rejected: np.ndarray
    kept_by_area: dict[str, int]
    rejected_by_area: dict[str, int]
    rejected_by_tag: dict[str, int]
    bytes_by_tag: dict[str, int]


def gather(config: Config, record: RunRecord, tagpaths: Iterable[str]) -> Facts:
    """The facts of a run over ``tagpaths``: from the manifest, the times of its files, and the rejected readings."""
    window = Window(*(parse_instant(record.window[side], config.timezone) for side in ("start", "end")))
    chosen = frozenset(tagpaths)
    store = open_store(config)
    files = [entry for entry in entries(config, window) if entry.tagpath in chosen]
    width = bar_width(window)
    edges = np.arange(window.start_ms, window.end_ms + width * 1000, width * 1000)
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        kept = sum(pool.map(lambda entry: _histogram(store, entry, edges), files), np.zeros(len(edges) - 1, np.int64))
    tags, times = _rejected(store, record.run_id)
    kept_by_area: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for entry in files:
        kept_by_area[area(entry.tagpath)] += entry.rows
        size[entry.tagpath] += entry.size
    rejected_by_area: Counter[str] = Counter()
    for tagpath, count in tags.items():
        rejected_by_area[area(tagpath)] += count
    return Facts(
        timezone=config.timezone,
        width_s=width,
        starts_ms=edges[:-1],
        kept=kept,
        rejected=np.histogram(times, edges)[0],
        kept_by_area=dict(kept_by_area),
        rejected_by_area=dict(rejected_by_area),
        rejected_by_tag=tags,
        bytes_by_tag=dict(size),
    )


def bar_width(window: Window) -> int:
    """The width of a bar, s, that shows ``window`` in a readable number of bars. Pure."""
    seconds = (window.end - window.start).total_seconds()
    return next((width for width in WIDTHS if seconds / width <= MOST_BARS), WIDTHS[-1])


def _histogram(store: Store, entry: Entry, edges: np.ndarray) -> np.ndarray:
    """Readings of one file in each bar; the file is fetched only if it lies across a border."""
    first, last = np.searchsorted(edges, [entry.first_ms, entry.last_ms], side="right") - 1
    if first == last and 0 <= first < len(edges) - 1:
        counts = np.zeros(len(edges) - 1, np.int64)
        counts[first] = entry.rows
        return counts
    data = store.get(entry.key)
    if data is None:
        return np.zeros(len(edges) - 1, np.int64)
    times = pq.ParquetFile(pa.BufferReader(data)).read(columns=["datetime"]).column("datetime")
    # Sorted within a file, so borders are looked up instead of readings counted.
    return np.diff(np.searchsorted(times.cast(pa.int64()).to_numpy(), edges))


def _rejected(store: Store, run_id: str) -> tuple[dict[str, int], np.ndarray]:
    """Rejected readings of the run: how many of each tag, and when (ms since 1970)."""
    data = store.get(rejected_key(run_id))
    if data is None:
        return {}, np.empty(0, np.int64)
    found = pq.ParquetFile(pa.BufferReader(data)).read(columns=["tagpath", "datetime"])
    counts = pc.value_counts(found.column("tagpath")).to_pylist()
    return {row["values"]: row["counts"] for row in counts}, found.column("datetime").cast(pa.int64()).to_numpy()
