"""Readings of one tag path as a table, sorted by time. Pure."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..windows import Window

SCHEMA = pa.schema(
    [
        ("datetime", pa.timestamp("ms", tz="UTC")),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("quality", pa.int32()),
    ]
)
# As the files of an Iceberg table hold them, whose columns have numbers.
WITH_MICROS = pa.schema(
    [
        field.with_type(pa.timestamp("us", tz="UTC") if field.name == "datetime" else field.type).with_metadata(
            {"PARQUET:field_id": str(number)}
        )
        for number, field in enumerate(SCHEMA, 1)
    ]
)


def times_ms(readings: pa.Table) -> NDArray[np.int64]:
    """Their times, ms since 1970 UTC."""
    return readings.column("datetime").cast(pa.int64()).to_numpy()


def inside(readings: pa.Table, window: Window) -> pa.Table:
    """Those of ``window``, without a copy."""
    return inside_ms(readings, window.start_ms, window.end_ms)


def inside_ms(readings: pa.Table, start_ms: int, end_ms: int) -> pa.Table:
    """Those in ``[start, end)``, ms since 1970 UTC, without a copy."""
    first, last = times_ms(readings).searchsorted([start_ms, end_ms])
    return readings.slice(first, last - first)
