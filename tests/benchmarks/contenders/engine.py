"""SensorStream itself, by the public functions: one warm Spark session, a new ``s3_directory`` each round."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from speak import serve, versions

import sensorstream


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    spark = sensorstream.spark_session(configuration(order, {"prefix": "unused"}))
    # A first task in Python, so that a worker stands ready as a peer's connection does.
    spark.range(2).mapInArrow(lambda batches: batches, "id long").count()
    return (order, spark), {"sensorstream": sensorstream.__version__, **versions("pyspark", "pyarrow")}


def configuration(order: dict[str, Any], message: dict[str, Any]) -> sensorstream.Config:
    s3, db = order["s3"], order["db"]
    return sensorstream.load(
        arguments={
            "db": {**db, "port": message.get("port", db["port"])},
            "bucket_name": s3["bucket"],
            "s3_endpoint_url": s3["endpoint"],
            "s3_region": s3["region"],
            "s3_directory": message["prefix"],
            "engine": order["options"]["engine"],
            "spark_master": order["spark"]["master"],
        }
    )


def run(state: Any, message: dict[str, Any]) -> dict[str, Any]:
    order, spark = state
    start, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in order["window_ms"])
    window = sensorstream.Window(start, end)
    begin = time.perf_counter()
    record = sensorstream.ingest(configuration(order, message), window, order["patterns"], spark=spark)
    wall = time.perf_counter() - begin
    return {"wall": wall, "readings": record.rows_written, "record": record.to_json()}


if __name__ == "__main__":
    serve(prepare, run)
