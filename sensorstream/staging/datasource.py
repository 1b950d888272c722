"""``spark.read.format("historian")``: clean readings of a historian as a DataFrame, through the packed engine.

::

    spark.read.format("historian").option("config", "config.json").option("date", "2026-10-14").load()

Options: ``config`` (a path; the password stays in the file or in Secrets Manager), ``config_source``, the window as on
the command line (``date``, or ``start`` and ``end``), ``patterns`` (one regular expression, or a JSON list of them).
Filters on ``tagpath`` and ``datetime`` choose what is read; columns that ``.schema(...)`` leaves out are not built.
Every query sees what is committed when it runs: a DataFrame that is used twice is persisted first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import (
    DataSource,
    DataSourceReader,
    EqualTo,
    Filter,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    InputPartition,
    IsNotNull,
    LessThan,
    LessThanOrEqual,
    StringStartsWith,
)
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from ..config.settings import Config
from ..config.sources import load
from ..errors import ConfigError
from ..extract.share_reader import Fetch
from ..historian import open_historian
from ..planning.make_plan import make_plan
from ..planning.plan import workers_of
from ..planning.slices import Share
from ..spark.session import master
from ..transform.quality import QualityRule, quality_rule
from ..transform.staged_rows import READINGS
from ..windows import Window, window_of
from .encode_share import clean_share
from .packed_on_spark import BATCH_READINGS

OPTIONS = ("config", "config_source", "date", "start", "end", "patterns")


class HistorianSource(DataSource):
    """Registered with every session that ``sensorstream.spark_session`` makes."""

    @classmethod
    def name(cls) -> str:
        return "historian"

    def schema(self) -> StructType:
        return from_arrow_schema(READINGS)

    def reader(self, schema: StructType) -> HistorianReader:
        unknown = [name for name in schema.names if name not in READINGS.names]
        if unknown:
            raise ConfigError(f"column {unknown[0]} is none of the historian's: they are {', '.join(READINGS.names)}")
        return HistorianReader(dict(self.options), schema.names)


@dataclass
class SharePartition(InputPartition):
    """One share of the plan, and what its worker needs to read it."""

    fetch: Fetch
    share: Share
    rule: QualityRule


class HistorianReader(DataSourceReader):
    """Plans on the driver, reads a share on a worker."""

    def __init__(self, options: dict[str, str], columns: Sequence[str]) -> None:
        unknown = [name for name in options if name not in OPTIONS and name != "path"]
        if unknown:
            raise ConfigError(f"option {unknown[0]} is none of {', '.join(OPTIONS)}")
        source: Any = options.get("config_source", "file")
        self.config: Config = load(options.get("config"), source=source)
        self.window: Window = window_of(
            self.config.timezone, day=options.get("date"), start=options.get("start"), end=options.get("end")
        )
        self.patterns = _patterns(options.get("patterns")) or self.config.sensor_patterns
        self.columns = list(columns)
        self.wanted = Wanted()

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:
        """Take what narrows tags or window; times are pushed by whole seconds, so Spark still looks at them."""
        for found in filters:
            self.wanted, exact = self.wanted.narrowed(found)
            if not exact:
                yield found

    def partitions(self) -> Sequence[SharePartition]:
        window = self.wanted.window(self.window)
        if window is None:
            return []
        with open_historian(self.config) as historian:
            workers, only = workers_of(master(self.config)), self.wanted.takes
            plan = make_plan(historian, self.config, window, self.patterns, workers=workers, only=only, alone=True)
        rule, fetch = quality_rule(self.config, plan.layout), Fetch.of(plan, self.config, None)
        return [SharePartition(fetch, share, rule) for share in plan.shares]

    def read(self, partition: InputPartition | None) -> Iterator[pa.RecordBatch]:
        if not isinstance(partition, SharePartition):
            return  # Spark's stand-in where the plan has no share
        for table in clean_share(partition.fetch, partition.share, partition.rule):
            yield from table.select(self.columns).to_batches(max_chunksize=BATCH_READINGS)


@dataclass(frozen=True)
class Wanted:
    """What filters ask for: tag paths, beginnings of tag paths, a span of time. ``None`` is anything."""

    paths: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None  # inclusive

    def narrowed(self, found: Filter) -> tuple[Wanted, bool]:
        """With ``found`` as well, and whether that is all that ``found`` asks for."""
        match found:
            case IsNotNull(("tagpath",) | ("datetime",)):
                return self, True
            case EqualTo(("tagpath",), str(path)):
                return self._paths([path]), True
            case In(("tagpath",), tuple(paths)):
                return self._paths([path for path in paths if isinstance(path, str)]), True
            case StringStartsWith(("tagpath",), str(prefix)):
                return Wanted(self.paths, (*self.prefixes, prefix), self.start, self.end), True
            case EqualTo(("datetime",), datetime() as time):
                return self._times(_utc(time), _utc(time)), False
            case GreaterThan(("datetime",), datetime() as time) | GreaterThanOrEqual(("datetime",), datetime() as time):
                return self._times(_utc(time), None), False
            case LessThan(("datetime",), datetime() as time) | LessThanOrEqual(("datetime",), datetime() as time):
                return self._times(None, _utc(time)), False
        return self, False

    def takes(self, tagpath: str) -> bool:
        return (self.paths is None or tagpath in self.paths) and all(tagpath.startswith(p) for p in self.prefixes)

    def window(self, whole: Window) -> Window | None:
        """The part of ``whole`` that is asked for, by whole seconds outwards."""
        second = timedelta(seconds=1)
        start = max(whole.start, self.start.replace(microsecond=0)) if self.start else whole.start
        end = self.end.replace(microsecond=0) + second if self.end and self.end < whole.end else whole.end
        return Window(start, end) if start < end else None

    def _paths(self, paths: Sequence[str]) -> Wanted:
        both = frozenset(paths) if self.paths is None else self.paths & frozenset(paths)
        return Wanted(both, self.prefixes, self.start, self.end)

    def _times(self, start: datetime | None, end: datetime | None) -> Wanted:
        latest = max((t for t in (self.start, start) if t), default=None)
        earliest = min((t for t in (self.end, end) if t), default=None)
        return Wanted(self.paths, self.prefixes, latest, earliest)


def _utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:  # at either end of what a datetime holds, where a zone's hours do not matter
        return time.replace(tzinfo=UTC)


def _patterns(option: str | None) -> tuple[str, ...]:
    if not option:
        return ()
    try:
        found = json.loads(option)
    except json.JSONDecodeError:
        return (option,)  # a regular expression may begin like a list
    return tuple(map(str, found)) if isinstance(found, list) else (option,)
