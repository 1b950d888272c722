"""The JDBC engine: partitioned Spark JDBC reads, rows as a DataFrame, the same cleaning and the same files."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
from psycopg import sql

from ..config import Config
from ..credentials import login
from ..historian import readings_sql as queries
from ..planning import Plan
from ..stage import STAGED, STAGED_DDL, Target, staged, tally_row
from ..transform import RAW, QualityRule, clean

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DRIVER = "org.postgresql.Driver"
# The month that a reading belongs to is cut later, where the time zone's borders are known; a group is a tag path.
GROUP = "tagpath"


def raw_readings(spark: SparkSession, plan: Plan, config: Config, *, snapshot: str) -> DataFrame:
    """Every row of the window as the historian has it, with its tag path.

    Columns: ``tagid, source, t_stamp, value, text, dataintegrity, tagpath``. Read in ``jdbc_num_partitions`` parallel
    parts of ``t_stamp`` for each partition table, all in the run's snapshot; the tags come by broadcast join.
    """
    from pyspark.sql import functions as F

    parts = [_table(spark, plan, config, number, snapshot) for number in range(len(plan.tables))]
    rows = reduce(lambda left, right: left.unionByName(right), parts)
    tags = spark.createDataFrame(
        [(number, tag.path) for tag in plan.tags for number in tag.ids], "tagid long, tagpath string"
    )
    return rows.join(F.broadcast(tags), "tagid")


def _table(spark: SparkSession, plan: Plan, config: Config, number: int, snapshot: str) -> DataFrame:
    where = login(config)
    table = plan.tables[number]
    query = sql.SQL("(SELECT {}::int4 AS source, r.* FROM ({}) r) readings").format(
        number, queries.rows(config.db_schema, table, plan.window, plan.ids)
    )
    return (
        spark.read.format("jdbc")
        .option("driver", DRIVER)
        .option("url", f"jdbc:postgresql://{where.host}:{where.port}/{where.dbname}")
        .option("user", where.user)
        .option("password", where.password or "")
        .option("sslmode", where.sslmode)
        .option("ApplicationName", "sensorstream")
        .option("dbtable", query.as_string(None))
        .option("sessionInitStatement", _snapshot_statement(snapshot))
        .option("fetchsize", config.jdbc_fetch_size)
        .option("partitionColumn", "t_stamp")
        .option("lowerBound", plan.window.start_ms)
        .option("upperBound", plan.window.end_ms)
        .option("numPartitions", config.jdbc_num_partitions)
        .load()
    )


def _snapshot_statement(snapshot: str) -> str:
    return (
        sql.SQL("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}")
        .format(snapshot)
        .as_string(None)
    )


def stage_jdbc(
    spark: SparkSession, plan: Plan, config: Config, *, snapshot: str, rule: QualityRule, target: Target
) -> DataFrame:
    """A lazy DataFrame of ``stage.STAGED``: readings are repartitioned by tag path, one group a path."""
    intervals = spark.sparkContext.broadcast(plan.intervals())

    def encode_group(key: tuple[pa.Scalar], rows: pa.Table) -> pa.Table:
        path = key[0].as_py()
        readings, tally = clean(rows.select(RAW.names).cast(RAW), rule)
        found = [*staged(path, readings, intervals.value[path], target), tally_row(tally)]
        return pa.Table.from_pylist(found, schema=STAGED)

    raw = raw_readings(spark, plan, config, snapshot=snapshot)
    return raw.groupBy(GROUP).applyInArrow(encode_group, STAGED_DDL)
