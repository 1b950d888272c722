"""How readings lie on the wire: in units of 16 bytes, as ``readings_sql.packed`` spells them. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..historian.readings_sql import CODE_SCALE, QUALITY_LIFT

UNIT = np.dtype([("t", ">f8"), ("v", ">f8")])
TAIL = np.dtype([("code", ">f8"), ("n", ">f8")])  # the second unit of a reading: see ``codes``, length of its text

Units = NDArray[Any]  # of UNIT


def units_of(data: bytes | bytearray | memoryview | None) -> Units:
    return np.frombuffer(data or b"", UNIT)


def heads(units: Units) -> NDArray[np.int64]:
    """Where readings of two units begin: the sign of their time is set, as of no other unit."""
    return np.flatnonzero(units.view(np.uint8)[:: UNIT.itemsize] >= 0x80)


def tails(units: Units, at: NDArray[np.int64]) -> NDArray[Any]:
    """The second units (``TAIL``) of the readings that begin ``at`` these places."""
    return units.take(at + 1).view(TAIL)


def codes(tails: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What readings have (``HAS_VALUE``, ``HAS_QUALITY``, ``UNREADABLE``), and their quality (0 for none)."""
    found = tails["code"].astype("i8")
    return found % CODE_SCALE, found // CODE_SCALE - QUALITY_LIFT


def readings_in(units: Units) -> int:
    return len(units) - len(heads(units))
