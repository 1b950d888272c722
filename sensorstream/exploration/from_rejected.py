"""Rejected readings as the lake keeps them, a file a run."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ..config.settings import Config
from ..lake.concurrency import at_once
from ..lake.manifest import of_paths
from ..lake.rejected import read_rejected, rejected_objects
from ..lake.stores import Store
from ..report.downsampling import MOST_DOUBTFUL
from ..transform.readings import SCHEMA, inside
from ..windows import Window
from .memory import Memory

REJECTED = pa.schema([*SCHEMA, ("reason", pa.string())])
AS_KEPT = pa.schema([("tagpath", pa.string()), *REJECTED])
MEMORY_BYTES = 64 * 2**20
MOST_RUNS = 400  # files looked into for one window; the latest where there are more
FETCHES_AT_ONCE = 4


class RejectedReader:
    """Reads from one lake; keeps up to 64 MB of what it has read."""

    def __init__(self, config: Config, store: Store) -> None:
        self.config = config
        self.store = store
        self._read: Memory[pa.Table] = Memory(MEMORY_BYTES)

    def look(self, tagpaths: Sequence[str], window: Window) -> dict[str, pa.Table]:
        """At most 1,000 rejected readings (``REJECTED``) of each tag, in order of time."""
        kept = rejected_objects(self.store, window, self.config.lookback_days)[-MOST_RUNS:]
        with at_once(FETCHES_AT_ONCE) as pool:
            parts = list(pool.map(lambda file: self._of(file[0], file[1], tagpaths), kept))
        every = pa.concat_tables([AS_KEPT.empty_table(), *parts])
        found = {}
        for path in tagpaths:
            own = every.filter(pc.equal(every.column("tagpath"), path)).select(REJECTED.names).sort_by("datetime")
            own = inside(own.combine_chunks(), window)
            own = own.group_by(["datetime", "quality"], use_threads=False).aggregate(
                [("value", "first"), ("text", "first"), ("reason", "first")]
            )  # several runs may have read and rejected the same one
            own = own.rename_columns(["datetime", "quality", "value", "text", "reason"]).select(REJECTED.names)
            step = -(-own.num_rows // MOST_DOUBTFUL) or 1
            found[path] = own.take(pa.array(range(0, own.num_rows, step), pa.int64())).cast(REJECTED)
        return found

    def _of(self, key: str, size: int, tagpaths: Sequence[str]) -> pa.Table:
        table = self._read.get((key, size), lambda: read_rejected(self.store, key, AS_KEPT))
        return table.filter(of_paths(table, tagpaths))
