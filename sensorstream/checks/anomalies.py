"""Stretches of time that are worth a look: where a tag was silent, stood still, left its range, or its clock went back.

Findings say which tags break an expectation; notable stretches say when, for the pictures of the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

MOST = 200  # of a kind that a result names


@dataclass(frozen=True)
class Anomaly:
    """One stretch of one tag, ms since 1970; ``weight`` orders those of a kind, ``text`` says what was seen.

    ``kind`` is gap, stuck, clock step or out of range.
    """

    kind: str
    tagpath: str
    start_ms: int
    end_ms: int
    text: str
    weight: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "tagpath": self.tagpath,
            "start": instant(self.start_ms),
            "end": instant(self.end_ms),
            "text": self.text,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, str]) -> Anomaly:
        """What ``to_json`` told, without its weight."""
        start, end = (round(datetime.fromisoformat(told[side]).timestamp() * 1000) for side in ("start", "end"))
        return cls(told["kind"], told["tagpath"], start, end, told["text"])


def worst(found: Iterable[Anomaly]) -> tuple[tuple[Anomaly, ...], dict[str, int]]:
    """The heaviest of each kind, and how many of it there are in all."""
    ordered = sorted(found, key=lambda one: (one.kind, -one.weight, one.tagpath, one.start_ms))
    of_kinds = {kind: list(same) for kind, same in groupby(ordered, lambda one: one.kind)}
    first = tuple(one for same in of_kinds.values() for one in same[:MOST])
    return first, {kind: len(same) for kind, same in of_kinds.items()}


def instant(ms: int) -> str:
    """ISO 8601, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
