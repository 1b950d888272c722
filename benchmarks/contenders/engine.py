"""SensorStream itself, by the public functions, warm, in a process set up as the command's is: on this machine, or with
one Spark session that stays. Each round has a new ``s3_directory``.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from speak import serve, versions

import sensorstream
from sensorstream.fast_import import ours


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    ours()
    import sensorstream.pipeline.ingest

    found = {"sensorstream": sensorstream.__version__, **versions("pyarrow")}
    if not order["spark"]:
        return (order, None), found
    spark = sensorstream.spark_session(configuration(order, {"prefix": "unused"}))
    # A first task in Python, so that a worker stands ready as a peer's connection does.
    spark.range(2).mapInArrow(lambda batches: batches, "id long").count()
    return (order, spark), found | versions("pyspark")


def configuration(order: dict[str, Any], message: dict[str, Any]) -> sensorstream.Config:
    return sensorstream.load(arguments=values(order, message))


def values(order: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    """What a configuration file for a round would hold."""
    s3, db = order["s3"], order["db"]
    return {
        "db": {**db, "port": message.get("port", db["port"])},
        "bucket_name": s3["bucket"],
        "s3_endpoint_url": s3["endpoint"],
        "s3_region": s3["region"],
        "s3_directory": message["prefix"],
        "engine": order["options"].get("engine", "packed"),
        "spark_master": order["spark"].get("master"),
        "layout": order["layout"] or "auto",
    }


def window(order: dict[str, Any]) -> sensorstream.Window:
    return sensorstream.Window(*(datetime.fromtimestamp(ms / 1000, UTC) for ms in order["window_ms"]))


def run(state: Any, message: dict[str, Any]) -> dict[str, Any]:
    order, spark = state
    config, when = configuration(order, message), window(order)
    begin = time.perf_counter()
    record = sensorstream.ingest(config, when, order["patterns"], spark=spark)
    wall = time.perf_counter() - begin
    return {"wall": wall, "readings": record.rows_written, "record": record.to_json()}


if __name__ == "__main__":
    serve(prepare, run)
