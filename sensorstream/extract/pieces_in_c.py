"""Many small pieces laid end to end in C: of a month 20,000 are read from the spool's file, and Python's lock would be
given away and taken back for each.

Where there is no compiler Python reads them (``spool``).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ..in_c import compiled, place_of

SOURCE = Path(__file__).with_suffix(".c")
ENDED = -1

# The file, and of each piece where it begins (in memory or in the file), its bytes, whether it stands in the file.
Lay = Callable[[int, Sequence[int], Sequence[int], Sequence[bool], memoryview], None]


@cache
def pieces_in_c() -> Lay | None:
    """``laid(file, starts, sizes, in_file, into)``; ``None`` where there is none.

    It raises ``OSError`` if the file cannot be read, ``EOFError`` if it is too short.
    """
    library = compiled(SOURCE)
    if library is None:
        return None

    def laid(file: int, starts: Sequence[int], sizes: Sequence[int], in_file: Sequence[bool], into: memoryview) -> None:
        columns = np.array(starts, np.int64), np.array(sizes, np.int64), np.array(in_file, np.bool_)
        places = [*map(place_of, columns), place_of(np.frombuffer(into, np.uint8))]
        failure = library.laid(ctypes.c_int(file), ctypes.c_int64(len(sizes)), *places)
        if failure == ENDED:
            raise EOFError("the file is shorter than what was written to it")
        if failure:
            raise OSError(failure, os.strerror(failure))

    return laid
