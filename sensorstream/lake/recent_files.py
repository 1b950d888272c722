"""Files that this process has just put: what a run's pictures show of them need not be fetched again."""

from __future__ import annotations

from threading import Lock

from cachetools import LRUCache

from .manifest import DataFile
from .stores import Store

KEPT_BYTES = 32 << 20

_kept: LRUCache[str, bytes] = LRUCache(KEPT_BYTES, getsizeof=len)  # by the SHA-256 of their bytes
_lock = Lock()


def put_and_keep(store: Store, key: str, entry: DataFile, data: bytes) -> None:
    """Put a file, and keep it as far as there is room."""
    store.put(key, data)
    if len(data) <= KEPT_BYTES:
        with _lock:
            _kept[entry.digest] = data


def kept_or_fetched(store: Store, entry: DataFile) -> bytes | None:
    """The bytes of a committed file as they were put, else as they are; for pictures, not for checks."""
    with _lock:
        data = _kept.get(entry.digest)
    return store.get(entry.key) if data is None else data
