"""The metadata of the historian's tags, kept beside the readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from ..errors import LakeError
from ..transform.parquet import parquet
from .data_files import rows_of
from .keys import TAGS
from .stores import Store

if TYPE_CHECKING:
    from ..historian import Tag

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


def read_tags(store: Store) -> pa.Table:
    """The metadata that the last run left; ``LakeError`` where there is none, or none that can be read."""
    if (data := store.get(TAGS)) is None:
        raise LakeError(f"lake {store.place} has no {TAGS}: run ingest first")
    return rows_of(store, TAGS, data, SCHEMA, "run ingest, which writes it anew")
