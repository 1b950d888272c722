"""Output that nobody reads any more (``| head``, a terminal that is gone) ends no run: the rest of it is dropped."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

NOBODY = (errno.EPIPE, errno.EIO)


class Raw(io.FileIO):
    """A file of the process, of which one failure is told: ``told`` as what, where it is no reader that went."""

    def __init__(self, descriptor: int, told: str) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._told, self._lost = told, False

    def write(self, data: Any, /) -> int:
        try:
            return memoryview(data).nbytes if self._lost else super().write(data) or 0
        except OSError as error:
            self._lost = True
            if error.errno in NOBODY:
                return memoryview(data).nbytes
            raise OSError(error.errno, error.strerror, self._told) from None


def bear_it() -> None:
    """From now on, for standard output and standard error."""
    for name, told in (("stdout", "standard output"), ("stderr", "standard error")):
        was = getattr(sys, name)
        if was is not None:
            file = io.BufferedWriter(Raw(was.fileno(), told))
            setattr(sys, name, io.TextIOWrapper(file, was.encoding, was.errors, line_buffering=was.line_buffering))
