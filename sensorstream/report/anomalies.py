"""What the checks found on single tags: gaps, stuck sensors, clock steps and so on, as they stand in a run's folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from ..checks.anomalies import Anomaly
from ..formatting import length
from ..windows import zone

FILES = ("check_source.json", "check_lake.json")
MOST_LISTED = 200  # of a kind; a check keeps no more
NAMES = {"gap": "Gaps", "stuck": "Stuck sensors", "clock step": "Clock steps", "out of range": "Out of range"}


@dataclass(frozen=True)
class Listed:
    """All of one kind: the worst first, as many as were kept of ``total``."""

    kind: str
    found: tuple[Anomaly, ...]
    total: int

    @property
    def name(self) -> str:
        return NAMES.get(self.kind, self.kind.capitalize())

    def rows(self, timezone: str) -> list[dict[str, str]]:
        """Tag path, exact times in the site's time zone, length and words of each."""
        here = zone(timezone)
        return [
            {
                "tag": each.tagpath,
                "start": stamp(each.start_ms, here),
                "end": stamp(each.end_ms, here),
                "length": length(each.end_ms - each.start_ms),
                "text": each.text,
            }
            for each in self.found
        ]


def listed(folder: Path) -> list[Listed]:
    """What the checks of a run noted, by kind; both checks may have seen the same. Empty where none has looked."""
    found: dict[str, dict[tuple[Any, ...], Anomaly]] = {}
    totals: dict[str, int] = {}
    for path in (folder / name for name in FILES):
        if not path.exists():
            continue
        told = json.loads(path.read_text(encoding="utf-8"))
        for row in told.get("notable", ()):
            each = Anomaly.from_json(row)
            found.setdefault(each.kind, {}).setdefault((each.tagpath, each.start_ms, each.end_ms), each)
        for kind, total in told.get("notable_total", {}).items():
            totals[kind] = max(total, totals.get(kind, 0))
    order = [*NAMES, *sorted(found.keys() - NAMES.keys())]
    return [_cut(kind, list(found[kind].values()), totals.get(kind, 0)) for kind in order if found.get(kind)]


def by_tag(kinds: Iterable[Listed], most: int) -> dict[str, list[Anomaly]]:
    """The tags to draw, at most ``most``: the worst of each kind in turn, each with all that is known of it. Pure."""
    kinds = list(kinds)
    queues = [list(dict.fromkeys(each.tagpath for each in kind.found)) for kind in kinds]
    ranks = max(map(len, queues), default=0)
    chosen = dict.fromkeys(queue[rank] for rank in range(ranks) for queue in queues if rank < len(queue))
    every = [each for kind in kinds for each in kind.found]
    return {path: [each for each in every if each.tagpath == path] for path in list(chosen)[:most]}


def stamp(ms: int, here: tzinfo) -> str:
    """``2026-10-14 09:30:00``, with milliseconds where there are any. Pure."""
    at = datetime.fromtimestamp(ms / 1000, here)
    return f"{at:%Y-%m-%d %H:%M:%S}" + (f".{at.microsecond // 1000:03}" if at.microsecond >= 1000 else "")


def _cut(kind: str, found: list[Anomaly], total: int) -> Listed:
    if kind == "gap":  # the source's, which last to the end, and the lake's between readings
        found.sort(key=lambda each: each.start_ms - each.end_ms)
    return Listed(kind, tuple(found[:MOST_LISTED]), max(total, len(found)))
