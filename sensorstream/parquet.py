"""Parquet that lies in memory, read by the thread that asks. Pure.

Arrow's own threads may hold a piece of Python's bytes for a moment longer than the call. A command that ends in that
moment was aborted, with exit code 134 after its work was done: eight of 200 calls of ``ddl`` on a busy machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq


def opened(data: bytes) -> pq.ParquetFile:
    """The file that ``data`` is; ``pyarrow.ArrowException`` or ``OSError`` where it is none."""
    return pq.ParquetFile(pa.BufferReader(data))


def table_of(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of the file that ``data`` is, of these ``columns``, else of all. Raises as ``opened``."""
    return opened(data).read(columns=columns, use_threads=False)
