"""The manifest: what is committed. A small root object names one immutable state file a month.

``manifest.json`` changes only by compare-and-swap; that write is the commit. It holds no time of day, so that a run
that changes nothing leaves the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import LakeError
from .keys import BOOKS, reading_key
from .stores import Store
from .windows import Window

ROOT = f"{BOOKS}manifest.json"
FORMAT = 1

STATE = pa.schema(
    [
        ("tagpath", pa.string()),
        ("start", pa.int64()),  # of the interval, s since 1970
        ("end", pa.int64()),
        ("rows", pa.int64()),
        ("first_ms", pa.int64()),
        ("last_ms", pa.int64()),
        ("size", pa.int64()),  # bytes
        ("digest", pa.string()),  # SHA-256 of the bytes
    ]
)


@dataclass(frozen=True, order=True)
class Entry:
    """One committed file: tag path, month and the interval that it covers, and what it holds."""

    tagpath: str
    month: str
    start: int
    end: int
    rows: int
    first_ms: int
    last_ms: int
    size: int
    digest: str

    @cached_property
    def interval(self) -> Window:
        return Window(datetime.fromtimestamp(self.start, UTC), datetime.fromtimestamp(self.end, UTC))

    @cached_property
    def key(self) -> str:
        return reading_key(self.tagpath, self.month, self.interval)


Months = dict[str, dict[str, Entry]]  # month -> key -> entry


@dataclass(frozen=True)
class Manifest:
    """The root as it was read, and its version for the swap; months are read when asked for."""

    store: Store
    months: Mapping[str, str]  # month -> key of its state file
    version: str | None

    def entries(self, month: str) -> dict[str, Entry]:
        """What is committed for ``month``, by key."""
        if month not in self.months:
            return {}
        data = self.store.get(self.months[month])
        if data is None:
            raise LakeError(
                f"lake {self.store.place}: the manifest names {self.months[month]}, which does not exist:"
                " was the lake changed by hand?"
            )
        rows = pq.read_table(pa.BufferReader(data)).to_pylist()
        found = (Entry(month=month, **row) for row in rows)
        return {entry.key: entry for entry in found}


def read_manifest(store: Store) -> Manifest:
    """The manifest as it is now; an empty one where the lake has none."""
    found = store.versioned(ROOT)
    if found is None:
        return Manifest(store, {}, None)
    try:
        root = json.loads(found[0])
        if root["format"] != FORMAT:
            raise LakeError(
                f"lake {store.place}: {ROOT} has format {root['format']}, this version knows {FORMAT}: upgrade"
            )
        return Manifest(store, root["months"], found[1])
    except (ValueError, KeyError, TypeError):
        raise LakeError(f"lake {store.place}: {ROOT} is not a manifest: was it changed by hand?") from None


def state_bytes(entries: Iterable[Entry]) -> bytes:
    """A month's state file; the same bytes for the same entries."""
    rows = [{k: v for k, v in asdict(entry).items() if k != "month"} for entry in sorted(entries)]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=STATE), sink, compression="zstd")
    return sink.getvalue()


def commit(manifest: Manifest, changed: Months) -> list[str]:
    """Make ``changed`` months the truth by one swap of the root; returns the state files that nobody names any more.

    Raises ``stores.Conflict`` if another run committed since ``manifest`` was read.
    """
    months = dict(manifest.months)
    for month, entries in changed.items():
        if not entries:
            months.pop(month, None)
            continue
        data = state_bytes(entries.values())
        months[month] = f"{BOOKS}state/{month}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
        manifest.store.put(months[month], data)
    root = json.dumps({"format": FORMAT, "months": dict(sorted(months.items()))}, indent=1).encode()
    manifest.store.swap(ROOT, root, manifest.version)
    return sorted(set(manifest.months.values()) - set(months.values()))
