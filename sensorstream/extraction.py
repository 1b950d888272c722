"""A plan's readings staged by Spark, computed once, and what they are: all but their bytes is brought here."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from .config import Config
from .extract import ENGINES
from .hearing import Mouth
from .lake.manifest import Entry
from .planning import Plan
from .record import reconcile
from .slicing import PageCount
from .stage import Target, read_counts, read_prints, read_rejected, read_tally
from .transform import Tally, quality_rule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def stage(config: Config, what: Plan, snapshot: str, spark: SparkSession, mouth: Mouth | None = None) -> DataFrame:
    """The plan's readings as staged files, not yet computed; at ``mouth`` the workers say how far they are."""
    rule = quality_rule(config, what.layout)
    target = Target(config.timezone, config.max_records_per_file)
    return ENGINES[config.engine](spark, what, config, snapshot=snapshot, rule=rule, target=target, mouth=mouth)


@contextmanager
def persisted(staged: DataFrame) -> Iterator[DataFrame]:
    """Staged files computed once: kept in memory, or on disk where that is short, until the block ends.

    As they are: Python's ``MEMORY_AND_DISK`` would serialize and compress what is compressed already.
    """
    from pyspark import StorageLevel

    kept = staged.persist(StorageLevel.MEMORY_AND_DISK_DESER)
    try:
        yield kept
    finally:
        kept.unpersist()


@dataclass(frozen=True)
class Contents:
    """Readings of a tag path in a part of time, and how many of them have a value or a text."""

    readings: int = 0
    values: int = 0
    texts: int = 0

    @staticmethod
    def of(readings: pa.Table) -> Contents:
        """What a table of readings holds."""
        valued, worded = (readings.num_rows - readings.column(name).null_count for name in ("value", "text"))
        return Contents(readings.num_rows, valued, worded)

    def __add__(self, other: Contents) -> Contents:
        return Contents(self.readings + other.readings, self.values + other.values, self.texts + other.texts)


@dataclass(frozen=True)
class Measured:
    """What the staged files hold: their statistics, the counts of their readings, what each (by its key) contains, the
    rejected readings, and the fingerprints of all that was read (``stage.PRINTS``). And what PostgreSQL counted on the
    way."""

    entries: list[Entry]
    contents: Mapping[str, Contents]
    tally: Tally
    rejected_streams: list[bytes]
    prints: pa.Table
    counts: list[PageCount]

    @cached_property
    def rejected(self) -> pa.Table:
        """``stage.REJECTED_OF_RUN``; unpacked when it is asked for."""
        return read_rejected(self.rejected_streams)

    def reconcile(self, source: int) -> None:
        """Hold the counts against the historian's own; ``NotReconciled`` names the difference."""
        tally = self.tally
        reconcile(
            read=tally.read,
            written=sum(entry.rows for entry in self.entries),
            rejected=sum(tally.rejected.values()),
            deduplicated=tally.deduplicated,
            source=source,
        )


def measure(staged: DataFrame) -> Measured:
    """Compute the staged files (they stay persisted) and collect all but their bytes."""
    columns = list(Entry.__dataclass_fields__)
    found = staged.drop("data").toArrow()  # to name the columns that stay takes 50 ms more
    kinds: dict[str, list[dict[str, Any]]] = {"file": [], "rejected": [], "prints": [], "counts": [], "tally": []}
    for row in found.to_pylist():
        kinds[row["kind"]].append(row)
    total = Tally.empty()
    for row in kinds["tally"]:
        total.add(read_tally(row["tally"]))
    files = [(Entry(*(row[column] for column in columns)), row) for row in kinds["file"]]
    return Measured(
        entries=sorted(entry for entry, _ in files),
        contents={entry.key: Contents(entry.rows, row["valued"], row["worded"]) for entry, row in files},
        tally=total,
        rejected_streams=[row["small"] for row in kinds["rejected"]],
        prints=read_prints(row["small"] for row in kinds["prints"]),
        counts=read_counts(row["tally"] for row in kinds["counts"]),
    )


def parquet_or_none(table: pa.Table) -> bytes | None:
    return parquet(table) if table.num_rows else None


def parquet(table: pa.Table) -> bytes:
    """A table as one Parquet file; as in ``encode``, what hardly repeats gets no dictionary."""
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    numbers = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=[name for name in table.schema.names if name not in (*times, *numbers)],
        column_encoding=dict.fromkeys(times, "DELTA_BINARY_PACKED"),
        row_group_size=1_000_000,
    )
    return sink.getvalue()
