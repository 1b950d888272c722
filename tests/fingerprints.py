"""Fingerprints of rows as single values, by tag id and piece: what the product's arrays are held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sensorstream.transform.fingerprint import MODULUS


@dataclass(frozen=True)
class Fingerprint:
    """How many rows, and the sum of their hashes modulo 2**64."""

    count: int = 0
    hash: int = 0


def read_fingerprints(rows: Iterable[tuple[int, int, int, Any]]) -> dict[tuple[int, int], Fingerprint]:
    """What ``fingerprint_sql.fingerprints`` returns, by tag id and piece."""
    return {(tagid, piece): Fingerprint(count, int(total) % MODULUS) for tagid, piece, count, total in rows}
