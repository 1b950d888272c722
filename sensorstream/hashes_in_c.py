"""The hashes of rows in C, where there is a compiler: ten times as fast as in numpy, which takes a hundred passes for
them and Python's lock anew for each, so that the threads of a task wait for one another.

``hashes_in_c.c`` is compiled once per user, in a third of a second, and kept in the cache. Where it cannot be, or
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
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import cache_folder
from .lookup3 import Hashes

# The columns of rows, as the parameters of ``fingerprint``'s functions stand; texts are bytes.
OF_PLAIN = np.int64, np.float64
OF_ANY = *OF_PLAIN, np.bool_, np.int32, np.bool_, np.int64, np.uint8

SOURCE = Path(__file__).with_suffix(".c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-shared", "-fPIC")
COMPILE_SECONDS = 60

# What PostgreSQL says of plain rows: any, a NaN, no seed, a zero, an infinity, a zero whose seed is none.
PLAIN = np.array([1790812800123, -1, 0, 7, 1 << 62, -1]), np.array([1.5, np.nan, -2.25, 0.0, np.inf, -0.0])
HASHES_OF_PLAIN = [
    *(0xC7F3A66B6271C881, 0x15BEFD1EDD204437, 0x3CED1F85496F63A1),
    *(0x740689E22C462E69, 0xC5C11E76E860629A, 0x805E8443CB40E6E9),
]
# And of others: nothing, a value, a quality, texts of no, of six and of eleven bytes, a plain one among them.
TEXTS = "läuftCharge 4711".encode()
OTHERS = (
    np.array([1790812800123, -5, 7, 1790812800124, 1790812800125, 1790812800126, 3]),
    *(np.array([0, 2.5, 0, 0, 0, -0.0, 1e300]), np.array([False, True, False, False, False, True, True])),
    *(np.array([0, 0, 500, 192, 192, 192, 192], np.int32), np.array([False, False, *[True] * 5])),
    np.array([-1, -1, -1, 0, 6, 11, -1]),
)
HASHES_OF_OTHERS = [
    *(0x048240FF2CDFCCA7, 0x222F8F8B27B19058, 0x69B804DF3938D309, 0xC7EAC5258B987217),
    *(0xE505C5BF4DD41AA3, 0x995E3D2E78FC3EE3, 0xC9E72980E45EBA01),
]


@dataclass(frozen=True)
class InC:
    """The functions of the compiled file."""

    library: ctypes.CDLL

    def plain_hashes(self, *columns: NDArray[Any]) -> Hashes:
        """As ``fingerprint.plain_hashes``."""
        return _filled(self.library.plain_hashes, len(columns[0]), zip(columns, OF_PLAIN, strict=True))

    def row_hashes(self, *columns: NDArray[Any], texts: bytes | bytearray | memoryview) -> Hashes:
        """As ``fingerprint.row_hashes``, which has seen that ``texts`` are as long as their lengths say."""
        texts_too = [*columns, np.frombuffer(texts, np.uint8)]
        return _filled(self.library.row_hashes, len(columns[0]), zip(texts_too, OF_ANY, strict=True))


def _filled(loop: Any, rows: int, columns: Iterable[tuple[NDArray[Any], Any]]) -> Hashes:
    given = [np.ascontiguousarray(column, kind) for column, kind in columns]  # held while the loop reads them
    found = np.empty(rows, np.uint64)
    places = [ctypes.c_void_p(column.ctypes.data) for column in given]
    loop(*places, ctypes.c_int64(rows), ctypes.c_void_p(found.ctypes.data))
    return found


@cache
def hashes_in_c() -> InC | None:
    """The functions, once they have answered as PostgreSQL does; ``None`` where there are none."""
    if sys.byteorder != "little":
        return None
    try:
        found = InC(ctypes.CDLL(str(_library(cache_folder()))))
        answers = found.plain_hashes(*PLAIN).tolist(), found.row_hashes(*OTHERS, texts=TEXTS).tolist()
    except (OSError, AttributeError, subprocess.SubprocessError):
        return None
    return found if answers == (HASHES_OF_PLAIN, HASHES_OF_OTHERS) else None


def _library(folder: Path) -> Path:
    """The compiled file, made where it is missing."""
    about = "\n".join([SOURCE.read_text(), *FLAGS, platform.platform()])
    library = folder / f"hashes-{hashlib.sha256(about.encode()).hexdigest()[:16]}.so"
    if library.exists():
        return library
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise FileNotFoundError("no C compiler")
    descriptor, draft = tempfile.mkstemp(prefix="hashes-", suffix=".draft", dir=folder)
    os.close(descriptor)
    try:
        command = [compiler, *FLAGS, "-o", draft, str(SOURCE)]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMPILE_SECONDS, check=True)
        os.replace(draft, library)  # whole or not at all, whoever else does the same
    finally:
        Path(draft).unlink(missing_ok=True)
    return library
