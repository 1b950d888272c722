"""Clean readings as staged files: encoded bytes and their statistics, not yet in the lake. Pure.

Both engines hand Spark rows of ``STAGED``; nothing downstream handles a reading one by one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from .encode import cut, encode
from .transform import REJECTED, Clean, Tally
from .windows import Window

STAGED = pa.schema(
    [
        ("kind", pa.string()),  # "file", "rejected" or "tally"
        ("tagpath", pa.string()),
        ("month", pa.string()),
        ("start", pa.int64()),  # of the interval, s since 1970
        ("end", pa.int64()),
        ("rows", pa.int64()),
        ("first_ms", pa.int64()),
        ("last_ms", pa.int64()),
        ("size", pa.int64()),  # bytes
        ("digest", pa.string()),  # SHA-256 of the bytes
        ("tally", pa.string()),  # JSON
        ("data", pa.binary()),
    ]
)
STAGED_DDL = (
    "kind string, tagpath string, month string, start long, end long, rows long, first_ms long, last_ms long,"
    " size long, digest string, tally string, data binary"
)
REJECTED_OF_RUN = pa.schema([("tagpath", pa.string()), *REJECTED])
BATCH_BYTES = 16 << 20


@dataclass(frozen=True)
class Target:
    """How readings become files: the time zone of month borders, the size limit (readings)."""

    timezone: str
    max_records_per_file: int


def files(tagpath: str, kept: pa.Table, window: Window, target: Target) -> Iterator[dict[str, object]]:
    """The files of one tag path in a stretch of time, none for a month without readings."""
    times = kept.column("datetime").cast(pa.int64()).to_numpy()
    for month, part in window.months(target.timezone):
        first, last = times.searchsorted([part.start_ms, part.end_ms])
        if first == last:
            continue
        for interval, rows in cut(times[first:last], part, target.max_records_per_file):
            start, stop = first + rows.start, first + rows.stop
            if start == stop:
                continue
            data = encode(kept.slice(start, stop - start))
            yield {
                "kind": "file",
                "tagpath": tagpath,
                "month": month,
                "start": interval.start_ms // 1000,
                "end": interval.end_ms // 1000,
                "rows": int(stop - start),
                "first_ms": int(times[start]),
                "last_ms": int(times[stop - 1]),
                "size": len(data),
                "digest": hashlib.sha256(data).hexdigest(),
                "tally": None,
                "data": data,
            }


def rejected(tagpath: str, found: pa.Table) -> dict[str, object] | None:
    """Rejected readings of one path as an Arrow stream (``transform.REJECTED``)."""
    if not found.num_rows:
        return None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(found)
    first = found.column("datetime").cast(pa.int64())[0].as_py()
    data = sink.getvalue().to_pybytes()
    return {"kind": "rejected", "tagpath": tagpath, "rows": found.num_rows, "first_ms": first, "data": data}


def read_rejected(tagpath: str, data: bytes) -> pa.Table:
    """What ``rejected`` wrote, with the tag path in front (``REJECTED_OF_RUN``)."""
    found = pa.ipc.open_stream(data).read_all()
    paths = pa.repeat(pa.scalar(tagpath, pa.string()), found.num_rows)
    return pa.table([paths, *found.columns], schema=REJECTED_OF_RUN)


def staged(tagpath: str, clean: Clean, windows: Iterable[Window], target: Target) -> Iterator[dict[str, object]]:
    """All rows of one path but the tally; no file reaches over a border of ``windows``."""
    for window in windows:
        yield from files(tagpath, clean.kept, window, target)
    if row := rejected(tagpath, clean.rejected):
        yield row


def tally_row(tally: Tally) -> dict[str, object]:
    return {"kind": "tally", "tally": json.dumps(vars(tally))}


def read_tally(text: str) -> Tally:
    values = json.loads(text)
    return Tally(**{**values, "rejected": Counter(values["rejected"]), "codes": Counter(values["codes"])})


def batches(rows: Iterator[dict[str, object]]) -> Iterator[pa.RecordBatch]:
    """Rows of ``STAGED`` in Arrow batches of bounded size, so that a task never holds all of its output."""
    held: list[dict[str, object]] = []
    size = 0
    for row in rows:
        held.append(row)
        data = row.get("data")
        size += len(data) if isinstance(data, bytes) else 0
        if size >= BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(held, schema=STAGED)
            held, size = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=STAGED)
