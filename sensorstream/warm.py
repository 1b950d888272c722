"""Python workers that stay warm between the runs of a session.

Spark ends workers that had nothing to do for a minute, and with them their connections and their memory: a run after
that takes an eighth longer. Nobody can set that minute; a job of one empty task now and then has Spark wait on. Ten
minutes after the last run that ends as well, and the historian has its connections back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEPT_SECONDS = 600.0
EVERY_SECONDS = 40.0
NAME = "sensorstream warm"


class _Keeper:
    """One thread of this process, as there is one Spark; it ends with the session, or when nothing was asked of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._spark: SparkSession | None = None  # there is a thread as long as this is one

    def keep(self, spark: SparkSession) -> None:
        with self._lock:
            kept, self._spark, self._until = self._spark, spark, time.monotonic() + KEPT_SECONDS
        if kept is None:
            threading.Thread(target=self._keep, daemon=True, name=NAME).start()

    def _keep(self) -> None:
        while True:
            time.sleep(EVERY_SECONDS)
            with self._lock:
                spark = self._spark
                if spark is None or time.monotonic() >= self._until:
                    self._spark = None
                    return
            try:
                _touch(spark)
            except Exception:  # a session that has ended has no workers to be kept
                with self._lock:
                    if self._spark is spark:
                        self._spark = None
                        return


def keep_workers(spark: SparkSession) -> None:
    """Have the Python workers of this machine's ``spark`` wait for the next run, ``KEPT_SECONDS`` from now."""
    if (spark.sparkContext.master or "").startswith("local"):
        _keeper.keep(spark)


def _touch(spark: SparkSession) -> None:
    """Use one worker: that keeps all of them. Where Spark is at work nothing need be done."""
    if not spark.sparkContext.statusTracker().getActiveStageIds():
        spark.range(0, 1, 1, 1).mapInArrow(_nothing, "id long").count()


def _nothing(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


_keeper = _Keeper()
