"""Stretches of time that are worth a look: where a tag was silent, stood still, left its range, or its clock went back.

Findings say which tags break an expectation; notable stretches say when, for the pictures of the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["gap", "stuck", "clock step", "out of range"]
MOST = 200  # of a kind that a result names


@dataclass(frozen=True)
class Anomaly:
    """One stretch of one tag, ms since 1970; ``weight`` orders those of a kind, ``text`` says what was seen."""

    kind: Kind
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


def worst(found: Iterable[Anomaly]) -> tuple[tuple[Anomaly, ...], dict[str, int]]:
    """The heaviest of each kind, and how many of it there are in all."""
    ordered = sorted(found, key=lambda one: (one.kind, -one.weight, one.tagpath, one.start_ms))
    total: Counter[str] = Counter(one.kind for one in ordered)
    kept: Counter[str] = Counter()
    first = []
    for one in ordered:
        kept[one.kind] += 1
        if kept[one.kind] <= MOST:
            first.append(one)
    return tuple(first), dict(total)


def instant(ms: int) -> str:
    """ISO 8601, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
