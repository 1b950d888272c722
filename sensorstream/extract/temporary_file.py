"""A file on this machine's disk without a name: it is gone with the process, however that ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import SensorStreamError


def open_nameless(purpose: str) -> int:
    """The descriptor of a new one."""
    with _errors():
        descriptor, path = tempfile.mkstemp(prefix=f"sensorstream-{purpose}-")
        os.unlink(path)
    return descriptor


def write_at(file: int, start: int, rest: memoryview) -> None:
    """Write all of ``rest``; ``SensorStreamError`` where there is no room."""
    with _errors():
        while rest:
            written = os.pwrite(file, rest, start)
            rest, start = rest[written:], start + written


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # TMPDIR is looked at here: where no folder will do, there is none to ask for.
        folder = tempfile.tempdir or os.environ.get("TMPDIR", "/tmp")
        raise SensorStreamError(
            f"the folder for temporary files, {folder}: {error.strerror}: make room there, or name another in TMPDIR"
        ) from error
