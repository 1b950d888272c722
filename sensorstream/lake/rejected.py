"""Which objects keep the rejected readings of a window: one of each run, another for the days that it read again."""

from __future__ import annotations

import re
from datetime import timedelta

import pyarrow as pa

from ..errors import ConfigError
from ..windows import Window, from_name
from .data_files import rows_of
from .stores import Store

KEY = re.compile(r"^rejected/run_id=(?P<window>[^_]+_[^_]+)_[^/]+/(?P<kind>part|late)[^/]*\.parquet$")


def rejected_objects(store: Store, window: Window, lookback_days: int) -> list[tuple[str, int]]:
    """Keys and sizes (bytes) of those of every run that can have read a part of ``window``, as its own or as days
    before its own that were late, in the order of the runs' windows."""
    found = []
    for key, size in store.list("rejected"):
        if not (parts := KEY.match(key)):
            continue
        try:
            read = from_name(parts["window"])
        except (ValueError, ConfigError):
            continue  # no run has such a name
        if parts["kind"] == "late":
            read = Window(read.start - timedelta(days=lookback_days + 1), read.end)
        if read.overlaps(window):
            found.append((key, size))
    return found


def read_rejected(store: Store, key: str, schema: pa.Schema) -> pa.Table:
    """Rejected readings as an object keeps them; none where a run that rejected nothing has taken its place since."""
    data = store.get(key)
    if data is None:
        return schema.empty_table()
    return rows_of(store, key, data, schema, "run ingest of its window again, which writes it anew, or remove it")
