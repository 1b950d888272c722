"""Readings out of the lake: a window of some tags as an Arrow table, or as a Spark DataFrame.

What is committed is what the manifest names; nothing else under the prefix is looked at. The historian is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from .changes import inside as within
from .config import Config
from .encode import SCHEMA
from .errors import ConfigError, LakeError
from .keys import TAGS
from .manifest import Entry, Manifest, at_one_commit, read_manifest
from .stage import READINGS_DDL, labelled
from .stored import read_entry
from .stores import open_store
from .windows import Window, day_window, zone

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

READINGS = pa.schema([("tagpath", pa.dictionary(pa.int32(), pa.string())), *SCHEMA])
ENTRY_DDL = (
    "tagpath string, month string, start long, end long, rows long, first_ms long, last_ms long, size long,"
    " digest string"
)
FETCHES_AT_ONCE = 8


def entries(config: Config, window: Window, patterns: Sequence[str] | None = None) -> list[Entry]:
    """Committed files that hold readings of ``window``, by tag path and time.

    Parameters
    ----------
    patterns
        Regular expressions (Python's) searched in the whole tag path, any one is enough; every tag by default.
    """
    return at_one_commit(open_store(config), lambda manifest: _entries(manifest, config, window, patterns))


def _entries(manifest: Manifest, config: Config, window: Window, patterns: Sequence[str] | None) -> list[Entry]:
    wanted = _any_of(patterns)
    found = [
        entry
        for month, _ in window.months(config.timezone)
        for entry in manifest.entries(month, window=window).values()
        if entry.first_ms < window.end_ms and entry.last_ms >= window.start_ms and wanted.search(entry.tagpath)
    ]
    return sorted(found)


def read(config: Config, window: Window, patterns: Sequence[str] | None = None) -> pa.Table:
    """The readings of ``window``, in order of tag path and time, as one run left them.

    Parameters
    ----------
    patterns
        As in ``entries``.

    Returns
    -------
    pyarrow.Table
        ``tagpath`` (dictionary), ``datetime`` (UTC, milliseconds), ``value``, ``text``, ``quality``.

    Raises
    ------
    LakeError
        The store failed, or a file is missing or not what was committed.
    """
    store = open_store(config)

    def look(manifest: Manifest) -> pa.Table:
        def one(entry: Entry) -> pa.Table:
            return _labelled(entry, within(read_entry(store, entry, manifest), window))

        with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
            parts = list(pool.map(one, _entries(manifest, config, window, patterns)))
        return pa.concat_tables(parts).unify_dictionaries() if parts else READINGS.empty_table()

    return at_one_commit(store, look)


def spark_readings(
    config: Config, window: Window, patterns: Sequence[str] | None = None, *, spark: SparkSession
) -> DataFrame:
    """The same readings as a lazy Spark DataFrame; the workers fetch the files, from S3 as from a folder."""
    chosen = [astuple(entry) for entry in entries(config, window, patterns)]
    if not chosen:
        return spark.createDataFrame([], READINGS_DDL)

    def fetch(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(config)
        for batch in batches:
            for row in batch.to_pylist():
                entry = Entry(**row)
                yield from labelled(entry.tagpath, within(read_entry(store, entry), window)).to_batches()

    pieces = min(len(chosen), 4 * spark.sparkContext.defaultParallelism)
    files = spark.createDataFrame(chosen, ENTRY_DDL).repartition(pieces)
    return files.mapInArrow(fetch, READINGS_DDL)


def tags(config: Config, pattern: str = ".*") -> pa.Table:
    """Tags that the last run saw in the historian, with their metadata, those whose path matches ``pattern``."""
    store = open_store(config)
    data = store.get(TAGS)
    if data is None:
        raise LakeError(f"lake {store.place} has no {TAGS}: run ingest first")
    found = pq.read_table(pa.BufferReader(data))
    wanted = _any_of([pattern])
    return found.filter(pa.array([bool(wanted.search(path)) for path in found.column("tagpath").to_pylist()]))


def last_day(config: Config) -> Window:
    """The last day, in the configured time zone, of which the lake holds a reading."""
    store = open_store(config)
    manifest = read_manifest(store)
    if not manifest.months:
        raise LakeError(f"lake {store.place} holds no reading: run ingest first")
    newest = max(manifest.entries(max(manifest.months)).values(), key=lambda entry: entry.last_ms)
    last = newest.interval.start + timedelta(milliseconds=newest.last_ms - newest.interval.start_ms)
    return day_window(last.astimezone(zone(config.timezone)).date(), config.timezone)


def area(tagpath: str) -> str:
    """Where a tag is: its first two folders, without a ``[provider]``; ``plant1/press`` for example."""
    folders = re.sub(r"^\[[^\]]*\]", "", tagpath).split("/")[:-1]
    return "/".join(folders[:2]) or "(no area)"


def measure(tagpath: str) -> str:
    """What a tag measures: the last part of its path."""
    return tagpath.rsplit("/", 1)[-1]


def _labelled(entry: Entry, readings: pa.Table) -> pa.Table:
    """``readings`` of one file with their tag path in front, stored once."""
    codes = pa.repeat(pa.scalar(0, pa.int32()), readings.num_rows)
    names = pa.DictionaryArray.from_arrays(codes, pa.array([entry.tagpath], pa.string()))
    return readings.add_column(0, READINGS.field("tagpath"), names)


def _any_of(patterns: Sequence[str] | None) -> re.Pattern[str]:
    for pattern in patterns or ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f'pattern "{pattern}" is not a regular expression: {error}') from None
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns or (".*",)))
