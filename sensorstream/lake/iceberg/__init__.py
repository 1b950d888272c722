"""The lake's files as an Apache Iceberg table as well: each commit of readings is one snapshot.

``table`` writes the table's metadata of the manifest's own entries, no file is opened; ``store_io`` is how pyiceberg
reaches the lake's store; ``pointer`` tells readers which metadata is committed: a file beside it, and a catalog.

The manifest's root stays the only commit: metadata is written before it and named by it, pointers follow. Everything
that the package writes lies under ``iceberg/metadata/``; what the root does not name there is removed like the rest of
the bookkeeping. pyiceberg is imported only where ``iceberg`` is configured.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

from ...fast_import import quickly


def import_beside() -> None:
    """Begin to import what a commit needs, while others wait for the historian: 0.2 s, and 0.4 s where no
    bytecode is kept."""

    def load() -> None:
        with suppress(ImportError), quickly():  # told where it is needed
            from . import pointer  # noqa: F401

    Thread(target=load, name="sensorstream-import", daemon=True).start()
