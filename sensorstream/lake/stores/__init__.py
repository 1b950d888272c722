"""Where the lake's objects are: an S3 bucket or a local folder, one interface (``Store``).

::

    store            the interface, and what a lost race is called
    folder           a local folder
    bucket           a prefix of an S3 bucket
    aws_credentials  what a bucket's client signs with
    retry            how long failures are endured, and what is said when they last

Every write is of one whole object: readers see the old bytes or the new ones. ``swap`` is compare-and-swap.
"""

from __future__ import annotations

from pathlib import Path

from ...config.settings import Config
from ...extras import needs
from .store import Conflict, Store

__all__ = ["Conflict", "Store", "open_store", "reached_store"]


def open_store(config: Config) -> Store:
    """The lake's store; a bucket is not touched yet, a folder is made."""
    if config.iceberg:
        needs("an Iceberg table", iceberg=("pyiceberg",))
    if config.bucket_name:
        from .bucket import Bucket

        return Bucket(config)
    from .folder import Folder

    return Folder(Path(str(config.local_path)), config.iceberg)


def reached_store(config: Config) -> Store:
    """The same, once it has answered; ``LakeError`` where it does not."""
    store = open_store(config)
    store.check()
    return store
