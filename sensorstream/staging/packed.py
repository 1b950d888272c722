"""The packed engine: PostgreSQL packs, a worker unpacks, cleans and encodes. No shuffle, no row by row.

A Spark task does one share of the plan: its threads read the share's slices, a query each, and gather what comes by
tag; a stretch of a tag whose slices have all been read is cleaned and encoded, by whichever thread is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from ..config.credentials import login
from ..config.settings import Config
from ..extract.share_reader import Fetch, Gathering, Key
from ..extract.spool import Spool
from ..extract.task_threads import work_through
from ..historian.connection import cancel
from ..historian.watch import Watch, watched
from ..planning.make_plan import Plan
from ..planning.slices import Share
from ..progress.worker_messages import Mouth
from ..spark.package import Sent, guarded
from ..transform.clean import QualityRule, Tally
from ..transform.staged_rows import (
    READINGS_DDL,
    STAGED_DDL,
    PathPrints,
    Target,
    batches,
    counts_row,
    labelled,
    prints_row,
    rejected_row,
    size_of,
    tally_row,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REJECTED_AT_ONCE = 20_000  # readings
BATCH_READINGS = 100_000


def stage_packed(
    spark: SparkSession,
    plan: Plan,
    config: Config,
    *,
    snapshot: str,
    rule: QualityRule,
    target: Target,
    mouth: Mouth | None = None,
) -> DataFrame:
    """A lazy DataFrame of ``staged_rows.STAGED``: one Spark task a share."""
    fetch = Fetch.of(plan, config, snapshot, rule, target, mouth)
    shares = Sent(spark, plan.shares)

    def task(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                yield from batches(work(fetch, shares.value[number], number))

    count = len(plan.shares)
    return spark.range(0, count, 1, max(count, 1)).mapInArrow(guarded(spark, task), STAGED_DDL)


def work(fetch: Fetch, share: Share, number: int = 0) -> Iterator[dict[str, object]]:
    """Fetch, clean and encode one share; its tally comes last."""
    total = Tally.empty()
    rejected: list[tuple[str, pa.Table]] = []
    prints: list[PathPrints] = []
    waiting = 0
    saying = fetch.mouth.about("extract", number) if fetch.mouth else None
    with Spool[Key]() as spool, closing(Gathering(fetch, share, spool, saying)) as gathering:
        for done in work_through(
            share.slices, gathering.read, gathering.encode, threads=fetch.connections, interrupt=cancel
        ):
            total.add(done.tally)
            if saying:
                saying.add(finished=done.tally.read, size=size_of(done.files))
            yield from done.files
            prints += done.prints
            rejected += done.rejected
            waiting += sum(table.num_rows for _, table in done.rejected)
            if waiting > REJECTED_AT_ONCE:
                yield rejected_row(rejected)
                rejected, waiting = [], 0
    if saying:
        saying.done()
    if rejected:
        yield rejected_row(rejected)
    yield prints_row(prints)
    yield counts_row(gathering.counted)
    yield tally_row(total)


def read_clean(fetch: Fetch, share: Share) -> Iterator[pa.Table]:
    """Fetch and clean one share: its readings (``staged_rows.READINGS``), a table a stretch.

    All slices see one state of the historian: rows that move to other pages meanwhile are read once.
    """
    with (
        watched(login(fetch.config)) as watch,
        Spool[Key]() as spool,
        closing(Gathering(in_snapshot(fetch, watch), share, spool)) as gathering,
    ):
        for found in work_through(
            share.slices, gathering.read, gathering.clean, threads=fetch.connections, interrupt=cancel
        ):
            for path, readings in found:
                if readings.kept.num_rows:
                    yield labelled(path, readings.kept)


def in_snapshot(fetch: Fetch, watch: Watch) -> Fetch:
    """``fetch`` in a snapshot that ``watch`` holds."""
    return replace(fetch, snapshot=watch.hold(fetch.config.db_schema, fetch.tables))


def clean_packed(spark: SparkSession, plan: Plan, config: Config, *, rule: QualityRule) -> DataFrame:
    """A lazy DataFrame of clean readings (``staged_rows.READINGS_DDL``), each share as committed when it begins."""
    fetch = Fetch.of(plan, config, None, rule)
    shares = Sent(spark, plan.shares)

    def task(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                for table in read_clean(fetch, shares.value[number]):
                    yield from table.to_batches(max_chunksize=BATCH_READINGS)

    count = len(plan.shares)
    return spark.range(0, count, 1, max(count, 1)).mapInArrow(guarded(spark, task), READINGS_DDL)
