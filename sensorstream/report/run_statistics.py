"""What the pictures of a run show: counts over time, area and tag, taken from what the run left in the lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..config.settings import Config
from ..errors import LakeError, SensorStreamError
from ..lake.concurrency import ahead
from ..lake.data_files import MEND, rows_of
from ..lake.keys import rejected_key
from ..lake.manifest import DataFile
from ..lake.recent_files import kept_or_fetched
from ..lake.rejected import read_rejected
from ..lake.scan import FETCHES_AT_ONCE, area, entries
from ..lake.stores import Store, open_store
from ..lake.tag_metadata import note, read_tags
from ..pipeline.run_record import RunRecord
from ..transform.readings import SCHEMA, inside, times_ms
from ..windows import Window
from .level_shifts import Levels, Tally, levels_of, measured, most_moved

# Widths of a bar, s, and their names: the smallest that needs no more than MOST_BARS for the window.
WIDTHS = {60: "minute", 300: "5 minutes", 900: "15 minutes", 3600: "hour", 4 * 3600: "4 hours", 86400: "day"}
WIDTHS |= {7 * 86400: "7 days", 30 * 86400: "30 days"}
MOST_BARS = 120
REJECTED = pa.schema([("tagpath", pa.string()), SCHEMA.field("datetime"), ("reason", pa.string())])
DRAWN = pa.schema([SCHEMA.field("datetime"), SCHEMA.field("value"), SCHEMA.field("text")])
FETCHED_BYTES = 256 << 20  # of files that wait at one time
MOST_MOVED, MOST_LOOKED_AT = 12, 24  # tags whose level is drawn, of those that were looked at once more
MOST_TEXT = 60  # characters of a last value


@dataclass(frozen=True)
class TagFigures:
    """What the table of all tags says of one: of its numbers those that can be measured, its last number or text.

    ``good`` is the share of what was read that the quality rule keeps; ``note`` tells of one that is retired, or of
    several ids.
    """

    tagpath: str
    count: int = 0
    least: float | None = None
    mean: float | None = None
    greatest: float | None = None
    last: float | str | None = None
    good: float | None = None
    unit: str | None = None
    datatype: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class RunStatistics:
    """Counts of readings; ``starts_ms`` are the left borders of the bars, ``width_s`` their width.

    ``moved`` are the levels of the tags that left their usual level furthest, the furthest first. ``tags`` are all of
    the run's in order of their paths, ``kept_by_tag`` and ``lost_by_tag`` their kept and rejected readings by bar.
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
    tags: tuple[TagFigures, ...] = ()
    kept_by_tag: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    lost_by_tag: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))


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
    window = Window.from_json(record.window)
    paths = sorted(set(tagpaths))
    store = open_store(config)
    by_tag: dict[str, list[DataFile]] = {path: [] for path in paths}
    size: Counter[str] = Counter()
    for entry in entries(config, window):
        if entry.tagpath in by_tag:
            by_tag[entry.tagpath].append(entry)
            size[entry.tagpath] += entry.size
    width = bar_width(window)
    edges = np.append(np.arange(window.start_ms, window.end_ms, width * 1000), window.end_ms)
    rejected = read_rejected(store, rejected_key(record.run_id), REJECTED)
    lost = _by_bar(rejected, paths, edges)
    rejected_by_tag = _count(rejected)
    doubtful = _count(rejected.filter(pc.ends_with(rejected.column("reason"), "_quality")))
    known = _metadata(store, config.timezone)

    def one(path: str, fetched: Iterable[bytes | None]) -> tuple[np.ndarray, Levels | None, TagFigures]:
        counts, tally, last = _counted(store, path, by_tag[path], fetched, edges, window)
        count, numbers = int(counts.sum()), int(tally.counts.sum())
        mean = tally.sums.sum() / numbers if numbers else None
        least, greatest = (tally.least, tally.most) if numbers else (None, None)
        good = count / read if (read := count + doubtful.get(path, 0)) else None
        unit, datatype, told = (known.get(path, {}).get(name) for name in ("unit", "datatype", "note"))
        return counts, tally.levels(), TagFigures(path, count, least, mean, greatest, last, good, unit, datatype, told)

    requests = max(1, min(FETCHES_AT_ONCE, FETCHED_BYTES // max(size.values(), default=1)))
    fetched = ahead(lambda path: [kept_or_fetched(store, entry) for entry in by_tag[path]], paths, requests)
    found = [one(path, data) for path, data in zip(paths, fetched, strict=True)]
    kept = np.array([counts for counts, _, _ in found], np.int64).reshape(-1, len(edges) - 1)
    return RunStatistics(
        timezone=config.timezone,
        width_s=width,
        starts_ms=edges[:-1],
        kept=kept.sum(axis=0),
        rejected=lost.sum(axis=0),
        kept_by_area=_by_area(dict(zip(paths, kept.sum(axis=1).tolist(), strict=True))),
        rejected_by_area=_by_area(rejected_by_tag),
        rejected_by_tag=rejected_by_tag,
        bytes_by_tag=dict(size),
        moved=_moved(store, by_tag, [levels for _, levels, _ in found], window),
        tags=tuple(figures for *_, figures in found),
        kept_by_tag=kept,
        lost_by_tag=lost,
    )


def bar_width(window: Window) -> int:
    """The width of a bar, s, that shows ``window`` in a readable number of bars. Pure."""
    seconds = (window.end - window.start).total_seconds()
    return next((width for width in WIDTHS if seconds / width <= MOST_BARS), max(WIDTHS))


def _counted(
    store: Store, path: str, files: Sequence[DataFile], fetched: Iterable[bytes | None], edges: np.ndarray,
    window: Window,
) -> tuple[np.ndarray, Tally, float | str | None]:  # fmt: skip
    """Readings of one tag in each bar, its values in stretches of their own, and the last of them."""
    first = max(min((entry.first_ms for entry in files), default=0), window.start_ms)
    last = min(max((entry.last_ms for entry in files), default=window.end_ms), window.end_ms - 1)
    counts, tally, newest = np.zeros(len(edges) - 1, np.int64), Tally(path, first, last), None
    for entry, data in zip(files, fetched, strict=True):
        if (readings := _readings(store, entry, data, window)) is None or not readings.num_rows:
            continue
        times, values = times_ms(readings), readings.column("value")
        # Sorted within a file, so borders are looked up instead of readings counted.
        counts += np.diff(np.searchsorted(times, edges))
        if values.null_count < len(times):
            tally.add(times, values.to_numpy())
        text = readings.column("text")[-1].as_py()
        newest = values[-1].as_py() if text is None else text[:MOST_TEXT]
    return counts, tally, newest


def _readings(store: Store, entry: DataFile, data: bytes | None, window: Window) -> pa.Table | None:
    return None if data is None else inside(rows_of(store, entry.key, data, DRAWN, MEND), window)


def _moved(
    store: Store, files: Mapping[str, Sequence[DataFile]], found: Iterable[Levels | None], window: Window
) -> tuple[Levels, ...]:
    """Those that left their usual level, also where what was stuck is left out; that needs all readings at once."""
    moved: list[Levels] = []
    for levels in most_moved(found)[:MOST_LOOKED_AT]:
        parts = [_readings(store, entry, kept_or_fetched(store, entry), window) for entry in files[levels.tagpath]]
        readings = pa.concat_tables([part for part in parts if part is not None])
        times, values = times_ms(readings), readings.column("value").to_numpy()
        there = measured(values)
        moved += most_moved([levels_of(levels.tagpath, times[there], values[there])])
    return tuple(most_moved(moved)[:MOST_MOVED])


def _by_bar(rejected: pa.Table, paths: Sequence[str], edges: np.ndarray) -> np.ndarray:
    """Rejected readings by tag and bar."""
    bars = len(edges) - 1
    tags = pc.index_in(rejected.column("tagpath"), value_set=pa.array(paths, pa.string()))
    times = times_ms(rejected)
    here = tags.is_valid().to_numpy() & (times >= edges[0]) & (times < edges[-1])
    place = np.searchsorted(edges, times[here], side="right") - 1
    cells = tags.to_numpy()[here].astype(np.int64) * bars + place
    return np.bincount(cells, minlength=len(paths) * bars).reshape(len(paths), bars)


def _count(rejected: pa.Table) -> dict[str, int]:
    counts = pc.value_counts(rejected.column("tagpath")).to_pylist()
    return {row["values"]: row["counts"] for row in counts}


def _by_area(by_tag: Mapping[str, int]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for path, count in by_tag.items():
        found[area(path)] += count
    return {name: count for name, count in found.items() if count}


def _metadata(store: Store, timezone: str) -> dict[str, dict[str, Any]]:
    """Unit, type and note of each tag, as far as the lake knows them."""
    with suppress(LakeError):
        rows = read_tags(store).to_pylist()
        return {row["tagpath"]: row | {"note": note(row, timezone)} for row in rows}
    return {}
