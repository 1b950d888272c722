"""How the level of a tag moves over a window, and where it leaves what is usual for the tag. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..checks.gaps_and_stuck import runs, still
from ..formatting import MOST_MEASURED, plain

STRETCHES = 80  # between a tag's first reading and its last
FEWEST = 8  # stretches with readings, below which nothing is usual
# Departures are counted in the median deviation of the tag's own levels; 4 of those are 2.7 standard deviations of
# a normal distribution. A tag that hardly ever moves has a median deviation of 0: the standard deviation stands in.
UNUSUAL = 4.0
HABIT = 6  # times that a tag leaves its usual level: more often, and that is how its process goes
FEW_STATES = 16  # whole numbers closer together are states of a valve or a motor, which have no level


@dataclass(frozen=True)
class Levels:
    """Mean values of a tag over stretches of equal length; ``edges_ms`` are their borders, one more than there are."""

    tagpath: str
    edges_ms: np.ndarray
    means: np.ndarray  # NaN where there is no reading

    @cached_property
    def usual(self) -> float:
        return float(np.nanmedian(self.means))

    @cached_property
    def spread(self) -> float:
        return float(np.nanmedian(np.abs(self.means - self.usual)) or np.nanstd(self.means))

    @cached_property
    def furthest(self) -> float:
        """The largest departure from the usual level, in spreads; 0 for a tag that does not move."""
        return float(np.nanmax(np.abs(self.means - self.usual))) / self.spread if self.spread else 0.0

    def unusual(self) -> list[tuple[int, int]]:
        """Stretches (ms) whose level is far from the usual one, neighbours as one; none where that is a habit."""
        with np.errstate(invalid="ignore"):
            far = np.abs(self.means - self.usual) > UNUSUAL * self.spread
        found = [(int(self.edges_ms[a]), int(self.edges_ms[b])) for a, b in runs(far & (self.spread > 0))]
        return found if len(found) <= HABIT else []


class Tally:
    """Sums and counts of one tag's values while its files are read."""

    def __init__(self, tagpath: str, first_ms: int, last_ms: int) -> None:
        self.tagpath = tagpath
        self.edges_ms = np.linspace(first_ms, last_ms + 1, STRETCHES + 1).astype(np.int64)
        self.sums, self.counts = np.zeros(STRETCHES), np.zeros(STRETCHES, np.int64)
        self.least, self.most, self.whole = np.inf, -np.inf, True

    def add(self, times_ms: np.ndarray, values: np.ndarray) -> None:
        """Count readings in, in order of time."""
        inside = measured(values) & (times_ms >= self.edges_ms[0]) & (times_ms < self.edges_ms[-1])
        if not inside.any():
            return
        values = values[inside]
        self.least, self.most = min(self.least, values.min()), max(self.most, values.max())
        self.whole = self.whole and bool((values == np.rint(values)).all())
        place = np.searchsorted(self.edges_ms, times_ms[inside], side="right") - 1
        self.sums += np.bincount(place, values, STRETCHES)
        self.counts += np.bincount(place, minlength=STRETCHES)

    def levels(self) -> Levels | None:
        """What was counted; ``None`` where that is too little to say what is usual, or states or a counter."""
        states = self.whole and self.most - self.least < FEW_STATES
        if states or np.count_nonzero(self.counts) < FEWEST:
            return None
        means = np.full(STRETCHES, np.nan)
        np.divide(self.sums, self.counts, out=means, where=self.counts > 0)
        counter = bool((np.diff(means[self.counts > 0]) > 0).all())
        return None if counter else Levels(self.tagpath, self.edges_ms, means)


def measured(values: Any) -> Any:
    """Which values, or whether one, can be drawn: no NaN, nothing infinite or as good as that. Pure."""
    return np.abs(values) <= MOST_MEASURED


def left_out(count: int) -> str:
    """What is said of values that are not ``measured``; nothing where there is none. Pure."""
    return f" Not drawn: {count:,} that are no number or beyond ±{plain(MOST_MEASURED)}." if count else ""


def levels_of(tagpath: str, times_ms: np.ndarray, values: np.ndarray) -> Levels | None:
    """The levels of one tag from all of its readings; a stretch in which it is stuck is no level of its process."""
    tally = Tally(tagpath, int(times_ms[0]), int(times_ms[-1]))
    moving = np.ones(len(times_ms), bool)
    for stuck in still(times_ms, values):
        moving &= (times_ms < stuck.start_ms) | (times_ms > stuck.end_ms)
    tally.add(times_ms[moving], values[moving])
    return tally.levels()


def most_moved(found: Iterable[Levels | None]) -> list[Levels]:
    """Those that left their usual level, the furthest first."""
    unusual = [levels for levels in found if levels and levels.unusual()]
    return sorted(unusual, key=lambda levels: (-levels.furthest, levels.tagpath))
