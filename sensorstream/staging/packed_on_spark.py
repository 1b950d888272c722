"""The packed engine on Spark: PostgreSQL packs, a task does one share of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from ..config.settings import Config
from ..extract.share_reader import Fetch
from ..planning.plan import Plan
from ..planning.slices import Share
from ..progress.worker_messages import ProgressSender
from ..spark.package import Sent, guarded, spark_schema
from ..transform.quality import quality_rule
from ..transform.staged_rows import READINGS, STAGED, Target, batches
from .encode_share import clean_share, encode_share

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BATCH_READINGS = 100_000


def stage_packed(
    spark: SparkSession, plan: Plan, config: Config, snapshot: str, sender: ProgressSender | None
) -> DataFrame:
    """A lazy DataFrame of ``staged_rows.STAGED``."""
    fetch, rule, target = Fetch.of(plan, config, snapshot, sender), quality_rule(config, plan.layout), Target.of(config)

    def stage(share: Share, number: int) -> Iterator[pa.RecordBatch]:
        return batches(encode_share(fetch, share, rule, target, number))

    return _task_each(spark, plan, stage, STAGED)


def clean_packed(spark: SparkSession, plan: Plan, config: Config) -> DataFrame:
    """A lazy DataFrame of clean readings (``staged_rows.READINGS``), each share as committed when it begins."""
    fetch, rule = Fetch.of(plan, config, None), quality_rule(config, plan.layout)

    def clean(share: Share, number: int) -> Iterator[pa.RecordBatch]:
        for table in clean_share(fetch, share, rule):
            yield from table.to_batches(max_chunksize=BATCH_READINGS)

    return _task_each(spark, plan, clean, READINGS)


def _task_each(
    spark: SparkSession, plan: Plan, work: Callable[[Share, int], Iterator[pa.RecordBatch]], schema: pa.Schema
) -> DataFrame:
    """A lazy DataFrame of what ``work`` makes of each share and its number, one Spark task a share."""
    shares = Sent(spark, plan.shares)

    def task(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                yield from work(shares.value[number], number)

    count = len(plan.shares)
    return spark.range(0, count, 1, max(count, 1)).mapInArrow(guarded(spark, task), spark_schema(schema))
