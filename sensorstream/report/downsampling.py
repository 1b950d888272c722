"""Few readings that look like many. Pure.

Of each stretch of time the least and the greatest value are kept, so no spike is lost; of text, where it changes.
Values that cannot be drawn (see ``level_shifts.measured``) are doubtful, and left to the marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..historian.values_sql import PLAIN
from ..transform.readings import SCHEMA, inside_ms, times_ms
from .level_shifts import measured

GAP_FACTOR = 20  # a silence is this many times the usual step
MOST_DOUBTFUL = 1000  # marks of a tag; more are one line anyway
MOST_GAPS = 500
FEWEST = 4  # points, of two stretches: of one the library takes no extremes


@dataclass(frozen=True)
class Reduced:
    """What is drawn of one tag: readings (``SCHEMA``), doubtful ones among all, silences (ms) and the usual step (ms).

    ``rows`` says of how many readings.
    """

    readings: pa.Table
    doubtful: pa.Table
    gaps: np.ndarray  # (n, 2), the readings around each
    step: float
    rows: int

    @property
    def nbytes(self) -> int:
        return int(self.readings.nbytes + self.doubtful.nbytes + self.gaps.nbytes)


def reduced(readings: pa.Table, points: int) -> Reduced:
    """``readings`` (``SCHEMA``, sorted) as about ``points`` of them."""
    times = times_ms(readings)
    values = readings.column("value")
    strange = values.is_valid().to_numpy() & ~measured(values.to_numpy())
    odd = np.flatnonzero(strange | (readings.column("quality").to_numpy() != PLAIN))
    step = usual_step(times)
    return Reduced(
        readings=thinned(readings, points),
        doubtful=readings.take(pa.array(_every(odd, MOST_DOUBTFUL))),
        gaps=silences(times, step),
        step=step,
        rows=readings.num_rows,
    )


def thinned(readings: pa.Table, points: int) -> pa.Table:
    """Least and greatest of each of ``points / 2`` stretches of time; of text the readings that change it."""
    if readings.num_rows <= points:
        return readings
    values, texts = readings.column("value"), readings.column("text")
    places = []
    if values.null_count < len(values):
        numbers = values.to_numpy()
        there = measured(numbers)
        at = None if there.all() else np.flatnonzero(there)
        times = times_ms(readings) if at is None else times_ms(readings)[at]
        kept = _extremes(times, np.ascontiguousarray(numbers if at is None else numbers[at]), points)
        places.append(kept if at is None else at[kept])
    if texts.null_count < len(texts):
        places.append(_changes(texts, points))
    return readings.take(pa.array(np.unique(np.concatenate(places)).astype(np.int64)))


def usual_step(times: np.ndarray) -> float:
    """The median of the steps between times; 0 where there are fewer than two."""
    return float(np.median(np.diff(times))) if len(times) > 2 else 0.0


def silences(times: np.ndarray, step: float) -> np.ndarray:
    """Pairs of the readings (ms) around a silence much longer than the usual ``step``, the longest where many."""
    if step <= 0:
        return np.empty((0, 2), np.int64)
    steps = np.diff(times)
    wide = np.flatnonzero(steps > GAP_FACTOR * max(step, 1.0))
    if len(wide) > MOST_GAPS:
        wide = np.sort(wide[np.argsort(-steps[wide])[:MOST_GAPS]])
    return np.stack([times[wide], times[wide + 1]], axis=1) if len(wide) else np.empty((0, 2), np.int64)


def joined(parts: list[Reduced], start_ms: int, end_ms: int, points: int) -> Reduced:
    """Parts of one tag in order of time as one, cut to ``[start, end)``; a silence between two parts is one as well."""
    if not parts:
        return Reduced(SCHEMA.empty_table(), SCHEMA.empty_table(), np.empty((0, 2), np.int64), 0.0, 0)
    whole = pa.concat_tables([part.readings for part in parts]).combine_chunks()
    doubtful = pa.concat_tables([part.doubtful for part in parts]).combine_chunks()
    gaps = [part.gaps for part in parts]
    ends = [(times_ms(part.readings)[[0, -1]], part.step) for part in parts if part.readings.num_rows]
    for ((_, last), step), ((first, _), other) in pairwise(ends):
        gaps.append(silences(np.array([last, first]), max(step, other)))
    every = np.concatenate(gaps)
    seen = every[(every[:, 0] < end_ms) & (every[:, 1] >= start_ms)]
    odd = inside_ms(doubtful, start_ms, end_ms)
    steps = [part.step for part in parts if part.step]
    return Reduced(
        readings=thinned(inside_ms(whole, start_ms, end_ms), points),
        doubtful=odd.take(pa.array(_every(np.arange(odd.num_rows), MOST_DOUBTFUL))),
        gaps=seen[np.argsort(seen[:, 0], kind="stable")],
        step=float(np.median(steps)) if steps else 0.0,
        rows=sum(part.rows for part in parts),
    )


def min_max(values: np.ndarray, points: int) -> np.ndarray:
    """Places of at most about ``points`` values that keep every extreme: least and greatest of each stretch. Pure.

    NaN is neither, but where there is nothing else.
    """
    if len(values) <= points:
        return np.arange(len(values))
    none = np.isnan(values)
    low, high = np.where(none, np.inf, values), np.where(none, -np.inf, values)
    stretches = np.array_split(np.arange(len(values)), points // 2)
    kept = [place for part in stretches for place in (part[0] + low[part].argmin(), part[0] + high[part].argmax())]
    return np.unique([0, *kept, len(values) - 1])


def _extremes(times: np.ndarray, values: np.ndarray, points: int) -> np.ndarray:
    from tsdownsample import MinMaxDownsampler

    points = max(points, FEWEST)
    if len(values) <= points:
        return np.arange(len(values))
    inner = MinMaxDownsampler().downsample(times, values, n_out=points // 2 * 2)
    return np.concatenate([[0], inner.astype(np.int64), [len(values) - 1]])


def _changes(texts: pa.ChunkedArray, points: int) -> np.ndarray:
    codes = pc.fill_null(texts.combine_chunks().dictionary_encode().indices, -1).to_numpy()
    return _every(np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes) - 1]]), points)


def _every(places: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` of them, evenly."""
    return places if len(places) <= most else places[np.linspace(0, len(places) - 1, most).astype(np.int64)]
