"""Staged files where they are held until they are published: in Spark, or in this process."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from ..config.credentials import without_password
from ..config.settings import Config
from ..errors import LakeError
from ..lake.concurrency import at_once
from ..lake.manifest import DataFile
from ..lake.recent_files import put_and_keep
from ..lake.stores import Store, open_store
from ..progress.worker_messages import ProgressSender
from ..spark.package import guarded, here

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# As packed says it, and as PostgreSQL through JDBC.
SNAPSHOT_GONE = re.compile(r"opening a snapshot|invalid snapshot identifier|snapshot \"[^\"]+\" does not exist")
PUTS_AT_ONCE = 24  # of each worker: a store answers in tens of milliseconds
LAST_TASKS_SECONDS = 30.0


class Staged(Protocol):
    """Encoded files that are not in the lake yet, wherever they are held."""

    entries: Sequence[DataFile]

    def put(self, keys: Mapping[DataFile, str]) -> None:
        """Write those files under those keys."""

    def data(self, entries: Sequence[DataFile]) -> dict[DataFile, bytes]:
        """The bytes of those files."""


@dataclass
class StagedOnSpark:
    """Files in a persisted DataFrame of ``staged_rows.STAGED``; the workers write them."""

    staged: DataFrame
    entries: Sequence[DataFile]
    config: Config
    sender: ProgressSender | None = None

    def put(self, keys: Mapping[DataFile, str]) -> None:
        wanted = {(entry.tagpath, entry.month, entry.start): key for entry, key in keys.items()}
        if self.config.local_path and not here(self.staged.sparkSession):
            self._put_by_this_process(wanted)
            return
        config, sender = without_password(self.config), self.sender

        def put(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            store = open_store(config)

            def one(row: Mapping[str, Any]) -> None:
                if key := wanted.get((row["tagpath"], row["month"], row["start"])):  # of what is no file: none
                    store.put(key, row["data"])
                    if sender:
                        sender.about("publish", key).add(size=len(row["data"]))

            with at_once(PUTS_AT_ONCE) as pool:
                before: Iterable[None] = ()
                for batch in batches:  # the next one comes while the files of this one are put
                    now = pool.map(one, batch.to_pylist())
                    list(before)
                    before = now
                    yield pa.RecordBatch.from_pydict({"rows": [batch.num_rows]})
                list(before)

        try:
            self.staged.mapInArrow(guarded(self.staged.sparkSession, put), "rows long").collect()
        except BaseException as error:
            _wait_for_tasks(self.staged.sparkSession)
            # They would be made again, of a snapshot that the historian no longer keeps.
            if SNAPSHOT_GONE.search(str(error)):
                raise LakeError(
                    "executors of Spark were lost with files that were not in the lake yet:"
                    " nothing of the run is published, run again"
                ) from error
            raise

    def _put_by_this_process(self, wanted: Mapping[tuple[str, str, int], str]) -> None:
        """The same for a folder, which is this machine's: what an executor wrote to its own would be lost."""
        store = open_store(self.config)
        for path, month, start, data in self._files.toLocalIterator():
            if key := wanted.get((path, month, start)):
                store.put(key, bytes(data))
                if self.sender:
                    self.sender.about("publish", key).add(size=len(data))

    @property
    def _files(self) -> DataFrame:
        return self.staged.filter("kind = 'file'").select("tagpath", "month", "start", "data")

    def data(self, entries: Sequence[DataFile]) -> dict[DataFile, bytes]:
        from pyspark.sql import functions as F

        if not entries:
            return {}
        by_place = {(entry.tagpath, entry.month, entry.start): entry for entry in entries}
        some = self._files.filter(F.col("tagpath").isin(sorted({entry.tagpath for entry in entries})))
        found = {}
        for row in some.toArrow().to_pylist():
            if entry := by_place.get((row["tagpath"], row["month"], row["start"])):
                found[entry] = row["data"]
        return found


def _wait_for_tasks(spark: SparkSession) -> None:
    """After a failed job: a task that still runs could write what is being removed."""
    tracker = spark.sparkContext._jsc.sc().statusTracker()
    deadline = time.monotonic() + LAST_TASKS_SECONDS
    while time.monotonic() < deadline and any(found.numRunningTasks() for found in tracker.getExecutorInfos()):
        time.sleep(0.1)


class StagedHere:
    """Files that this process holds, in memory or on its disk."""

    def __init__(self, files: Mapping[DataFile, bytes], store: Store, sender: ProgressSender | None = None) -> None:
        self.files = files
        self.entries: Sequence[DataFile] = sorted(files)
        self.store = store
        self.sender = sender

    def put(self, keys: Mapping[DataFile, str]) -> None:
        task_progress = self.sender.about("publish") if self.sender else None

        def one(entry: DataFile) -> None:
            put_and_keep(self.store, keys[entry], entry, self.files[entry])
            if task_progress:
                task_progress.add(size=entry.size)

        with at_once(PUTS_AT_ONCE) as pool:
            list(pool.map(one, keys))
        if task_progress:
            task_progress.done()

    def data(self, entries: Sequence[DataFile]) -> dict[DataFile, bytes]:
        return {entry: self.files[entry] for entry in entries}
