"""What the readings of one tag do in a window: gaps, stuck sensors, values out of their range. Pure.

A time whose reading was rejected is no gap: the sensor was read, and the run has kept what it said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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


def behaviour(
    readings: pa.Table, window: Window, rejected: np.ndarray, limits: Range | None, earlier: Callable[[], pa.Table]
) -> Behaviour:
    """What ``readings`` (the lake's columns, sorted by time) do in ``window``.

    ``rejected`` are the times of rejected readings, ms since 1970; ``earlier`` gives the readings before the window,
    for a value that has not changed in all of it.
    """
    readings = inside(readings, window)
    times, values = times_ms(readings), readings.column("value")
    there = values.is_valid().to_numpy()
    numbers, of_numbers = values.drop_null().to_numpy(), times[there]
    return Behaviour(
        gaps(_read(times, rejected)),
        _still(of_numbers, numbers, limits.still_ms if limits else None, earlier),
        beyond(of_numbers, numbers, *limits.borders) if limits else [],
    )


def _still(
    times: np.ndarray, numbers: np.ndarray, longest_ms: float | None, earlier: Callable[[], pa.Table]
) -> list[Stretch]:
    constant = len(numbers) >= STILL_READINGS and bool(alike(numbers, numbers[0]).all())
    if constant and longest_ms is None:
        # Whether a value that never changes is stuck or is always so, the time before may tell.
        before = earlier()
        known = before.filter(before.column("value").is_valid())
        times = np.concatenate([times_ms(known), times])
        numbers = np.concatenate([known.column("value").to_numpy(), numbers])
    return still(times, numbers, longest_ms=longest_ms)


def _read(times: np.ndarray, rejected: np.ndarray) -> np.ndarray:
    """When the sensor was read at all: rejected readings too."""
    if not len(times):
        return times
    held = rejected[(rejected > times[0]) & (rejected < times[-1])]
    place = np.searchsorted(times, held)
    more = times[place] != held
    return np.insert(times, place[more], held[more])  # both rise: ``np.union1d`` would sort them, a tenth of the check
