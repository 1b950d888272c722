"""The lake's window in one small frame: a row a file, as committed and as it is.

Columns of ``files_frame``:

=====================================  ============================================================================
tagpath, month, file, committed        the place and name; ``committed`` is false for a file that no manifest names
rows, size, digest, start_ms, end_ms   as the manifest has them; the interval is half open, ms since 1970
stored_bytes                           size of the object as listed; empty if there is none
overlaps                               committed intervals of the same tag path and month that this one overlaps
tagpath_of_key                         the tag path that the partition value decodes to
digest_read, columns, rows_read        of the bytes as they are; these and the rest are empty for files not read
null_times, not_rising                 readings without time, and steps of time that are not forward
first_read_ms, last_read_ms            first and last time, ms since 1970
month_read                             month of the first time in the configured zone
bad_quality, empty_share               readings that the rule rejects; share with neither value nor text
longest_gap_s, still_s                 of the tag, in the row of its first file: longest gap, and longest time that a
                                       lively value stood still: ``gaps_and_stuck``
beyond_range                           there too: readings outside of the tag's range
=====================================  ============================================================================

Every file is looked up; beyond ``READ_AT_MOST`` readings those of some tags are read, the same ones every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..lake.concurrency import ahead, at_once
from ..lake.keys import folder, parse_reading_key, spelled
from ..lake.manifest import DataFile, Manifest, by_path, of_paths
from ..lake.rejected import read_rejected, rejected_objects
from ..lake.stores import Store
from ..transform.parquet import table_of
from ..transform.quality import QualityRule
from ..transform.readings import SCHEMA, WITH_MICROS, inside
from ..windows import Window, zone
from .anomalies import Anomaly
from .ranges import Range
from .tag_anomalies import NOTHING, behaviour

if TYPE_CHECKING:
    import pandas as pd

READ_AT_MOST = 50_000_000  # readings
COLUMNS = ", ".join(f"{column.name}: {column.type}" for column in SCHEMA)
TIMES = pa.schema([("tagpath", pa.string()), SCHEMA.field("datetime")])
JUDGED = ["datetime", "value"]
REQUESTS = 32  # at one time
REJECTED_AT_ONCE = 4  # tables in memory

TEXTS = ("tagpath", "month", "file", "digest", "tagpath_of_key", "digest_read", "columns", "month_read")
NUMBERS = (
    *("size", "start_ms", "end_ms", "stored_bytes", "rows_read", "null_times", "not_rising", "first_read_ms"),
    *("last_read_ms", "bad_quality", "empty_share", "longest_gap_s", "still_s", "beyond_range"),
)
# Numbers are doubles here: an empty column would be of objects, which cannot be compared with a number.
DTYPES = dict.fromkeys(TEXTS, "object") | dict.fromkeys(NUMBERS, "float64")
DTYPES |= {"committed": "bool", "rows": "int64", "overlaps": "int64"}


@dataclass(frozen=True)
class CommittedFile:
    """A manifest entry, and how many others of its tag path and month it overlaps."""

    entry: DataFile
    overlaps: int


def committed_files(
    manifest: Manifest, window: Window, months: Iterable[str], paths: Collection[str]
) -> list[CommittedFile]:
    """What the manifest has in ``window`` for ``paths``, ordered by tag path and time."""
    found = []
    for month in months:
        for entries in by_path(manifest.entries(month, paths=paths)).values():
            for entry in entries:
                if entry.interval.overlaps(window):
                    others = (other for other in entries if other.key != entry.key)
                    overlaps = sum(entry.interval.overlaps(other.interval) for other in others)
                    found.append(CommittedFile(entry, overlaps))
    return sorted(found, key=lambda file: (file.entry.tagpath, file.entry.start))


def before(window: Window) -> Window:
    """As long as ``window``, a day at least, up to its start: what a value did before it stood still. Pure."""
    return Window(window.start - max(window.end - window.start, timedelta(days=1)), window.start)


def files_frame(
    store: Store,
    files: Sequence[CommittedFile],
    earlier: Sequence[CommittedFile],
    paths: Sequence[str],
    window: Window,
    *,
    months: Sequence[str],
    timezone: str,
    rule: QualityRule,
    rejected: Mapping[str, np.ndarray],
    range_of: Callable[[str], Range | None],
) -> tuple[pd.DataFrame, list[Anomaly]]:
    """The frame described above, from the lake as it is, and the stretches of time that are worth a look.

    A tag's readings are judged together, however they are cut into files, with those of the ``earlier`` files (of
    ``before(window)``) and the times of its ``rejected`` readings (ms since 1970, sorted, by tag path).
    """
    import pandas as pd

    stored = stored_objects(store, [folder(path, month) for path in paths for month in months])
    tags, tags_before = (
        {path: list(own) for path, own in groupby(each, lambda file: file.entry.tagpath)} for each in (files, earlier)
    )
    chosen = to_read(tags, READ_AT_MOST)

    def fetch(path: str) -> list[bytes | None]:
        wanted = tags[path] if path in chosen else ()
        return [store.get(file.entry.key) if file.entry.key in stored else None for file in wanted]

    def read(path: str, fetched: Sequence[bytes | None]) -> tuple[list[dict[str, Any]], list[Anomaly]]:
        rows = [_row(file, stored.get(file.entry.key)) for file in tags[path]]
        if path not in chosen:
            return rows, []
        parts = []
        for file, row, data in zip(tags[path], rows, fetched, strict=True):
            if data is not None:
                readings = opened(data, micros=file.entry.micros)
                row |= facts(data, readings, rule, timezone)
                if not (
                    isinstance(readings, str) or row["columns"] != COLUMNS or row["null_times"] or row["not_rising"]
                ):
                    parts.append(readings.select(JUDGED))
        if len(parts) < len(rows) or any(file.overlaps for file in tags[path]):
            return rows, []  # what is broken is not judged any further
        held, limits = rejected.get(path, NOTHING), range_of(path)
        does = behaviour(pa.concat_tables(parts), window, held, limits, lambda: known_before(path))
        rows[0] |= does.columns()
        return rows, list(does.notable(path, limits))

    def known_before(path: str) -> pa.Table:
        span, parts = before(window), []
        for file in tags_before.get(path, ()):
            data = store.get(file.entry.key)
            readings = opened(data, micros=file.entry.micros) if data is not None else ""
            if not isinstance(readings, str) and readings.schema == SCHEMA:
                parts.append(inside(readings.select(JUDGED), span))
        return pa.concat_tables(parts or [SCHEMA.empty_table().select(JUDGED)])

    found = [read(path, data) for path, data in zip(tags, ahead(fetch, tags, REQUESTS), strict=True)]
    known = {file.entry.key for file in files}
    rows = [row for of_tag, _ in found for row in of_tag]
    rows += [foreign_row(key, size) for key, size in sorted(stored.items()) if foreign(key, known, window)]
    return pd.DataFrame(rows, columns=list(DTYPES)).astype(DTYPES), [one for _, worth in found for one in worth]


def rejected_times(store: Store, paths: Collection[str], window: Window, lookback_days: int) -> dict[str, np.ndarray]:
    """Times of the rejected readings that runs have kept, ms since 1970, sorted, by tag path."""
    start, end = pa.array([window.start_ms, window.end_ms]).view(SCHEMA.field("datetime").type)

    def times(key: str) -> pa.Table:
        found = read_rejected(store, key, TIMES)
        found = found.filter(of_paths(found, paths))
        when = found.column("datetime")
        return found.filter(pc.and_(pc.greater_equal(when, start), pc.less(when, end)))

    with at_once(REJECTED_AT_ONCE) as pool:
        found = list(pool.map(times, [key for key, _ in rejected_objects(store, window, lookback_days)]))
    if not found:
        return {}
    grouped = pa.concat_tables(found).group_by("tagpath").aggregate([("datetime", "distinct")])
    return {
        path: np.sort(times.values.cast(pa.int64()).to_numpy())
        for path, times in zip(grouped["tagpath"].to_pylist(), grouped["datetime_distinct"], strict=True)
    }


def stored_objects(store: Store, folders: Sequence[str]) -> dict[str, int]:
    """Keys in ``folders`` with their sizes in bytes."""
    with at_once(REQUESTS) as pool:
        listed = pool.map(lambda place: list(store.list(place)), folders)
        return {key: size for objects in listed for key, size in objects}


def to_read(tags: Mapping[str, Sequence[CommittedFile]], limit: int) -> frozenset[str]:
    """Tags with about ``limit`` readings together, chosen by digest: as good as at random, always the same. Pure."""
    chosen: set[str] = set()
    readings = 0
    for path in sorted(tags, key=lambda path: hashlib.sha256(path.encode()).digest()):
        rows = sum(file.entry.rows for file in tags[path])
        if chosen and readings + rows > limit:
            break
        chosen.add(path)
        readings += rows
    return frozenset(chosen)


def foreign(key: str, known: set[str], window: Window) -> bool:
    """Whether readers of the prefix would see an object of the window that was never committed.

    A file of another window may be one that another run is about to commit.
    """
    name = key.rsplit("/", 1)[-1]
    if key in known or name.startswith(("_", ".")):  # readers skip such names
        return False
    try:
        return parse_reading_key(key)[2].overlaps(window)
    except ValueError:
        return True


def opened(data: bytes, *, micros: bool) -> pa.Table | str:
    """The readings of a file, or why there are none. Pure."""
    try:
        found = table_of(data)
        return found.cast(SCHEMA) if micros and found.schema.equals(WITH_MICROS) else found
    except (pa.ArrowException, OSError, ValueError) as error:
        return f"not Parquet: {error}".split("\n")[0]


def facts(data: bytes, readings: pa.Table | str, rule: QualityRule, timezone: str) -> dict[str, Any]:
    """What a file's bytes are, and the readings that were ``opened`` from them. Pure."""
    seen: dict[str, Any] = {"digest_read": hashlib.sha256(data).hexdigest()}
    if isinstance(readings, str):
        return seen | {"columns": readings, "rows_read": 0}
    seen |= {
        "columns": ", ".join(f"{column.name}: {column.type}" for column in readings.schema),
        "rows_read": readings.num_rows,
    }
    if "datetime" in readings.column_names and pa.types.is_timestamp(readings.schema.field("datetime").type):
        seen |= _times(readings.column("datetime"), timezone)
    if "quality" in readings.column_names:
        counts = pc.value_counts(readings.column("quality")).to_pylist()
        seen["bad_quality"] = sum(c["counts"] for c in counts if rule.reason(c["values"]))
    if {"value", "text"} <= set(readings.column_names) and readings.num_rows:
        empty = pc.and_(pc.is_null(readings.column("value")), pc.is_null(readings.column("text")))
        seen["empty_share"] = pc.sum(empty).as_py() / readings.num_rows
    return seen


def _times(column: pa.ChunkedArray, timezone: str) -> dict[str, Any]:
    nulls = column.null_count
    times = column.drop_null().cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64()).to_numpy()
    found: dict[str, Any] = {"null_times": nulls, "not_rising": int((np.diff(times) <= 0).sum())}
    if len(times):
        first, last = int(times.min()), int(times.max())
        local = datetime.fromtimestamp(first // 1000, UTC).astimezone(zone(timezone))
        found |= {"first_read_ms": first, "last_read_ms": last, "month_read": f"{local:%Y-%m}"}
    return found


def _row(file: CommittedFile, stored_bytes: int | None) -> dict[str, Any]:
    entry = file.entry
    return {
        "tagpath": entry.tagpath,
        "month": entry.month,
        "file": entry.key.rsplit("/", 1)[-1],
        "committed": True,
        "rows": entry.rows,
        "size": entry.size,
        "digest": entry.digest,
        "start_ms": entry.start * 1000,
        "end_ms": entry.end * 1000,
        "stored_bytes": stored_bytes,
        "overlaps": file.overlaps,
        "tagpath_of_key": parse_reading_key(entry.key)[0],
    }


def foreign_row(key: str, size: int) -> dict[str, Any]:
    """A file that nobody committed, under the tag path that its folder spells."""
    found = spelled(key)
    return {
        "tagpath": found.tagpath or key,
        "month": found.month,
        "file": key.rpartition("/")[2],
        "committed": False,
        "rows": 0,
        "stored_bytes": size,
        "overlaps": 0,
    }
