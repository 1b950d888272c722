"""What the pictures of a run show: counts over time, area and tag, taken from what the run left in the lake."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..config.settings import Config
from ..errors import SensorStreamError
from ..lake.concurrency import at_once
from ..lake.data_files import MEND, rows_of
from ..lake.keys import rejected_key
from ..lake.manifest import DataFile
from ..lake.rejected import read_rejected
from ..lake.scan import FETCHES_AT_ONCE, area, entries
from ..lake.stores import Store, open_store
from ..pipeline.run_record import RunRecord
from ..transform.readings import SCHEMA
from ..windows import Window, parse_instant
from .level_shifts import Levels, Tally, most_moved

# Widths of a bar, s: the smallest that needs no more than MOST_BARS for the window.
WIDTHS = (60, 300, 900, 3600, 4 * 3600, 86400, 7 * 86400, 30 * 86400)
MOST_BARS = 120
TIMES = pa.schema([("tagpath", pa.string()), SCHEMA.field("datetime")])
DRAWN = pa.schema([SCHEMA.field("datetime"), SCHEMA.field("value")])
MOST_MOVED, MOST_CALM = 12, 3  # tags whose level is drawn, and how many where none moved much


@dataclass(frozen=True)
class RunStatistics:
    """Counts of readings; ``starts_ms`` are the left borders of the bars, ``width_s`` their width.

    ``moved`` are the levels of the tags that left their usual level furthest, the furthest first.
    """

    timezone: str
    width_s: int
    starts_ms: np.ndarray
    kept: np.ndarray
    rejected: np.ndarray
    kept_by_area: dict[str, int]
    rejected_by_area: dict[str, int]
    rejected_by_tag: dict[str, int]
    bytes_by_tag: dict[str, int]
    moved: tuple[Levels, ...] = ()


@dataclass(frozen=True)
class NoStatistics:
    """Stands for statistics that could not be gathered: whoever asks for one is told why."""

    error: Exception

    def __getattr__(self, name: str) -> Any:
        raise self.error


def gather(config: Config, record: RunRecord, tagpaths: Iterable[str]) -> RunStatistics:
    """The statistics of a run over ``tagpaths``: from the manifest, the files it names, and the rejected readings.

    ``SensorStreamError`` is raised; whatever else goes wrong is said in the place of each picture.
    """
    try:
        return _gathered(config, record, tagpaths)
    except SensorStreamError:
        raise
    except Exception as error:
        return cast(RunStatistics, NoStatistics(error))


def _gathered(config: Config, record: RunRecord, tagpaths: Iterable[str]) -> RunStatistics:
    window = Window(*(parse_instant(record.window[side], config.timezone) for side in ("start", "end")))
    chosen = frozenset(tagpaths)
    store = open_store(config)
    files = [entry for entry in entries(config, window) if entry.tagpath in chosen]
    width = bar_width(window)
    edges = np.arange(window.start_ms, window.end_ms + width * 1000, width * 1000)
    by_tag: dict[str, list[DataFile]] = defaultdict(list)
    for entry in files:
        by_tag[entry.tagpath].append(entry)
    with at_once(FETCHES_AT_ONCE) as pool:
        counted = list(pool.map(lambda own: _counted(store, own, edges, window), by_tag.values()))
    kept = sum((counts for counts, _ in counted), np.zeros(len(edges) - 1, np.int64))
    tags, times = _rejected(store, record.run_id)
    kept_by_area: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for entry in files:
        kept_by_area[area(entry.tagpath)] += entry.rows
        size[entry.tagpath] += entry.size
    rejected_by_area: Counter[str] = Counter()
    for tagpath, count in tags.items():
        rejected_by_area[area(tagpath)] += count
    return RunStatistics(
        timezone=config.timezone,
        width_s=width,
        starts_ms=edges[:-1],
        kept=kept,
        rejected=np.histogram(times, edges)[0],
        kept_by_area=dict(kept_by_area),
        rejected_by_area=dict(rejected_by_area),
        rejected_by_tag=tags,
        bytes_by_tag=dict(size),
        moved=most_moved([tally for _, tally in counted], MOST_MOVED, MOST_CALM),
    )


def bar_width(window: Window) -> int:
    """The width of a bar, s, that shows ``window`` in a readable number of bars. Pure."""
    seconds = (window.end - window.start).total_seconds()
    return next((width for width in WIDTHS if seconds / width <= MOST_BARS), WIDTHS[-1])


def _counted(store: Store, files: Sequence[DataFile], edges: np.ndarray, window: Window) -> tuple[np.ndarray, Tally]:
    """Readings of one tag in each bar, and its values in stretches of their own."""
    first = max(min(entry.first_ms for entry in files), window.start_ms)
    last = min(max(entry.last_ms for entry in files), window.end_ms - 1)
    counts, tally = np.zeros(len(edges) - 1, np.int64), Tally(files[0].tagpath, first, last)
    for entry in files:
        data = store.get(entry.key)
        if data is None:
            continue
        readings = rows_of(store, entry.key, data, DRAWN, MEND)
        times = readings.column("datetime").cast(pa.int64()).to_numpy()
        # Sorted within a file, so borders are looked up instead of readings counted.
        counts += np.diff(np.searchsorted(times, edges))
        if readings.column("value").null_count < len(times):
            tally.add(times, readings.column("value").to_numpy())
    return counts, tally


def _rejected(store: Store, run_id: str) -> tuple[dict[str, int], np.ndarray]:
    """Rejected readings of the run: how many of each tag, and when (ms since 1970)."""
    found = read_rejected(store, rejected_key(run_id), TIMES)
    counts = pc.value_counts(found.column("tagpath")).to_pylist()
    return {row["values"]: row["counts"] for row in counts}, found.column("datetime").cast(pa.int64()).to_numpy()
