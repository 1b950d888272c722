"""What the readings of one tag do in a window: gaps, stuck sensors, values out of their range. Pure.

A time whose reading was rejected is no gap: the sensor was read, and the run has kept what it said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ..formatting import length
from ..transform.readings import inside, times_ms
from ..windows import Window
from .anomalies import Anomaly
from .gaps_and_stuck import STILL_READINGS, Stretch, alike, beyond, gaps, still
from .ranges import Range

NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class Beside:
    """What is known of a tag besides its readings, times in ms since 1970.

    ``earlier`` gives the readings before the window, for a value that has not changed in all of it; ``rejected`` are
    the times of rejected readings.
    """

    earlier: Callable[[], pa.Table | None] = lambda: None
    rejected: np.ndarray = field(default_factory=lambda: NOTHING)
    range: Range | None = None


@dataclass(frozen=True)
class Behaviour:
    """The stretches of each kind that were found."""

    gaps: list[Stretch]
    still: list[Stretch]
    beyond: list[Stretch]

    def columns(self) -> dict[str, float]:
        """As columns of ``files_frame``."""
        return {
            "longest_gap_s": max((gap.value / 1000 for gap in self.gaps), default=0.0),
            "still_s": max(((one.end_ms - one.start_ms) / 1000 for one in self.still), default=0.0),
            "beyond_range": sum(one.readings for one in self.beyond),
        }

    def notable(self, tagpath: str, limits: Range | None) -> Iterator[Anomaly]:
        for gap in self.gaps:
            text = f"no reading for {length(round(gap.value))}"
            yield Anomaly("gap", tagpath, gap.start_ms, gap.end_ms, text, gap.value)
        for one in self.still:
            lasts = one.end_ms - one.start_ms
            text = f"{one.value:.6g} in {one.readings:,} readings over {length(lasts)}"
            yield Anomaly("stuck", tagpath, one.start_ms, one.end_ms, text, lasts)
        for one in self.beyond:
            text = f"{one.value:.6g} in {one.readings:,} readings, where {limits} is expected"
            yield Anomaly("out of range", tagpath, one.start_ms, one.end_ms, text, one.readings)


def behaviour(readings: pa.Table, window: Window, beside: Beside) -> Behaviour:
    """What ``readings`` (the lake's columns, sorted by time) do in ``window``."""
    readings = inside(readings, window)
    times, values = times_ms(readings), readings.column("value")
    there = values.is_valid().to_numpy()
    numbers, of_numbers = values.drop_null().to_numpy(), times[there]
    limits = beside.range
    return Behaviour(
        gaps(_read(times, beside)),
        _still(of_numbers, numbers, beside),
        beyond(of_numbers, numbers, *limits.borders) if limits else [],
    )


def _still(times: np.ndarray, numbers: np.ndarray, beside: Beside) -> list[Stretch]:
    limits = beside.range.still_ms if beside.range else None
    constant = len(numbers) >= STILL_READINGS and bool(alike(numbers, numbers[0]).all())
    if constant and limits is None and (before := beside.earlier()) is not None:
        # Whether a value that never changes is stuck or is always so, the time before may tell.
        known = before.filter(before.column("value").is_valid())
        times = np.concatenate([times_ms(known), times])
        numbers = np.concatenate([known.column("value").to_numpy(), numbers])
    return still(times, numbers, longest_ms=limits)


def _read(times: np.ndarray, beside: Beside) -> np.ndarray:
    """When the sensor was read at all: rejected readings too."""
    if not len(times):
        return times
    held = beside.rejected
    held = held[(held > times[0]) & (held < times[-1])]
    place = np.searchsorted(times, held)
    more = times[place] != held
    return np.insert(times, place[more], held[more])  # both rise: ``np.union1d`` would sort them, a tenth of the check
