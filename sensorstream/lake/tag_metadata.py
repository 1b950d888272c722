"""The metadata of the historian's tags, kept beside the readings."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ..historian import Tag
from ..transform.parquet import parquet

SCHEMA = pa.schema(
    [
        ("tagpath", pa.string()),
        ("ids", pa.list_(pa.int64())),
        ("datatype", pa.string()),
        ("description", pa.string()),
        ("unit", pa.string()),
        ("created", pa.timestamp("ms", tz="UTC")),
        ("retired", pa.timestamp("ms", tz="UTC")),
    ]
)


def tags_file(tags: Sequence[Tag]) -> bytes:
    """Every tag's metadata as one Parquet file."""
    names = {"tagpath": "path"}
    columns = [pa.array([getattr(tag, names.get(f.name, f.name)) for tag in tags], f.type) for f in SCHEMA]
    return parquet(pa.table(columns, schema=SCHEMA))
