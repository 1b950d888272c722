"""Spark JDBC as one would write it by hand: read in parts of time, filter, join, ``partitionBy``. To a local folder:
Spark has no S3 client here.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from query import where
from speak import serve, versions

PARTITIONS = 8
FETCH_SIZE = "10000"


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.ui.enabled": "false",
        "spark.jars": order["spark"]["jar"],
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MILLIS",
    }
    builder = SparkSession.builder.master(order["spark"]["master"])
    for key, value in settings.items():
        builder = builder.config(key, value)
    return (order, builder.getOrCreate()), versions("pyspark")


def run(state: Any, message: dict[str, Any]) -> None:
    order, spark = state
    db = order["db"]
    url = f"jdbc:postgresql://{db['host']}:{message.get('port', db['port'])}/{db['dbname']}"
    properties = {
        "user": db["user"],
        "password": db["password"],
        "driver": "org.postgresql.Driver",
        "fetchsize": FETCH_SIZE,
    }

    def read(table: str) -> DataFrame:
        start, end = order["window_ms"]
        rows = spark.read.jdbc(
            url,
            table,
            column="t_stamp",
            lowerBound=start,
            upperBound=end,
            numPartitions=PARTITIONS,
            properties=properties,
        )
        return rows.where(where(order))

    rows = reduce(DataFrame.unionByName, [read(table) for table in order["tables"]])
    tags = spark.read.jdbc(url, "sqlth_te", properties=properties).select(F.col("id").alias("tagid"), "tagpath")
    date = F.date_format("datevalue", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS")
    when = F.timestamp_millis("t_stamp")
    readings = rows.join(F.broadcast(tags), "tagid").select(
        when.alias("datetime"),
        F.coalesce("floatvalue", F.col("intvalue").cast("double")).alias("value"),
        F.coalesce("stringvalue", date).alias("text"),
        F.col("dataintegrity").alias("quality"),
        "tagpath",
        F.date_format(when, "yyyy-MM").alias("month"),
    )
    folder = Path(order["scratch"]) / "lake" / message["prefix"]
    readings.write.partitionBy("tagpath", "month").mode("overwrite").parquet(str(folder))


if __name__ == "__main__":
    serve(prepare, run)
