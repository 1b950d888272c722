"""Medians, spreads, ratios and targets of what was measured. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from .rounds import Result

MILLION = 1e6
MB = 1e6


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of the rounds."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        return Spread(median(values), min(values), max(values))


@dataclass(frozen=True)
class Target:
    """Something that is to be at most ``limit``; ``found`` is ``None`` where it was not measured."""

    name: str
    limit: float
    found: float | None

    @property
    def met(self) -> bool | None:
        return None if self.found is None else self.found <= self.limit


@dataclass(frozen=True)
class Figures:
    """One entrant. Per million readings: wall and CPU seconds. Memory in MB, sizes in bytes a reading."""

    name: str
    note: str
    readings: int
    wall: Spread | None = None
    client_cpu: Spread | None = None
    postgres_cpu: Spread | None = None
    s3_cpu: Spread | None = None
    memory: Spread | None = None
    wire: float | None = None
    rest: float | None = None
    files: int | None = None
    failure: str | None = None


def figures(result: Result) -> Figures:
    """The numbers of one entrant, all per reading that the source holds in good quality."""
    if result.failure or not result.rounds:
        return Figures(result.name, result.note, result.readings, failure=result.failure or "no round was run")
    millions = result.expected / MILLION

    def cpu(tree: str) -> Spread | None:
        values = [r.used.cpu[tree] / millions for r in result.rounds if tree in r.used.cpu]
        return Spread.of(values) if values else None

    return Figures(
        name=result.name,
        note=result.note,
        readings=result.readings,
        wall=Spread.of([r.wall / millions for r in result.rounds]),
        client_cpu=cpu("client"),
        postgres_cpu=cpu("postgres"),
        s3_cpu=cpu("s3"),
        memory=Spread.of([r.used.memory / MB for r in result.rounds]),
        wire=result.wire / result.expected if result.wire is not None else None,
        rest=result.rest / result.expected if result.rest is not None else None,
        files=result.files,
    )


def ratio(results: Sequence[Result], name: str, other: str) -> Spread | None:
    """Wall time of ``name`` over that of ``other``: of the medians, and the extremes of the rounds, each with its own
    neighbour, since the two ran in turn.
    """
    by_name = {result.name: result for result in results}
    if name not in by_name or other not in by_name:
        return None
    ours, theirs = by_name[name].rounds, by_name[other].rounds
    if by_name[name].failure or by_name[other].failure or not ours or not theirs:
        return None
    each = [a.wall / b.wall for a, b in zip(ours, theirs, strict=False)]
    return Spread(median(r.wall for r in ours) / median(r.wall for r in theirs), min(each), max(each))


def ratios(results: Sequence[Result]) -> dict[str, Spread]:
    """Ours over each other: ``ingest`` where that is a new process each time, else ``packed``."""
    found = ((one.name, ratio(results, "ingest" if one.whole else "packed", one.name)) for one in results)
    return {name: spread for name, spread in found if spread and name not in ("packed", "ingest")}


RATIO_LIMITS = {
    "duckdb": 0.25,
    "connectorx": 0.30,
    "spark": 0.20,
    "dlt": 0.35,
    "floor2": 1.25,
    "copy2": 1.6,
    "passes": 1.6,
}
WIRE_LIMIT, REST_LIMIT = 17.0, 8.0  # bytes a numeric reading
COST_LIMIT, MEMORY_LIMIT = 1.2, 1.5  # of five times the readings
SCRIPT_LIMIT, DAY_MB, RUN_SECONDS = 1.0, 450.0, 10.0


def targets(case: str, results: Sequence[Result]) -> list[Target]:
    """The targets that belong to a case, none for most."""
    if case == "month":
        return _month_targets(results)
    if case == "day":
        return _day_targets(results)
    return _scale_targets(results) if case == "scale" else []


def _month_targets(results: Sequence[Result]) -> list[Target]:
    found = ratios(results)
    packed = next((figures(r) for r in results if r.name == "packed"), None)
    return [
        *(
            Target(f"packed / {other}, wall", limit, found[other].median if other in found else None)
            for other, limit in RATIO_LIMITS.items()
        ),
        Target("packed, bytes on the wire a reading", WIRE_LIMIT, packed.wire if packed else None),
        Target("packed, bytes at rest a reading", REST_LIMIT, packed.rest if packed else None),
    ]


def _day_targets(results: Sequence[Result]) -> list[Target]:
    whole = ratios(results).get("duckdb-script")
    of = {result.name: result for result in results if result.rounds and not result.failure}
    memory = figures(of["ingest"]).memory if "ingest" in of else None
    seconds = median(one.wall for one in of["run"].rounds) if "run" in of else None
    return [
        Target("ingest / duckdb-script, wall", SCRIPT_LIMIT, whole.median if whole else None),
        Target("ingest, peak memory in MB", DAY_MB, memory.high if memory else None),
        Target("run, seconds", RUN_SECONDS, seconds),
    ]


def _scale_targets(results: Sequence[Result]) -> list[Target]:
    sizes = [figures(result) for result in sorted(results, key=lambda r: r.expected)]
    if len(sizes) < 3:
        return []
    _, middle, large = sizes
    cost = large.wall.median / middle.wall.median if large.wall and middle.wall else None
    memory = large.memory.high / middle.memory.high if large.memory and middle.memory else None
    return [
        Target(f"wall a reading, {large.name} / {middle.name}", COST_LIMIT, cost),
        Target(f"peak memory, {large.name} / {middle.name}", MEMORY_LIMIT, memory),
    ]


def to_json(case: str, results: Sequence[Result]) -> dict[str, Any]:
    """Figures, ratios, targets, and every round as measured."""
    return {
        "figures": [asdict(figures(result)) for result in results],
        "ratios": {other: asdict(found) for other, found in ratios(results).items()},
        "targets": [asdict(target) | {"met": target.met} for target in targets(case, results)],
        "rounds": {result.name: [asdict(one) for one in result.rounds] for result in results},
        "records": {result.name: result.record for result in results if result.record},
        "expected": {result.name: result.expected for result in results},
    }
