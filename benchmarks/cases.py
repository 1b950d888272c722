"""What is compared: each case a few entrants, the plant that each reads, and the number of rounds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .plants import Plant

FLOORS = ("floor", "floor2", "copy2", "passes")
PEERS = ("spark", "duckdb", "connectorx", "adbc", "dlt", "dlt-files")
EVERY = (*FLOORS, "packed", "packed-spark", "jdbc", *PEERS, "ingest", "duckdb-script")
SOME = ("floor2", "packed", "packed-spark", "jdbc", "duckdb")
FEW_TAGS = ("^plant1/press/unit1[0-4]/temperature$",)
SCALES = (0.1, 1.0, 5.0)


@dataclass(frozen=True)
class Start:
    """An entrant to start: its name in the tables, the contender, the plant that it reads."""

    name: str
    contender: str
    plant: Plant


@dataclass(frozen=True)
class Case:
    """``starts`` is given the number of readings (of the middle size, for ``scale``)."""

    title: str
    readings: int
    rounds: int
    starts: Callable[[int], Sequence[Start]]
    patterns: tuple[str, ...] = (".*",)
    cold: bool = False
    note: str = ""


def _all(contenders: Sequence[str], make: Callable[[int], Plant]) -> Callable[[int], Sequence[Start]]:
    return lambda readings: [Start(name, name, make(readings)) for name in contenders]


def month(readings: int) -> Plant:
    return Plant("simulated", readings)


def _scales(readings: int) -> Sequence[Start]:
    return [Start(f"packed {short(n)}", "packed", month(n)) for n in (round(readings * scale) for scale in SCALES)]


def short(readings: int) -> str:
    """A number of readings as a name: ``10M``, ``200k``."""
    return f"{readings / 1e6:g}M" if readings >= 1_000_000 else f"{readings / 1e3:g}k"


CASES: dict[str, Case] = {
    "month": Case("A month of 400 tags", 10_000_000, 5, _all(EVERY, month)),
    "day": Case(
        "A day of 1,000 tags, a new process each time",
        1_430_000,
        5,
        _all(("ingest", "duckdb-script", "run"), lambda readings: Plant("simulated", readings, tags=1000, days=1)),
    ),
    "scale": Case("How cost grows with the readings of a month", 10_000_000, 3, _scales),
    "small-files": Case(
        "One day of 10,000 slow tags",
        1_400_000,
        3,
        _all(SOME, lambda readings: Plant("simulated", readings, tags=10_000, days=1)),
    ),
    "busy": Case(
        "A month in which one tag of 101 has 90 % of the readings",
        5_000_000,
        3,
        _all(SOME, lambda readings: Plant("busy", readings, tags=101)),
    ),
    "text": Case(
        "A month of 100 string tags",
        2_000_000,
        3,
        _all(SOME, lambda readings: Plant("text", readings, tags=100)),
    ),
    "few-tags": Case("Five tags of 400 of a month", 10_000_000, 3, _all(SOME, month), patterns=FEW_TAGS),
    "thingsboard": Case(
        "A month of ThingsBoard's, 40 devices with 10 keys",
        5_000_000,
        3,
        _all(("packed", "duckdb"), lambda readings: Plant("thingsboard", readings)),
    ),
    "wide": Case(
        "A month of a logger's table with 100 columns",
        5_000_000,
        3,
        _all(("packed", "duckdb"), lambda readings: Plant("wide", readings, tags=100)),
    ),
    "cold": Case(
        "A month with nothing of it in memory",
        10_000_000,
        3,
        _all(("floor2", "packed"), month),
        cold=True,
        note="Before each round PostgreSQL is started anew and the kernel is asked to forget its files (posix_fadvise);"
        " what else the machine has in memory stays.",
    ),
}
