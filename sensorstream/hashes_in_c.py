"""The hashes of rows in C: ten times as fast as in numpy, which takes a hundred passes for them and Python's lock anew
for each, so that the threads of a task wait for one another.

Where there is no compiler, or what it made answers otherwise than PostgreSQL does, numpy goes on, and nobody is told: a
run is some percent slower, and no other.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .in_c import compiled, place_of
from .lookup3 import Hashes

# The columns of rows, as the parameters of ``fingerprint``'s functions stand; texts are bytes.
OF_PLAIN = np.int64, np.float64
OF_ANY = *OF_PLAIN, np.bool_, np.int32, np.bool_, np.int64, np.uint8

SOURCE = Path(__file__).with_suffix(".c")

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
    loop(*map(place_of, given), ctypes.c_int64(rows), place_of(found))
    return found


@cache
def hashes_in_c() -> InC | None:
    """The functions, once they have answered as PostgreSQL does; ``None`` where there are none."""
    library = compiled(SOURCE)
    if library is None:
        return None
    found = InC(library)
    try:
        answers = found.plain_hashes(*PLAIN).tolist(), found.row_hashes(*OTHERS, texts=TEXTS).tolist()
    except AttributeError:
        return None
    return found if answers == (HASHES_OF_PLAIN, HASHES_OF_OTHERS) else None
