"""Readings out of the lake: a window of some tags for Arrow, pandas, Polars or Spark.

What is committed is what the manifest names; nothing else under the prefix is looked at. The historian is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import pyarrow as pa

from ..config.credentials import without_password
from ..config.settings import Config
from ..errors import ConfigError, LakeError
from ..extras import needs
from ..spark.package import guarded, here, spark_schema
from ..transform.readings import SCHEMA
from ..transform.readings import inside as within
from ..transform.staged_rows import READINGS as SPELLED_OUT
from ..transform.staged_rows import labelled as spelled_out
from ..windows import Moment, Window, WindowLike, as_window, day_window, instant, zone
from .concurrency import at_once
from .data_files import read_entry, why_gone
from .manifest import ROOT, DataFile, Manifest, StateGone, at_one_commit, chosen, read_manifest
from .sound import MEND
from .stores import Store, open_store
from .tag_metadata import read_tags
from .wide import Take, step_ms, widened

if TYPE_CHECKING:
    import pandas
    import polars
    from pyspark.sql import DataFrame, SparkSession

READINGS = pa.schema([("tagpath", pa.dictionary(pa.int32(), pa.string())), *SCHEMA])
FETCHES_AT_ONCE = 32  # 1,000 files of a store that answers in 25 ms come in 1.3 s so, by 8 in 3.7 s
Patterns = str | Sequence[str] | None

Start = Moment | WindowLike
Listed = Callable[[Manifest, Config, Window, Patterns], list[DataFile]]


class How(TypedDict, total=False):
    """What ``read_lake`` takes beside the window and patterns, for type checkers."""

    tags: Sequence[str] | None
    wide: bool
    every: str
    take: Take
    as_of: Moment | None


@overload
def read_lake(
    config: Config, start: Start, end: Moment | None = None, patterns: Patterns = None, *,
    into: Literal["arrow"] = "arrow", **how: Unpack[How],
) -> pa.Table: ...  # fmt: skip
@overload
def read_lake(
    config: Config, start: Start, end: Moment | None = None, patterns: Patterns = None, *, into: Literal["pandas"],
    **how: Unpack[How],
) -> pandas.DataFrame: ...  # fmt: skip
@overload
def read_lake(
    config: Config, start: Start, end: Moment | None = None, patterns: Patterns = None, *, into: Literal["polars"],
    **how: Unpack[How],
) -> polars.DataFrame: ...  # fmt: skip
@overload
def read_lake(
    config: Config, start: Start, end: Moment | None = None, patterns: Patterns = None, *, into: Literal["spark"],
    spark: SparkSession | None = None, persist: bool = False, tags: Sequence[str] | None = None,
    as_of: Moment | None = None,
) -> DataFrame: ...  # fmt: skip
def read_lake(
    config: Config,
    start: Start,
    end: Moment | None = None,
    patterns: Patterns = None,
    *,
    tags: Sequence[str] | None = None,
    wide: bool = False,
    every: str = "1min",
    take: Take = "mean",
    into: Literal["arrow", "pandas", "polars", "spark"] = "arrow",
    as_of: Moment | None = None,
    spark: SparkSession | None = None,
    persist: bool = False,
) -> Any:
    """The readings of a window, or from ``start`` to before ``end``, as one run left them.

    Parameters
    ----------
    config
        Where the lake is, see ``load``; the historian is not needed.
    start, end
        Half open. Text as ISO 8601, a date or a datetime; a date is midnight in the configured time zone, a time
        without offset is local to it. Whole seconds. Without ``end`` a ``Window``, or a day, which is the whole of it.
    patterns
        Regular expressions (Python's) searched in the whole tag path, any one is enough; every tag by default.
    tags
        Tag paths as they are, in place of patterns.
    wide, every, take
        A column for each of ``tags`` (by default for each tag of the window) and a row for each step of ``every``, such
        as ``10s``, ``1min``, ``1h``: the ``mean`` of the numbers in it, or the ``last`` reading up to its end.
    into
        ``arrow``, ``pandas`` and ``polars`` hold the readings in memory, in order of tag path and time; ``spark`` is
        a lazy DataFrame of which the workers fetch the files, in no order.
    as_of
        The lake as it was then, where it is an Iceberg table that still has that state (``keep_days``).
    spark
        The session for ``into="spark"``; by default the one that runs, else a new one as ``config`` asks for it.
    persist
        Keep the Spark DataFrame (``MEMORY_AND_DISK_DESER``) once it was read.

    Returns
    -------
    pyarrow.Table, pandas.DataFrame, polars.DataFrame or pyspark.sql.DataFrame
        ``tagpath`` (a dictionary, category), ``datetime`` (UTC, milliseconds; Spark holds microseconds), ``value``,
        ``text``, ``quality``. Without a reading in the window: these columns, empty. With ``wide``: ``datetime``, where
        a step begins, and the tags; empty where a step has no number, and where no reading came before.

    Raises
    ------
    LakeError
        There is no lake, the store failed, or a file is missing or not what was committed. From a Spark DataFrame a
        file's error comes when it is read.
    ConfigError
        No window, a pattern that is no regular expression, a tag that the lake does not have, a step that is none, or
        a library that is not installed.
    """
    window = as_window(start if end is None else (start, end), config.timezone)  # type: ignore[arg-type]
    if tags is not None and patterns is not None:
        raise ConfigError("tags and patterns: give one of them")
    if tags is not None:
        tags = [tags] if isinstance(tags, str) else list(dict.fromkeys(tags))
        _refuse_unknown(config, tags)
        patterns = [rf"\A{re.escape(path)}\Z" for path in tags] or [r"\A\Z"]
    if into not in ("arrow", "pandas", "polars", "spark"):
        raise ConfigError(f'into "{into}" is none of arrow, pandas, polars, spark')
    listed = partial(_entries_as_of, instant=instant(as_of, config.timezone)) if as_of is not None else _entries
    if into == "spark":
        if wide:
            raise ConfigError('wide goes with into="arrow", "pandas" or "polars": leave it out')
        return _spark_readings(config, window, patterns, listed, spark, persist=persist)
    if persist or spark:
        raise ConfigError(f'persist and spark go with into="spark", not with into="{into}": leave them out')
    _usable(into)  # before anything is read
    if wide:
        step_ms(every)
    readings = _arrow_readings(config, window, patterns, listed)
    return converted(widened(readings, tags, window, every, take) if wide else readings, into)


def _refuse_unknown(config: Config, paths: Sequence[str]) -> None:
    """``ConfigError`` for a tag path that the lake does not have and the last run did not see in the historian."""
    known: set[str] = set()
    with suppress(LakeError):  # none there, or none that can be read: the lake's own paths tell as well
        known = set(read_tags(open_lake(config)).column("tagpath").to_pylist())
    if not known.issuperset(paths):
        known |= {path for path, _ in places(config)}  # retired ones, and what was published without a historian
    if unknown := next((path for path in paths if path not in known), None):
        near = get_close_matches(unknown, known, 1)
        meant = f': did you mean "{near[0]}"?' if near else ": read a pattern of it first to see what there is"
        raise ConfigError(f'tag "{unknown}" is not in lake {config.lake}{meant}')


def converted(readings: pa.Table, into: Literal["arrow", "pandas", "polars"]) -> Any:
    """A table as another library has it; ``ConfigError`` where that one is not installed."""
    _usable(into)
    if into == "polars":
        import polars

        return polars.from_arrow(readings)
    return readings.to_pandas() if into == "pandas" else readings


def entries(config: Config, window: Window, patterns: Patterns = None) -> list[DataFile]:
    """Committed files that hold readings of ``window``, by tag path and time; none where there is no lake yet.

    ``patterns`` as for ``read_lake``.
    """
    return at_one_commit(open_store(config), lambda manifest: _entries(manifest, config, window, patterns))


def places(config: Config) -> list[tuple[str, str]]:
    """Every tag path and month that has committed readings: the partitions of the lake, in order."""

    def look(manifest: Manifest) -> list[tuple[str, str]]:
        months = present(manifest, config).months
        return sorted(
            {(path, month) for month in months for path in manifest.files(month)["tagpath"].unique().to_pylist()}
        )

    return at_one_commit(open_lake(config), look)


def metadata(config: Config) -> str:
    """The key of the metadata of the Iceberg table that the lake is."""
    manifest = present(read_manifest(open_lake(config)), config).of_its_kind()
    return dict(manifest.root.iceberg or {}).get("metadata", "")


def _entries(manifest: Manifest, config: Config, window: Window, patterns: Patterns) -> list[DataFile]:
    wanted = _any_of(patterns)
    found: list[DataFile] = []
    for month, _ in window.months(manifest.root.timezone or config.timezone):  # the lake's, whoever reads it
        files = manifest.files(month)
        paths = [path for path in files.column("tagpath").unique().to_pylist() if wanted.search(path)]
        found += (DataFile(month=month, **row) for row in chosen(files, window, paths).to_pylist())
    return sorted(entry for entry in found if entry.reaches(window))


def _entries_as_of(
    manifest: Manifest, config: Config, window: Window, patterns: Patterns, *, instant: datetime
) -> list[DataFile]:
    if not manifest.root.is_table:
        raise ConfigError(f'lake {config.lake} is no Iceberg table: as_of needs one ("iceberg")')
    needs("as_of", iceberg=("pyiceberg",))
    from .iceberg.table import LakeTable

    table, wanted = LakeTable(manifest.store, manifest.root.iceberg), _any_of(patterns)
    months = {month for month, _ in window.months(manifest.root.timezone or config.timezone)}
    found = table.files(table.as_of(instant), months=months).values()
    return sorted(entry for entry in found if entry.reaches(window) and wanted.search(entry.tagpath))


def _arrow_readings(config: Config, window: Window, patterns: Patterns, listed: Listed) -> pa.Table:
    store = open_lake(config)

    def look(manifest: Manifest) -> pa.Table:
        def one(entry: DataFile) -> pa.Table:
            try:
                return labelled(entry.tagpath, within(read_entry(store, entry, manifest), window))
            except StateGone:
                if read_manifest(store).version != manifest.version:
                    raise  # another run has committed: all is looked at again
                why = why_gone(store, entry)
                raise LakeError(f"lake {store.place}: {entry.key} {why}: {MEND}") from None

        chosen = listed(present(manifest, config), config, window, patterns)
        with at_once(FETCHES_AT_ONCE) as pool:
            parts = list(pool.map(one, chosen))
        return pa.concat_tables(parts).unify_dictionaries() if parts else READINGS.empty_table()

    return at_one_commit(store, look)


def _spark_readings(
    config: Config, window: Window, patterns: Patterns, listed: Listed, spark: SparkSession | None, *, persist: bool
) -> DataFrame:
    """The same as a lazy DataFrame; the workers fetch the files, from S3 as from a folder."""
    found = at_one_commit(open_lake(config), lambda now: listed(present(now, config), config, window, patterns))
    if spark is None:
        from ..spark.session import spark_session

        spark = spark_session(config)
    if config.local_path and not here(spark):
        raise ConfigError(
            f"the lake is a folder of this machine ({config.local_path}), which executors of"
            f' {spark.sparkContext.master} do not see: read it into="arrow", or keep the lake in a bucket'
        )
    reaching = without_password(config)

    def fetch(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(reaching)
        for batch in batches:
            manifest = read_manifest(store)
            for row in batch.to_pylist():
                entry = DataFile(**row)
                try:
                    readings = within(read_entry(store, entry, manifest), window)
                except StateGone:
                    remedy = "read again if a run has replaced it since the DataFrame was made, else run verify"
                    why = why_gone(store, entry)
                    raise LakeError(f"lake {store.place}: {entry.key} {why}: {remedy}") from None
                yield from spelled_out(entry.tagpath, readings).to_batches()

    if found:
        pieces = min(len(found), 4 * spark.sparkContext.defaultParallelism)
        files = spark.createDataFrame(pa.Table.from_pylist([asdict(entry) for entry in found])).repartition(pieces)
        frame = files.mapInArrow(guarded(spark, fetch), spark_schema(SPELLED_OUT))
    else:
        frame = spark.createDataFrame(SPELLED_OUT.empty_table())
    if persist:
        from pyspark import StorageLevel

        frame = frame.persist(StorageLevel.MEMORY_AND_DISK_DESER)
    return frame


def tags(config: Config, pattern: str = ".*") -> pa.Table:
    """Tags that the last run saw in the historian, with their metadata, those whose path matches ``pattern``."""
    found = read_tags(open_lake(config))
    wanted = _any_of([pattern])
    return found.filter(
        pa.array([bool(wanted.search(path)) for path in found.column("tagpath").to_pylist()], pa.bool_())
    )


def last_day(config: Config, tagpaths: Collection[str] = ()) -> Window:
    """The last day, in the configured time zone, of which the lake holds a reading; with ``tagpaths`` one of theirs."""
    store = open_lake(config)

    def look(manifest: Manifest) -> DataFile:
        for month in sorted(manifest.months, reverse=True):
            entries = [one for one in manifest.entries(month) if not tagpaths or one.tagpath in tagpaths]
            if entries:
                return max(entries, key=lambda entry: entry.last_ms)
        of = f" of {', '.join(sorted(tagpaths)[:3])}" if tagpaths else ""
        raise LakeError(f"lake {store.place} holds no reading{of}: run ingest first")

    newest = at_one_commit(store, look)
    last = newest.interval.start + timedelta(milliseconds=newest.last_ms - newest.interval.start_ms)
    return day_window(last.astimezone(zone(config.timezone)).date(), config.timezone)


def area(tagpath: str) -> str:
    """Where a tag is: its first two folders, without a ``[provider]``; ``plant1/press`` for example."""
    folders = re.sub(r"^\[[^\]]*\]", "", tagpath).split("/")[:-1]
    return "/".join(folders[:2]) or "(no area)"


def measure(tagpath: str) -> str:
    """What a tag measures: the last part of its path."""
    return tagpath.rsplit("/", 1)[-1]


def open_lake(config: Config) -> Store:
    """The store of a lake that is there to be read; nothing is made where nothing is."""
    if config.local_path and not Path(config.local_path).is_dir():
        raise LakeError(f'lake folder {config.local_path} does not exist: check "local_path" or run ingest first')
    return open_store(config)


def present(manifest: Manifest, config: Config) -> Manifest:
    """``manifest`` where there is one; ``LakeError`` that says what is there instead."""
    if manifest.version is not None:
        return manifest
    keys = '"bucket_name" and "s3_directory"' if config.bucket_name else '"local_path"'
    found = [key for key, _ in islice(manifest.store.list(), 2)]
    there = f"it holds {found[0]}{' and more' if found[1:] else ''}" if found else "it holds nothing"
    raise LakeError(f"lake {config.lake} has no {ROOT} ({there}): check {keys} or run ingest first")


def _usable(into: str) -> None:
    if into in ("pandas", "polars") and find_spec(into) is None:
        raise ConfigError(f'into="{into}" needs {into}: pip install {into}')


def labelled(tagpath: str, readings: pa.Table) -> pa.Table:
    """``readings`` of one tag with their tag path in front, stored once."""
    codes = pa.repeat(pa.scalar(0, pa.int32()), readings.num_rows)
    names = pa.DictionaryArray.from_arrays(codes, pa.array([tagpath], pa.string()))
    return readings.add_column(0, READINGS.field("tagpath"), names)


def _any_of(patterns: Patterns) -> re.Pattern[str]:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    for pattern in patterns or ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f'pattern "{pattern}" is not a regular expression: {error}') from None
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns or (".*",)))
