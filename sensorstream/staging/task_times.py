"""How the tasks that Spark did took: what its pages would show, for the run record, whether or not they are on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LAST_EVENTS_MS = 5_000  # what Spark says of a job comes a little after its result


@dataclass(frozen=True)
class Stage:
    """Tasks that did the same side by side: one far above the median is skew; what spilled found no memory."""

    tasks: int
    task_seconds: dict[str, float]  # median and max
    spilled_bytes: int  # to the disks of executors


@contextmanager
def stages_of(spark: SparkSession) -> Iterator[list[dict[str, Any]]]:
    """The stages of the jobs that this thread starts in the block, in order; there when it has ended well.

    There are none where Spark does not tell in time, or has forgotten some: no run fails of that.
    """
    from py4j.protocol import Py4JError

    tag = f"sensorstream-{uuid4().hex}"
    found: list[dict[str, Any]] = []
    spark.sparkContext.addJobTag(tag)
    try:
        yield found
    finally:
        spark.sparkContext.removeJobTag(tag)
    try:
        found += [asdict(stage) for stage in list(_stages(spark, tag))]
    except Py4JError:
        return


def _stages(spark: SparkSession, tag: str) -> Iterator[Stage]:
    context, gateway = spark.sparkContext._jsc.sc(), spark.sparkContext._gateway
    assert gateway
    context.listenerBus().waitUntilEmpty(LAST_EVENTS_MS)
    store, at = context.statusStore(), gateway.new_array(gateway.jvm.double, 2)
    at[0], at[1] = 0.5, 1.0
    jobs = [job for job in _each(store.jobsList(None)) if job.jobTags().contains(tag)]
    for number in sorted({number for job in jobs for number in _each(job.stageIds())}):
        stage = store.lastStageAttempt(number)
        times = store.taskSummary(number, stage.attemptId(), at)
        if stage.status().toString() == "COMPLETE" and times.isDefined():
            median, most = (round(ms / 1000, 3) for ms in _each(times.get().duration()))
            yield Stage(stage.numTasks(), {"median": median, "max": most}, stage.diskBytesSpilled())


def _each(sequence: Any) -> Iterator[Any]:
    """The members of a sequence of Scala's."""
    return (sequence.apply(n) for n in range(sequence.size()))
