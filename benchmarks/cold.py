"""A cold historian: PostgreSQL started anew, and its files put out of the kernel's cache.

The files are put out one by one (``posix_fadvise``), which needs no rights over the machine and leaves alone what its
other programs have in memory; ``/proc/sys/vm/drop_caches`` would throw out everybody's.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sensorstream.sandbox import postgres
from sensorstream.sandbox.state import State, locked


def cool(root: Path) -> None:
    """Restart the sandbox's PostgreSQL on its port, with none of its files in memory."""
    root = root.resolve()
    with locked(root):
        state = State.load(root)
        port = state.postgres.ports["sql"]
        postgres.stop(state)
        for folder in data_folders(root, state):
            evict(folder)
        postgres.start(root, state)
        state.save(root)
    assert state.postgres.ports["sql"] == port, "the port was taken in between: run the case again"


def data_folders(root: Path, state: State) -> list[Path]:
    places = [root, Path(state.postgres.folders.get("place", root))]
    return [place / "postgres" for place in places if (place / "postgres" / "base").is_dir()]


def evict(folder: Path) -> None:
    """Ask the kernel to forget what it holds of the files below ``folder``; dirty pages are written first."""
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file():
                file = os.open(path, os.O_RDONLY)
                try:
                    os.fdatasync(file)
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(file)
