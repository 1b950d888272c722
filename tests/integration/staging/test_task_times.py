"""What the run record says of Spark's tasks: times, skew and spill, of that run alone."""

from __future__ import annotations

import time

from pyspark.sql import functions as F

from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.run_record import summary
from sensorstream.staging.task_times import stages_of


def test_a_task_that_takes_longer_and_what_found_no_memory_show(spark):
    def one_is_slow(batches):
        for batch in batches:
            time.sleep(3 * (batch.column(0)[0].as_py() == 3))
            yield batch

    numbers = spark.range(0, 4, 1, 4)
    numbers.mapInArrow(one_is_slow, "id long").collect()  # of the next ones none starts a Python
    spark.conf.set("spark.sql.windowExec.buffer.in.memory.threshold", 1)
    spark.conf.set("spark.sql.windowExec.buffer.spill.threshold", 400)
    try:
        with stages_of(spark) as skewed:
            numbers.mapInArrow(one_is_slow, "id long").collect()
        with stages_of(spark) as spilled:
            spark.range(1000).selectExpr("id", "sum(id) OVER () AS total").agg(F.sum("total")).collect()
    finally:
        spark.conf.unset("spark.sql.windowExec.buffer.in.memory.threshold")
        spark.conf.unset("spark.sql.windowExec.buffer.spill.threshold")
    (stage,) = skewed
    assert (stage["tasks"], stage["spilled_bytes"]) == (4, 0)
    assert stage["task_seconds"]["max"] >= 3 > stage["task_seconds"]["median"] > 0
    assert sum(stage["spilled_bytes"] for stage in spilled) > 1000


def test_a_run_on_spark_records_its_tasks_and_no_other_has_any(plant, make_config, spark):
    record = ingest(make_config(), plant.window, spark=spark)
    assert [stage["tasks"] for stage in record.spark_stages] == [1]  # a share of the plan
    assert "longest" in summary(record)["Spark's tasks"]
    here = ingest(make_config(), plant.window)
    assert here.spark_stages is None and "Spark's tasks" not in summary(here)
