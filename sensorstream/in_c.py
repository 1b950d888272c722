"""Loops in C, where there is a compiler: each source is compiled once per user, in a third of a second, and kept in the
cache. Whoever loads one has numpy do the same where it cannot be.
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
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .cache import cache_folder

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-shared", "-fPIC")
COMPILE_SECONDS = 60


def compiled(source: Path) -> ctypes.CDLL | None:
    """The functions of a source; ``None`` where they cannot be had: none is written for big-endian machines."""
    if sys.byteorder != "little":
        return None
    try:
        return ctypes.CDLL(str(_library(source, cache_folder())))
    except (OSError, subprocess.SubprocessError):
        return None


def place_of(array: NDArray[Any]) -> ctypes.c_void_p:
    """Where an array begins; whoever calls holds the array. ``ValueError`` if it does not lie end to end."""
    if not array.flags.c_contiguous:
        raise ValueError(f"an array of strides {array.strides} in place of one that lies end to end")
    return ctypes.c_void_p(array.ctypes.data)


def _library(source: Path, folder: Path) -> Path:
    """The compiled file, made where it is missing."""
    about = "\n".join([source.read_text(), *FLAGS, platform.platform()])
    name = source.stem.removesuffix("_in_c")
    library = folder / f"{name}-{hashlib.sha256(about.encode()).hexdigest()[:16]}.so"
    if library.exists():
        return library
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise FileNotFoundError("no C compiler")
    descriptor, draft = tempfile.mkstemp(prefix=f"{name}-", suffix=".draft", dir=folder)
    os.close(descriptor)
    try:
        command = [compiler, *FLAGS, "-o", draft, str(source)]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMPILE_SECONDS, check=True)
        os.replace(draft, library)  # whole or not at all, whoever else does the same
    finally:
        Path(draft).unlink(missing_ok=True)
    return library
