"""The metadata of the historian's tags, kept beside the readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..errors import LakeError
from ..windows import zone
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
MOST_IDS = 4  # that a note names


def tag_table(tags: Sequence[Tag]) -> pa.Table:
    """Every tag's metadata as the lake keeps it."""
    names = {"tagpath": "path"}
    columns = [pa.array([getattr(tag, names.get(f.name, f.name)) for tag in tags], f.type) for f in SCHEMA]
    return pa.table(columns, schema=SCHEMA)


def note(tag: Mapping[str, Any], timezone: str) -> str:
    """What one should know of a tag's readings: ``retired 22 Jul 2026``, ``2 ids: 3, 61``; empty of most. Pure."""
    ids, retired = tag.get("ids") or (), tag.get("retired")
    more = ", …" if len(ids) > MOST_IDS else ""
    told = [f"retired {retired.astimezone(zone(timezone)):%d %b %Y}"] if retired else []
    told += [f"{len(ids)} ids: {', '.join(map(str, ids[:MOST_IDS]))}{more}"] if len(ids) > 1 else []
    return "; ".join(told)


def read_tags(store: Store) -> pa.Table:
    """The metadata that the last run left; ``LakeError`` where there is none, or none that can be read."""
    if (data := store.get(TAGS)) is None:
        raise LakeError(f"lake {store.place} has no {TAGS}: run ingest first")
    return rows_of(store, TAGS, data, SCHEMA, "run ingest, which writes it anew")
