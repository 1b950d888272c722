"""Many small pieces laid end to end in C: of a month 20,000 are read from the spool's file, and Python's lock would be
given away and taken back for each.

Where there is no compiler Python reads them (``spool``).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..in_c import compiled, place_of

SOURCE = Path(__file__).with_suffix(".c")
ENDED = -1

# The file, and of each piece where it begins (in memory or in the file), its bytes, whether it stands in the file.
Lay = Callable[[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.uint8]], None]


@cache
def pieces_in_c() -> Lay | None:
    """``laid(file, starts, sizes, in_file, into)``; ``None`` where there is none.

    It raises ``OSError`` if the file cannot be read, ``EOFError`` if it is too short.
    """
    library = compiled(SOURCE)
    if library is None:
        return None

    def laid(
        file: int,
        starts: NDArray[np.int64],
        sizes: NDArray[np.int64],
        in_file: NDArray[np.bool_],
        into: NDArray[np.uint8],
    ) -> None:
        columns = [np.ascontiguousarray(column) for column in (starts, sizes, in_file)]
        places = [*map(place_of, columns), place_of(into)]
        failure = library.laid(ctypes.c_int(file), ctypes.c_int64(len(sizes)), *places)
        if failure == ENDED:
            raise EOFError("the file is shorter than what was written to it")
        if failure:
            raise OSError(failure, os.strerror(failure))

    return laid
