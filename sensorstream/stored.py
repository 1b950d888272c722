"""The readings of one committed file."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from .encode import decode
from .manifest import Entry, Manifest, StateGone
from .stores import Store
from .turns import staged_key


def read_entry(store: Store, entry: Entry, manifest: Manifest | None = None) -> pa.Table:
    """The readings of a committed file, where it is or where it waits to be put in place.

    Raises ``manifest.StateGone`` if it is neither: another run has committed since, or the lake was damaged
    (``manifest.at_one_commit`` tells the two apart).
    """
    data = store.get(entry.key)
    if data is not None and hashlib.sha256(data).hexdigest() == entry.digest:
        return decode(data)
    turn = manifest.root.turn if manifest else None
    waiting = store.get(staged_key(turn["id"], entry.digest)) if turn else None
    if waiting is None:
        raise StateGone(entry.key)
    return decode(waiting)
