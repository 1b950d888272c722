"""The packed engine: PostgreSQL packs, a worker unpacks, cleans and encodes. No shuffle, no row by row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from ..config import Config
from ..credentials import login
from ..historian import PartitionTable, snapshot_connection
from ..historian import readings_sql as queries
from ..historian.connect import source_errors
from ..planning import Plan, Slice
from ..stage import STAGED_DDL, Target, batches, staged, tally_row
from ..transform import RAW, QualityRule, Tally, clean, concat
from .unpack import unpack

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# A slice's packed values stay in memory while they grow; above this PostgreSQL spills to disk.
WORK_MEM = "256MB"


@dataclass(frozen=True)
class Fetch:
    """What a task needs besides its slice. Carries the configuration; the login is looked up where it is used."""

    config: Config
    tables: tuple[PartitionTable, ...]
    snapshot: str
    rule: QualityRule
    target: Target


def stage_packed(
    spark: SparkSession, plan: Plan, config: Config, *, snapshot: str, rule: QualityRule, target: Target
) -> DataFrame:
    """A lazy DataFrame of ``stage.STAGED``: one Spark task a slice."""
    fetch = Fetch(config, plan.tables, snapshot, rule, target)
    slices = spark.sparkContext.broadcast(plan.slices)

    def task(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                yield from batches(work(fetch, slices.value[number]))

    count = len(plan.slices)
    return spark.range(0, count, 1, max(count, 1)).mapInArrow(task, STAGED_DDL)


def work(fetch: Fetch, piece: Slice) -> Iterator[dict[str, object]]:
    """Fetch, clean and encode one slice."""
    ids = [number for tag in piece.tags for number in tag.ids]
    raw: dict[int, list[pa.Table]] = defaultdict(list)
    where = login(fetch.config)
    with snapshot_connection(where, fetch.snapshot) as connection, source_errors(where, "reading readings"):
        connection.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
        for window in piece.pieces:
            for source, table in enumerate(fetch.tables):
                query = queries.packed(fetch.config.db_schema, table, window, ids)
                for tagid, quality, kind, count, heads, texts in connection.cursor(binary=True).stream(query):
                    raw[tagid].append(unpack(tagid, quality, kind, count, heads, texts, source=source))
    tally = Tally.empty()
    for tag in piece.tags:
        parts = [part for number in tag.ids for part in raw.pop(number, ())]
        if parts:
            readings, counts = clean(tag.path, concat(parts, RAW), fetch.rule)
            tally.add(counts)
            yield from staged(tag.path, readings, fetch.target)
    yield tally_row(tally)
