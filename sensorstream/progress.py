"""How far a run is: Spark's own count of finished tasks, told to whoever shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# phase ("extract", "publish"), tasks done, tasks in all
Progress = Callable[[str, int, int], None]

POLL_SECONDS = 0.2


@contextmanager
def watched(spark: SparkSession, phase: str, tell: Progress | None) -> Iterator[None]:
    """While the block runs, tell how many of Spark's tasks are done; once more at its end."""
    if tell is None:
        yield
        return
    stop = threading.Event()
    tracker = spark.sparkContext.statusTracker()
    known: dict[int, tuple[int, int]] = {}

    def look() -> None:
        for stage in tracker.getActiveStageIds():
            if info := tracker.getStageInfo(stage):
                known[stage] = (info.numCompletedTasks, info.numTasks)
        if known:
            tell(phase, sum(done for done, _ in known.values()), sum(total for _, total in known.values()))

    def poll() -> None:
        while not stop.wait(POLL_SECONDS):
            look()

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    total = max(sum(total for _, total in known.values()), 1)
    tell(phase, total, total)
