"""A Spark job that does in small what a run does, so that its JVM knows which classes belong into the archive.

Run by ``class_archive.make`` in a process of its own; the JVM writes the archive when it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXIT_SECONDS = 120
SHAPE = "number long, data binary"


def main() -> None:
    """Start a session as a run does, exercise it, and wait until its JVM has ended."""
    from pyspark import SparkContext

    from .config import check
    from .spark import spark_session

    config = check({"db": {}, "local_path": "unused", "spark_master": "local[2]"}, where="the exercise")
    spark = spark_session(config)
    gateway = SparkContext._gateway
    exercise(spark)
    spark.stop()
    assert gateway is not None
    process = gateway.proc
    gateway.shutdown()
    process.stdin.close()
    process.wait(EXIT_SECONDS)


def exercise(spark: SparkSession) -> None:
    """Touch the classes of both engines: Arrow to and from Python, broadcast, persist, collect, shuffle, join."""
    from pyspark import StorageLevel
    from pyspark.sql import functions as F

    shared = spark.sparkContext.broadcast((1, 2))

    def encode(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            data = pa.array([bytes(shared.value)] * len(batch), pa.binary())
            yield pa.record_batch([batch.column(0), data], names=["number", "data"])

    def group(rows: pa.Table) -> pa.Table:
        return rows.select(["number", "data"])

    staged = spark.range(0, 2, 1, 2).mapInArrow(encode, SHAPE).persist(StorageLevel.MEMORY_AND_DISK_DESER)
    staged.filter("number != 7").select("number", "data").collect()
    staged.select("number").mapInArrow(lambda batches: batches, "number long").collect()
    names = spark.createDataFrame([(0, "a"), (1, "b")], "number long, name string")
    joined = staged.join(F.broadcast(names), "number").unionByName(staged.withColumn("name", F.lit("c")))
    joined.groupBy("name").applyInArrow(group, SHAPE).collect()
    spark.sparkContext.statusTracker().getActiveStageIds()
    staged.unpersist()


if __name__ == "__main__":
    main()
