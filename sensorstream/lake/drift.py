"""What a file of the lake is, where it is not the readings that were committed. Pure."""

from __future__ import annotations

import pyarrow as pa

from ..encode import SCHEMA
from ..parquet import opened


def drift(data: bytes | None) -> str | None:
    """How the file ``data`` differs from Parquet with exactly ``encode.SCHEMA``; ``None`` if it does not.

    The rest of a sentence that begins with the file's name, ``has column value of type string, not double`` for
    example. ``data`` is ``None`` where there is no such file.
    """
    if data is None:
        return "is missing"
    try:
        found = opened(data).schema_arrow
    except (pa.ArrowException, OSError) as error:
        if data[:4] == b"PAR1":
            return f"is damaged Parquet ({error})"
        return f"is not Parquet: it begins with {data[:8]!r}" if data else "is empty, not Parquet"
    return _schema_drift(found)


def _schema_drift(found: pa.Schema) -> str | None:
    if twice := {name for name in found.names if found.names.count(name) > 1}:
        return f"has column {min(twice)} twice"
    for field in SCHEMA:
        if field.name not in found.names:
            return f"has no column {field.name} (it has {', '.join(found.names) or 'none'})"
        if (kind := found.field(field.name).type) != field.type:
            return f"has column {field.name} of type {kind}, not {field.type}"
    for name in found.names:
        if name not in SCHEMA.names:
            return f"has a column {name} of type {found.field(name).type} that the lake does not know"
    if found.names != SCHEMA.names:
        return f"has its columns in the order {', '.join(found.names)}, not {', '.join(SCHEMA.names)}"
    return None
