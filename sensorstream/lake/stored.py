"""The readings of one committed file."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from ..encode import decode
from ..errors import LakeError
from .drift import drift
from .manifest import Entry, Manifest, StateGone
from .stores import Store
from .turns import staged_key


def read_entry(store: Store, entry: Entry, manifest: Manifest | None = None) -> pa.Table:
    """The readings of a committed file, where it is or where it waits to be put in place.

    Raises ``manifest.StateGone`` if it is neither: another run has committed since, or the lake was damaged
    (``manifest.at_one_commit`` tells the two apart). Raises ``LakeError`` if what was committed are no readings.
    """
    return decode(read_bytes(store, entry, manifest))


def read_bytes(store: Store, entry: Entry, manifest: Manifest | None = None) -> bytes:
    """The same as the bytes of its Parquet file, for who wants a part of them."""
    data = store.get(entry.key)
    if data is None or hashlib.sha256(data).hexdigest() != entry.digest:
        turn = manifest.root.turn if manifest else None
        data = store.get(staged_key(turn["id"], entry.digest)) if turn else None
    if data is None:
        raise StateGone(entry.key)
    if why := drift(data):
        raise LakeError(f"lake {store.place}: {entry.key} {why}: run verify with --repair")
    return data


def why_gone(store: Store, entry: Entry) -> str:
    """What stands where ``entry`` should, after ``StateGone``: the rest of a sentence that begins with its name."""
    return drift(store.get(entry.key)) or "holds other readings than were committed"
