"""The hashes of plain rows in C, where there is a compiler: ten times as fast as in numpy, which takes a hundred passes
for them and Python's lock anew for each, so that the threads of a task wait for one another.

``plain_hashes.c`` is compiled once per user, in a third of a second, and kept in the cache. Where it cannot be, or
answers otherwise than PostgreSQL does, numpy goes on, and nobody is told: a run is some percent slower, and no other.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .cache import cache_folder

InC = Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.uint64]]

SOURCE = Path(__file__).with_suffix(".c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-shared", "-fPIC")
COMPILE_SECONDS = 60

# What PostgreSQL says of these: a plain row, a NaN, no seed, a zero, an infinity, a zero whose seed is none.
TIMES = np.array([1790812800123, -1, 0, 7, 1 << 62, -1])
VALUES = np.array([1.5, np.nan, -2.25, 0.0, np.inf, -0.0])
HASHES = [
    *(0xC7F3A66B6271C881, 0x15BEFD1EDD204437, 0x3CED1F85496F63A1),
    *(0x740689E22C462E69, 0xC5C11E76E860629A, 0x805E8443CB40E6E9),
]


@cache
def plain_hashes_in_c() -> InC | None:
    """As ``fingerprint.plain_hashes``; ``None`` where there is none."""
    if sys.byteorder != "little":
        return None
    try:
        found = _loaded(_library(cache_folder()))
    except (OSError, AttributeError, subprocess.SubprocessError):
        return None
    return found if found(TIMES, VALUES).tolist() == HASHES else None


def _loaded(library: Path) -> InC:
    loop = ctypes.CDLL(str(library)).plain_hashes
    loop.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p
    loop.restype = None

    def plain_hashes(t_stamp: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.uint64]:
        t_stamp, value = np.ascontiguousarray(t_stamp, np.int64), np.ascontiguousarray(value, np.float64)
        found = np.empty(len(value), np.uint64)
        loop(t_stamp.ctypes.data, value.ctypes.data, len(value), found.ctypes.data)
        return found

    return plain_hashes


def _library(folder: Path) -> Path:
    """The compiled file, made where it is missing."""
    about = "\n".join([SOURCE.read_text(), *FLAGS, platform.platform()])
    library = folder / f"plain_hashes-{hashlib.sha256(about.encode()).hexdigest()[:16]}.so"
    if library.exists():
        return library
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise FileNotFoundError("no C compiler")
    descriptor, draft = tempfile.mkstemp(prefix="plain_hashes-", suffix=".draft", dir=folder)
    os.close(descriptor)
    try:
        command = [compiler, *FLAGS, "-o", draft, str(SOURCE)]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMPILE_SECONDS, check=True)
        os.replace(draft, library)  # whole or not at all, whoever else does the same
    finally:
        Path(draft).unlink(missing_ok=True)
    return library
