"""How one tag's readings go on: gaps, values that stand still or leave their range. Pure, on arrays.

All of it is measured against the tag itself, so that a tag of one reading an hour and one of ten a second need no
settings of their own. ``docs/checks.md`` says in words what counts as what.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]

FEW = 8  # readings: of fewer nothing is said
REGULAR = 3.0  # times: of a tag that is scanned, nine steps of ten are no further from the usual one
MISSED, LONG_MS = 10, 1_800_000  # a gap of such a tag: ten usual steps, or half an hour if that is less ...
ONE_MISSED = 1.5  # ... but a reading is missing at least
IRREGULAR = 10  # times the longest of its usual steps: a gap of a tag that is stored on change
SELDOM, ONCE = 0.01, 2  # share of the steps, or so many: what happens more often is a pause of the process and no gap
STILL_READINGS, LIVELY = 30, 20  # readings of the stretch, and stretches that show how lively the tag is else
STILL_TIMES = 5  # longer than nearly every other stretch of the tag without a change
CHANCE = 1e-6  # that a lively value repeats itself so often without being stuck


class Stretch(NamedTuple):
    """A stretch of time, ms since 1970, and what is worth saying of it."""

    start_ms: int
    end_ms: int
    readings: int
    value: float


def gaps(times: Times) -> list[Stretch]:
    """Steps that are far longer than the tag's own, longest first. ``times`` rise."""
    if len(times) < FEW:
        return []
    steps = np.diff(times)
    usual = float(np.median(steps))
    if usual <= 0:
        return []
    limit = longest_usual(steps)
    found = np.flatnonzero(steps > limit)
    if len(found) > max(ONCE, SELDOM * len(steps)):
        return []
    found = found[np.argsort(-steps[found], kind="stable")]
    return [Stretch(int(times[n]), int(times[n + 1]), 0, float(steps[n])) for n in found]


def longest_usual(steps: NDArray[np.int64]) -> float:
    """Above so many ms a step is a gap."""
    usual, low, high = (float(q) for q in np.quantile(steps, [0.5, 0.05, 0.95], method="nearest"))
    if high <= REGULAR * usual and low >= usual / REGULAR:
        return max(ONE_MISSED * usual, min(MISSED * usual, LONG_MS))
    return IRREGULAR * float(np.quantile(steps, 0.99, method="nearest"))


def still(times: Times, values: Values, *, longest_ms: float | None = None) -> list[Stretch]:
    """The longest stretch in which a lively value stands still, if it cannot be chance. By ``longest_ms``, so long as
    the tag may stand still, also one that does nothing else is told to be stuck."""
    if len(times) < FEW:
        return []
    starts = np.flatnonzero(np.concatenate([[True], ~alike(values[1:], values[:-1])]))
    lengths = np.diff(np.concatenate([starts, [len(values)]]))
    longest = int(lengths.argmax())
    first, count = int(starts[longest]), int(lengths[longest])
    found = Stretch(int(times[first]), int(times[first + count - 1]), count, float(values[first]))
    if longest_ms is not None:
        return [found] if found.end_ms - found.start_ms > longest_ms and count >= STILL_READINGS else []
    if count < STILL_READINGS or len(lengths) < LIVELY:
        return []
    # The rest of its readings show how lively the tag is.
    others = np.delete(lengths, longest)
    lively = len(others) / max(int(others.sum()), 1)
    by_chance = (1 - lively) ** count * len(values)
    return [found] if by_chance < CHANCE and count >= STILL_TIMES * np.quantile(others, 0.99) else []


def alike(values: Values, others: Values | float) -> NDArray[np.bool_]:
    """Where both are the same, and NaN is NaN."""
    return (values == others) | (np.isnan(values) & np.isnan(others))


def beyond(times: Times, values: Values, lowest: float, highest: float) -> list[Stretch]:
    """Stretches of readings outside of a range, longest first."""
    outside = (values < lowest) | (values > highest)
    found = [
        Stretch(int(times[a]), int(times[b - 1]), b - a, float(_furthest(values[a:b], lowest, highest)))
        for a, b in runs(outside)
    ]
    return sorted(found, key=lambda one: (-one.readings, one.start_ms))


def runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Borders of the runs of true, half open."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _furthest(values: Values, lowest: float, highest: float) -> float:
    with np.errstate(over="ignore"):  # of the largest doubles: as far as infinity
        away = np.maximum(lowest - values, values - highest)
    return values[away.argmax()]
