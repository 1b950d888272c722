"""Readings as Parquet bytes: one file a tag and interval, the same bytes for the same readings. Pure.

The settings are measured: ``DELTA_BINARY_PACKED`` timestamps and no dictionaries halve the file and more than halve
the time against the defaults, and every reader knows them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .parquet import table_of
from .windows import Window

SCHEMA = pa.schema(
    [
        ("datetime", pa.timestamp("ms", tz="UTC")),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("quality", pa.int32()),
    ]
)

ROW_GROUP = 1_000_000
# What is packed already is not compressed as well: a compressor costs a small file more than its readings do.
COMPRESSION = {"datetime": "none", "value": "zstd", "text": "zstd", "quality": "none"}


def encode(readings: pa.Table) -> bytes:
    """``readings`` (columns of ``SCHEMA``, sorted by ``datetime``) as one Parquet file."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        SCHEMA,
        compression=COMPRESSION,
        use_dictionary=["text", "quality"],
        column_encoding={"datetime": "DELTA_BINARY_PACKED", "value": "PLAIN"},
        write_page_index=True,
    ) as writer:
        writer.write_table(readings, row_group_size=ROW_GROUP)
    return sink.getvalue().to_pybytes()


def decode(data: bytes) -> pa.Table:
    """The readings of one Parquet file, in ``SCHEMA``."""
    return table_of(data).cast(SCHEMA)


def cut(times_ms: np.ndarray, interval: Window, max_records: int) -> Iterator[tuple[Window, slice]]:
    """Cut sorted times into files of at most ``max_records``, on whole seconds, without gaps between the intervals.

    Parameters
    ----------
    times_ms
        Milliseconds since 1970 UTC, sorted, all inside ``interval``.

    Yields
    ------
    (interval, slice)
        The file's interval and its place in ``times_ms``. A single second with more than ``max_records`` readings
        stays whole.
    """
    from datetime import UTC, datetime

    first, start = 0, interval.start
    while len(times_ms) - first > max_records:
        border = int(times_ms[first + max_records]) // 1000
        last = int(np.searchsorted(times_ms, border * 1000))
        if last <= first:  # the second is fuller than a file may be
            border += 1
            last = int(np.searchsorted(times_ms, border * 1000))
        if last >= len(times_ms):
            break
        stop = datetime.fromtimestamp(border, UTC)
        yield Window(start, stop), slice(first, last)
        first, start = last, stop
    yield Window(start, interval.end), slice(first, len(times_ms))
