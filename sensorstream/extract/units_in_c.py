"""Units told apart and read in C: a fourth of what numpy takes, which makes a pass, and an array, for each step.

Where there is no compiler numpy goes on (``mixed``, ``unpack``), with the same result.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..in_c import compiled, place_of
from .wire import UNIT, Units

SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True)
class UnitsInC:
    """The functions of the compiled file; arrays are contiguous, and of the types that stand here."""

    library: ctypes.CDLL

    def apart(
        self, units: Units, zero: int, place_of_id: NDArray[np.int32], narrow: NDArray[np.bool_],
        starts: NDArray[np.int64], ends: NDArray[np.int64],
    ) -> tuple[Units, NDArray[np.int32], NDArray[np.int64]]:  # fmt: skip
        """Units sorted by place, those of none left out; the place of each as it came; the units of each place."""
        count, none = len(units), len(starts)
        places, ends_of_places, found = np.empty(count, np.int32), np.zeros(none + 2, np.int64), np.empty(count, UNIT)
        self.library.apart(
            place_of(units), ctypes.c_int64(count), ctypes.c_int64(zero),
            place_of(place_of_id), ctypes.c_int64(len(place_of_id)), ctypes.c_int32(none),
            place_of(narrow), place_of(starts), place_of(ends),
            place_of(places), place_of(ends_of_places), place_of(found),
        )  # fmt: skip
        counts = np.diff(ends_of_places[:none], prepend=0)
        return found[: counts.sum()], places, counts

    def numbers(
        self, units: Units, counts: NDArray[np.int64], bases: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """As ``unpack.numbers``."""
        readings = int(counts.sum())
        times, values = np.empty(readings, np.int64), np.empty(readings, np.float64)
        arrays = map(place_of, (counts, bases, times, values))
        self.library.numbers(place_of(units), ctypes.c_int64(len(bases)), *arrays)
        return times, values


@cache
def units_in_c() -> UnitsInC | None:
    """The functions; ``None`` where there are none."""
    library = compiled(SOURCE)
    return UnitsInC(library) if library is not None else None
