"""A column a tag, a row a step of time: readings as people who calculate with them want them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ConfigError
from ..transform.readings import SCHEMA, times_ms
from ..windows import Window

Take = Literal["mean", "last"]
UNITS_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
MOST_ROWS = 10_000_000
TIME = SCHEMA.field("datetime").type


def step_ms(every: str) -> int:
    """``every`` (``500ms``, ``10s``, ``1min``, ``1h``, ``1d``) in milliseconds; ``ConfigError`` where it is none."""
    found = re.fullmatch(r"(\d{1,9}) ?(ms|s|min|h|d)", every)
    if not found or not int(found[1]):
        raise ConfigError(f'every "{every}" is no step of time: write it like 10s, 1min, 1h or 1d')
    return int(found[1]) * UNITS_MS[found[2]]


def widened(
    readings: pa.Table, tags: Sequence[str] | None, window: Window, every: str, take: Take = "mean"
) -> pa.Table:
    """``readings`` (tagpath, datetime, value, text; in order of both first) as one row a step and one column a tag.

    Parameters
    ----------
    tags
        The columns, in this order, one without a reading empty; by default each tag that has one.
    every
        The step, from the window's start on; ``datetime`` is where each begins.
    take
        ``mean`` of the numbers in the step, empty where it has none; or the ``last`` reading of the step, else the one
        before it, as far back as the window goes, text where a tag has no numbers.

    Raises
    ------
    ConfigError
        A step that is none, more than ten million rows, a way to take that is none, a tag named "datetime".
    """
    step = step_ms(every)
    count = -((window.start_ms - window.end_ms) // step)
    if count > MOST_ROWS:
        raise ConfigError(f'every "{every}" makes {count:,} rows of {window}: take longer steps or a shorter window')
    if take not in ("mean", "last"):
        raise ConfigError(f'take "{take}" is none of mean, last')
    wanted = readings.column("tagpath").unique().sort().to_pylist() if tags is None else tags
    if "datetime" in wanted:
        raise ConfigError('a tag has the path "datetime", as the column of times: read it by itself, without wide')
    starts = window.start_ms + step * np.arange(count)
    columns = {"datetime": pa.array(starts).cast(TIME)}
    for tag in wanted:
        own = readings.filter(pc.equal(readings.column("tagpath"), tag))
        place = (times_ms(own) - window.start_ms) // step
        columns[tag] = (_mean if take == "mean" else _last)(own, place, count)
    return pa.table(columns)


def _mean(own: pa.Table, place: np.ndarray, count: int) -> pa.Array:
    there = own.column("value").is_valid().to_numpy()
    place, values = place[there], own.column("value").drop_null().to_numpy()
    counts = np.bincount(place, minlength=count)
    with np.errstate(invalid="ignore"):  # of infinities of both signs
        means = np.bincount(place, values, count) / np.maximum(counts, 1)
    return pa.array(means, mask=counts == 0)


def _last(own: pa.Table, place: np.ndarray, count: int) -> pa.Array:
    column = "text" if own.num_rows and own.column("value").null_count == own.num_rows else "value"
    newest = np.searchsorted(place, np.arange(count), side="right") - 1
    held = own.column(column).combine_chunks()
    return held.take(pa.array(newest, mask=newest < 0))
