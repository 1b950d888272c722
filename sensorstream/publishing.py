"""From staged files to committed ones: write each under the key of its interval, commit the manifest, remove what
the window replaced.

What changes is worked out beforehand (``changes``, pure), so that an unchanged file is not touched.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from . import manifest as books
from .config import Config
from .encode import SCHEMA, cut, decode, encode
from .errors import LakeError, WindowBusy
from .manifest import Entry, Manifest, Months
from .stores import Conflict, Store, open_store
from .windows import Window

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ATTEMPTS = 5
PUTS_AT_ONCE = 8  # of each worker


@dataclass
class Changes:
    """What publishing a window does to the lake."""

    put: list[Entry] = field(default_factory=list)  # staged files that are new or different
    unchanged: list[Entry] = field(default_factory=list)
    trim: list[tuple[Entry, list[Window]]] = field(default_factory=list)  # files across the border: what stays of them
    remove: list[Entry] = field(default_factory=list)  # keys that go

    @property
    def months(self) -> set[str]:
        return {e.month for e in [*self.put, *self.remove]} | {e.month for e, _ in self.trim}


@dataclass(frozen=True)
class Published:
    files_written: int
    files_unchanged: int
    files_removed: int
    bytes_written: int


def changes(
    committed: Mapping[str, Mapping[str, Entry]],
    staged: Iterable[Entry],
    window: Window,
    replaces: Callable[[Entry], bool],
) -> Changes:
    """Work out how ``staged`` replaces what is ``committed`` in ``window`` where ``replaces`` says so. Pure.

    Parameters
    ----------
    committed
        Months that the run may touch, each with its entries by key.

    Returns
    -------
    Changes
        Afterwards no two intervals of a (tag path, month) overlap, and outside the window nothing is lost.
    """
    plan = Changes()
    new = {entry.key: entry for entry in staged}
    for entry in new.values():
        old = committed.get(entry.month, {}).get(entry.key)
        (plan.unchanged if old is not None and old.digest == entry.digest else plan.put).append(entry)
    for entries in committed.values():
        for key, old in entries.items():
            if key in new or not replaces(old) or not old.interval.overlaps(window):
                continue
            if rest := old.interval.minus(window):
                plan.trim.append((old, rest))
            plan.remove.append(old)
    return plan


def publish(
    staged: DataFrame, entries: Sequence[Entry], config: Config, store: Store, window: Window, paths: frozenset[str],
    months: Iterable[str],
) -> Published:  # fmt: skip
    """Write the staged files, commit them, remove what they replace.

    Parameters
    ----------
    staged
        The persisted DataFrame of ``stage.STAGED``.
    entries
        The statistics of its files.
    months
        Months of the window that the historian covers; others are not touched.

    Raises
    ------
    LakeError
        The store failed. Nothing is committed unless the manifest is.
    WindowBusy
        Another run committed the same window in between.
    """
    months = list(months)
    before = books.read_manifest(store)
    committed = {month: before.entries(month) for month in months}
    if config.write_mode == "append":
        added = append(staged, entries, committed, config, store, window)
        fresh = added.merged
        todo = changes(committed, [*added.alone, *fresh], window, lambda old: (old.tagpath, old.month) in added.places)
    else:
        fresh = {}
        todo = changes(committed, entries, window, lambda old: old.tagpath in paths)
    written = _put_staged(staged, config, [entry for entry in todo.put if entry not in fresh])
    for entry in todo.put:
        if entry in fresh:
            store.put(entry.key, fresh[entry])
            written += entry.size
    trimmed = [stored for old, rest in todo.trim for stored in _trim(store, old, rest)]
    if todo.put or todo.remove:
        stale = _commit(store, before, committed, todo, trimmed, window, paths)
        keep = {entry.key for entry in [*todo.put, *trimmed]}
        store.delete([old.key for old in todo.remove if old.key not in keep] + stale)
    return Published(
        files_written=len(todo.put) + len(trimmed),
        files_unchanged=len(todo.unchanged),
        files_removed=len(todo.remove),
        bytes_written=written + sum(entry.size for entry in trimmed),
    )


def _put_staged(staged: DataFrame, config: Config, wanted: Sequence[Entry]) -> int:
    """Write those staged files from the workers; the number of bytes written."""
    if not wanted:
        return 0

    keys = {(entry.tagpath, entry.month, entry.start): entry.key for entry in wanted}

    def put(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(config)

        def one(row: Mapping[str, Any]) -> int:
            key = keys.get((row["tagpath"], row["month"], row["start"]))
            if key is None:
                return 0
            store.put(key, row["data"])
            return len(row["data"])

        with ThreadPoolExecutor(PUTS_AT_ONCE) as pool:
            for batch in batches:
                yield pa.RecordBatch.from_pydict({"size": [sum(pool.map(one, batch.to_pylist()))]})

    files = staged.filter("kind = 'file'").select("tagpath", "month", "start", "data")
    return sum(row.size for row in files.mapInArrow(put, "size long").collect())


def _trim(store: Store, old: Entry, rest: Sequence[Window]) -> Iterator[Entry]:
    """Rewrite what stays of a file that lies across the window's border."""
    readings = read_entry(store, old)
    for part in rest:
        kept = within(readings, part)
        if kept.num_rows:
            yield put_readings(store, old.tagpath, old.month, part, kept)


def read_entry(store: Store, entry: Entry) -> pa.Table:
    """The readings of a committed file; ``LakeError`` if it is not what was committed."""
    data = store.get(entry.key)
    if data is None or hashlib.sha256(data).hexdigest() != entry.digest:
        state = "is missing" if data is None else "is not what was committed"
        raise LakeError(f"lake {store.place}: {entry.key} {state}: run verify with --repair")
    return decode(data)


def put_readings(store: Store, tagpath: str, month: str, interval: Window, readings: pa.Table) -> Entry:
    """Encode readings of one interval, write them, and say what was written."""
    entry, data = entry_of(tagpath, month, interval, readings)
    store.put(entry.key, data)
    return entry


def entry_of(tagpath: str, month: str, interval: Window, readings: pa.Table) -> tuple[Entry, bytes]:
    data = encode(readings)
    times = readings.column("datetime").cast(pa.int64())
    digest = hashlib.sha256(data).hexdigest()
    start, end = interval.start_ms // 1000, interval.end_ms // 1000
    first, last = times[0].as_py(), times[-1].as_py()
    return Entry(tagpath, month, start, end, readings.num_rows, first, last, len(data), digest), data


def within(readings: pa.Table, window: Window) -> pa.Table:
    """The readings of ``window``."""
    times = readings.column("datetime").cast(pa.int64())
    return readings.filter(pc.and_(pc.greater_equal(times, window.start_ms), pc.less(times, window.end_ms)))


def merged(old: pa.Table, new: pa.Table) -> pa.Table:
    """``old`` and what ``new`` has at other times, in order of time."""
    added = new.filter(pc.invert(pc.is_in(new.column("datetime"), value_set=old.column("datetime").combine_chunks())))
    if not added.num_rows:
        return old
    return pa.concat_tables([old, added]).sort_by("datetime").cast(SCHEMA)


def _commit(
    store: Store, before: Manifest, committed: Months, todo: Changes, trimmed: Sequence[Entry], window: Window,
    paths: frozenset[str],
) -> list[str]:  # fmt: skip
    """Swap the manifest, taking in what others committed elsewhere meanwhile; state files that are named no more."""
    for _ in range(ATTEMPTS):
        state = {month: dict(before.entries(month)) for month in todo.months}
        if any(_mine(state[m], window, paths) != _mine(committed.get(m, {}), window, paths) for m in state):
            raise WindowBusy(f"another run has just published {window} of these tags: run again to see what it left")
        for old in todo.remove:
            del state[old.month][old.key]
        for entry in [*todo.put, *trimmed]:
            state[entry.month][entry.key] = entry
        try:
            return books.commit(before, state)
        except Conflict:
            before = books.read_manifest(store)
    raise WindowBusy(f"the manifest of {store.place} changed {ATTEMPTS} times while this run committed: run again")


def _mine(entries: Mapping[str, Entry], window: Window, paths: frozenset[str]) -> dict[str, Entry]:
    return {key: e for key, e in entries.items() if e.tagpath in paths and e.interval.overlaps(window)}


def put_if_changed(store: Store, key: str, data: bytes | None) -> None:
    """Write an object whose bytes differ from what is there; ``None`` removes it."""
    old = store.get(key)
    if data is None and old is not None:
        store.delete([key])
    elif data is not None and old != data:
        store.put(key, data)


@dataclass(frozen=True)
class Appended:
    """What ``append`` makes of staged files: those that stand alone, those merged with what was there, and where."""

    alone: list[Entry]
    merged: dict[Entry, bytes]
    places: frozenset[tuple[str, str]]  # (tag path, month) whose committed files are replaced


def append(
    staged: DataFrame, entries: Sequence[Entry], committed: Months, config: Config, store: Store, window: Window
) -> Appended:
    """Merge staged readings with those committed in the window; a place with nothing new stays as it is."""
    there: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for month in committed.values():
        for entry in month.values():
            if entry.interval.overlaps(window):
                there[entry.tagpath, entry.month].append(entry)
    alone, meeting = [], defaultdict(list)
    for entry in sorted(entries):
        place = (entry.tagpath, entry.month)
        if place in there:
            meeting[place].append(entry)
        else:
            alone.append(entry)
    result: dict[Entry, bytes] = {}
    places = set()
    for place, news in meeting.items():
        old = pa.concat_tables(within(read_entry(store, entry), window) for entry in sorted(there[place]))
        new = pa.concat_tables(decode(_staged_bytes(staged, entry)) for entry in news)
        both = merged(old, new)
        if both.num_rows == old.num_rows:
            continue
        places.add(place)
        part = dict(window.months(config.timezone))[place[1]]
        times = both.column("datetime").cast(pa.int64()).to_numpy()
        for interval, rows in cut(times, part, config.max_records_per_file):
            readings = both.slice(rows.start, rows.stop - rows.start)
            if readings.num_rows:
                entry, data = entry_of(*place, interval, readings)
                result[entry] = data
    return Appended(alone, result, frozenset(places))


def _staged_bytes(staged: DataFrame, entry: Entry) -> bytes:
    from pyspark.sql import functions as F

    same = (F.col("kind") == "file") & (F.col("tagpath") == entry.tagpath) & (F.col("month") == entry.month)
    row = staged.filter(same & (F.col("start") == entry.start)).select("data").first()
    return bytes(row.data) if row else b""
