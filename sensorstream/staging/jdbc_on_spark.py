"""The JDBC engine: partitioned Spark JDBC reads, rows as a DataFrame, the same cleaning and the same files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

import pyarrow as pa
from psycopg import sql

from ..config.credentials import Login, login
from ..config.settings import Config
from ..extract.pace import Pace
from ..historian import readings_sql as queries
from ..historian.connection import APPLICATION, STATEMENT_SECONDS, for_workers, reader_of, settings_query
from ..historian.watch import watched
from ..planning.make_plan import OWN_CONNECTIONS
from ..planning.plan import Plan
from ..progress.worker_messages import ProgressSender
from ..spark.jdbc_driver import DRIVER_CLASS
from ..spark.package import Sent, guarded, spark_schema
from ..transform.clean import RAW, clean
from ..transform.fingerprint import fingerprints_of_raw
from ..transform.quality import quality_rule
from ..transform.staged_rows import (
    READINGS,
    STAGED,
    Target,
    borders_ms,
    files,
    labelled,
    prints_row,
    rejected_row,
    size_of,
    tally_row,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MOST_LONG = (1 << 63) - 1
# What is cleaned and encoded together: a tag path in a stretch of time, which the plan bounds for busy tags.
GROUP = ("tagpath", "stretch")


def raw_readings(
    spark: SparkSession, plan: Plan, config: Config, *, name: str, snapshot: str | None, at_once: int
) -> DataFrame:
    """Every row of the window as the historian has it, with its tag path and the start of its stretch.

    Columns: ``tagid, source, t_stamp, value, text, dataintegrity, tagpath, stretch`` (ms since 1970). Each partition
    table is read in ``at_once`` parts, of ``t_stamp`` or, where the plan reads by tag, of ``tagid``; no more of them at
    once, by connections called ``name``. The tags come by broadcast join.
    """
    from pyspark.sql import functions as F

    where, opening = login(for_workers(config, plan.host)), _opening(name, snapshot)
    parts = [_table(spark, plan, config, number, where, opening, at_once) for number in range(len(plan.tables))]
    rows = reduce(lambda left, right: left.unionByName(right), parts).coalesce(at_once)
    if config.readings_per_second:
        per_second = config.readings_per_second / at_once

        def paced(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            """Hands batches on no faster than that, and so takes them no faster from the historian."""
            pace = Pace(per_second)
            for batch in batches:
                pace.keep(batch.num_rows, time.monotonic())
                yield batch

        rows = rows.mapInArrow(guarded(spark, paced), rows.schema)
    tags = spark.createDataFrame(
        [
            (number, part.tag.path, part.window.start_ms, part.window.end_ms)
            for share in plan.shares
            for part in share.stretches
            for number in part.tag.ids
        ],
        "id long, tagpath string, stretch long, stretch_end long",
    )
    own = (F.col("tagid") == F.col("id")) & F.col("t_stamp").between(F.col("stretch"), F.col("stretch_end") - 1)
    return rows.join(F.broadcast(tags), own).drop("id", "stretch_end")


def _table(
    spark: SparkSession, plan: Plan, config: Config, number: int, where: Login, opening: str, at_once: int
) -> DataFrame:
    table = plan.tables[number]
    query = sql.SQL("(SELECT {}::int4 AS source, r.* FROM ({}) r) readings").format(
        number, queries.rows(config.db_schema, table, plan.window, plan.ids)
    )
    bounds = {
        "time": ("t_stamp", plan.window.start_ms, plan.window.end_ms),
        "tag": ("tagid", min(plan.ids), min(max(plan.ids) + 1, MOST_LONG)),
    }
    column, first, last = bounds[plan.order]
    reader = (
        spark.read.format("jdbc")
        .option("driver", DRIVER_CLASS)
        .option("url", address(where))
        .option("user", where.user)
        .option("password", where.password or "")
        .options(sslmode=where.sslmode, **({"sslrootcert": where.sslrootcert} if where.sslrootcert else {}))
        .option("ApplicationName", APPLICATION)
        .option("dbtable", query.as_string(None))
        .option("fetchsize", config.jdbc_fetch_size)
        .option("queryTimeout", STATEMENT_SECONDS)
        .option("sessionInitStatement", opening)
        .option("partitionColumn", column)
        .option("lowerBound", first)
        .option("upperBound", last)
        .option("numPartitions", at_once)
    )
    return reader.load()


def address(where: Login) -> str:
    """The JDBC address of a database, whatever characters its name holds. Pure."""
    host = f"[{where.host}]" if ":" in where.host else where.host
    return f"jdbc:postgresql://{host}:{where.port}/{quote(where.dbname, safe='')}"


def _opening(name: str, snapshot: str | None) -> str:
    """What a connection of Spark's begins with: the snapshot, then the settings of any connection of this project."""
    steps: list[sql.Composable] = [settings_query(name)]
    if snapshot:
        begin = sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}")
        steps.insert(0, begin.format(snapshot))
    return sql.SQL("; ").join(steps).as_string(None)


def stage_jdbc(
    spark: SparkSession, plan: Plan, config: Config, snapshot: str, sender: ProgressSender | None
) -> DataFrame:
    """A lazy DataFrame of ``staged_rows.STAGED``: readings repartitioned by tag path and stretch, a group of each."""
    ends = {(part.tag.path, part.window.start_ms): part.window for share in plan.shares for part in share.stretches}
    windows, rule, target = Sent(spark, ends), quality_rule(config, plan.layout), Target.of(config)

    def encode_group(key: tuple[pa.Scalar, ...], rows: pa.Table) -> pa.Table:
        path, start = (part.as_py() for part in key)
        raw, window = rows.select(RAW.names).cast(RAW), windows.value[path, start]
        readings, tally = clean(raw, rule)
        borders = borders_ms(window, target.timezone)
        prints = prints_row([(path, borders, fingerprints_of_raw(raw, borders))])
        made = list(files(path, readings.kept, window, target))
        if sender:
            sender.about("extract", path, start).add(read=tally.read, finished=tally.read, size=size_of(made))
        found = [*made, prints, tally_row(tally)]
        if readings.rejected.num_rows:
            found.append(rejected_row([(path, readings.rejected)]))
        return pa.Table.from_pylist(found, schema=STAGED)

    at_once = config.jdbc_num_partitions - OWN_CONNECTIONS
    raw = raw_readings(spark, plan, config, name=reader_of(snapshot), snapshot=snapshot, at_once=at_once)
    return raw.groupBy(*GROUP).applyInArrow(guarded(spark, encode_group), spark_schema(STAGED))


def clean_jdbc(spark: SparkSession, plan: Plan, config: Config) -> DataFrame:
    """A lazy DataFrame of clean readings (``staged_rows.READINGS``), each query as committed when it runs."""
    name, there = f"{APPLICATION} {uuid4().hex[:8]}", for_workers(config, plan.host)
    rule = quality_rule(config, plan.layout)

    def watched_over(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with watched(login(there), [name]):
            yield from batches

    def clean_group(key: tuple[pa.Scalar, ...], rows: pa.Table) -> pa.Table:
        return labelled(key[0].as_py(), clean(rows.select(RAW.names).cast(RAW), rule)[0].kept)

    # Nobody else would see that somebody waits for what Spark reads; each task needs a connection for it.
    at_once = max(1, (config.jdbc_num_partitions - OWN_CONNECTIONS) // 2)
    raw = raw_readings(spark, plan, config, name=name, snapshot=None, at_once=at_once)
    return (
        raw.mapInArrow(guarded(spark, watched_over), raw.schema)
        .groupBy(*GROUP)
        .applyInArrow(guarded(spark, clean_group), spark_schema(READINGS))
    )
