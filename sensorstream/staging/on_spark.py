"""Shares done by the executors of Spark: staged files persisted, computed once, and put by those that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..config.settings import Config
from ..planning.plan import Plan, Workers, workers_of
from ..progress.steps import Progress, watched
from ..progress.worker_messages import ProgressReceiver, listening
from ..spark.session import Starting, master, spark_errors, start_early
from .jdbc_on_spark import stage_jdbc
from .measured import Measured, measured
from .packed_on_spark import stage_packed
from .staged_files import Staged, StagedOnSpark
from .task_times import stages_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


ENGINES = {"packed": stage_packed, "jdbc": stage_jdbc}  # each reads the same plan and stages the same files


class OnSpark:
    """The session that is handed over, else that of the configuration's master, which starts beside the plan."""

    def __init__(self, config: Config, spark: SparkSession | None = None) -> None:
        self._master = spark.sparkContext.master if spark else master(config)
        self._starting: Starting | None = None if spark else start_early(config)
        self.stages: list[dict[str, Any]] = []
        if spark:
            self.session = spark

    @cached_property
    def session(self) -> SparkSession:
        assert self._starting is not None
        return self._starting.result()

    @property
    def where(self) -> str:
        return f"Spark {self._master}"

    @property
    def workers(self) -> Workers:
        return workers_of(self._master)

    def start(self) -> None:
        self.session  # noqa: B018

    def close(self) -> None:
        if self._starting:
            self._starting.close()

    def listening(self, wanted: bool) -> AbstractContextManager[ProgressReceiver | None]:
        with spark_errors():
            conf = self.session.sparkContext.getConf()
            host = conf.get("spark.driver.host") or "127.0.0.1"
            address = conf.get("spark.driver.bindAddress") or host
        return listening(host, address, wanted)

    def watched(
        self, phase: str, tell: Progress | None, receiver: ProgressReceiver | None = None, expected: int = 0
    ) -> AbstractContextManager[None]:
        return watched(phase, tell, receiver, expected, self._tasks)

    def _tasks(self) -> Iterator[tuple[int, int, int]]:
        """Of each stage at work its number, how many of its tasks are done, and how many it has."""
        tracker = self.session.sparkContext.statusTracker()
        for stage in tracker.getActiveStageIds():
            if info := tracker.getStageInfo(stage):
                yield stage, info.numCompletedTasks, info.numTasks

    @contextmanager
    def staged(
        self, config: Config, plan: Plan, snapshot: str, receiver: ProgressReceiver | None = None
    ) -> Iterator[tuple[Staged, Measured]]:
        sender = receiver.sender if receiver else None
        with spark_errors(), persisted(ENGINES[config.engine](self.session, plan, config, snapshot, sender)) as files:
            with stages_of(self.session) as stages:
                found = measure(files)
            self.stages += stages
            yield StagedOnSpark(files, found.entries, config, sender), found


@contextmanager
def persisted(staged: DataFrame) -> Iterator[DataFrame]:
    """Staged files computed once: kept in memory, or on disk where that is short, until the block ends.

    As they are: Python's ``MEMORY_AND_DISK`` would serialize and compress what is compressed already.
    """
    from pyspark import StorageLevel

    kept = staged.persist(StorageLevel.MEMORY_AND_DISK_DESER)
    try:
        yield kept
    finally:
        kept.unpersist()


def measure(staged: DataFrame) -> Measured:
    """Compute the staged files (they stay persisted) and collect all but their bytes."""
    return measured(staged.drop("data").toArrow().to_pylist())  # to name the columns that stay takes 50 ms more
