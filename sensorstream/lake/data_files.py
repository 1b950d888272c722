"""The readings of one committed file, and what a file is that does not hold them."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from ..errors import LakeError
from ..transform.parquet import decode, opened
from ..transform.readings import SCHEMA, WITH_MICROS
from .keys import staged_key
from .manifest import DataFile, Manifest, StateGone
from .sound import MEND, rows_in
from .stores import Store

OTHER_READINGS = "holds other readings than were committed"


def read_entry(store: Store, entry: DataFile, manifest: Manifest | None = None) -> pa.Table:
    """The readings of a committed file, where it is or where it waits to be put in place.

    Raises ``manifest.StateGone`` if it is neither: another run has committed since, or the lake was damaged
    (``manifest.at_one_commit`` tells the two apart). Raises ``LakeError`` if what was committed are no readings.
    """
    data = read_bytes(store, entry, manifest)
    try:
        return decode(data)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LakeError(f"lake {store.place}: {entry.key} is damaged Parquet ({error}): {MEND}") from None


def read_bytes(store: Store, entry: DataFile, manifest: Manifest | None = None) -> bytes:
    """The same as the bytes of its Parquet file, for who wants a part of them."""
    places = [entry.key]
    if manifest and (lease := manifest.root.turn):
        # Settling puts a file in place before it goes from where it waited: one that was in neither is in place now.
        places += [staged_key(lease["id"], entry.digest), entry.key]
    for key in places:
        data = store.get(key)
        if data is not None and hashlib.sha256(data).hexdigest().startswith(entry.digest):
            if why := drift(data, micros=entry.micros):
                raise LakeError(f"lake {store.place}: {entry.key} {why}: {MEND}")
            return data
    raise StateGone(entry.key)


def holds(store: Store, entry: DataFile) -> bool:
    """Whether what was committed stands in its place."""
    data = store.get(entry.key)
    return data is not None and hashlib.sha256(data).hexdigest() == entry.digest


def rows_of(store: Store, key: str, data: bytes, schema: pa.Schema, remedy: str) -> pa.Table:
    """The rows of an object beside the readings, its columns those of ``schema``; ``LakeError`` where it is rubbish."""
    try:
        return rows_in(data, schema, columns=schema.names)
    except ValueError as error:
        raise LakeError(f"lake {store.place}: {key} {error}: {remedy}") from None


def why_gone(store: Store, entry: DataFile) -> str:
    """What stands where ``entry`` should, after ``StateGone``: the rest of a sentence that begins with its name."""
    return drift(store.get(entry.key), micros=entry.micros) or OTHER_READINGS


def drift(data: bytes | None, *, micros: bool) -> str | None:
    """How the file ``data`` differs from Parquet with exactly ``readings.SCHEMA``, or in ``micros`` of an Iceberg
    table; ``None`` if it does not.

    The rest of a sentence that begins with the file's name, ``has column value of type string, not double`` for
    example. ``data`` is ``None`` where there is no such file.
    """
    if data is None:
        return "is missing"
    try:
        found = opened(data).schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        if data[:4] == b"PAR1":
            return f"is damaged Parquet ({error})"
        return f"is not Parquet: it begins with {data[:8]!r}" if data else "is empty, not Parquet"
    return _schema_drift(found, WITH_MICROS if micros else SCHEMA)


def _schema_drift(found: pa.Schema, wanted: pa.Schema) -> str | None:
    if twice := {name for name in found.names if found.names.count(name) > 1}:
        return f"has column {min(twice)} twice"
    for field in wanted:
        if field.name not in found.names:
            return f"has no column {field.name} (it has {', '.join(found.names) or 'none'})"
        if (kind := found.field(field.name).type) != field.type:
            return f"has column {field.name} of type {kind}, not {field.type}"
    for name in found.names:
        if name not in wanted.names:
            return f"has a column {name} of type {found.field(name).type} that the lake does not know"
    if found.names != wanted.names:
        return f"has its columns in the order {', '.join(found.names)}, not {', '.join(wanted.names)}"
    return None
