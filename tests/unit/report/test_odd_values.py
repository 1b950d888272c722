"""Pictures and ranges of any doubles at all; and a picture that cannot be drawn says so in its place."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorstream import report
from sensorstream.checks.gaps_and_stuck import beyond, still
from sensorstream.checks.ranges import Seen, learned
from sensorstream.errors import LakeError
from sensorstream.formatting import MOST_MEASURED
from sensorstream.historian import Tag
from sensorstream.lake.scan import READINGS
from sensorstream.report import charts
from sensorstream.report import run_statistics as gathering
from sensorstream.report.downsampling import min_max, reduced
from sensorstream.report.level_shifts import Tally, measured
from sensorstream.report.small_multiples import Line, panel
from sensorstream.transform.readings import SCHEMA
from tests.unit.report.test_run_page import CONFIG, DAY, RECORD, STATISTICS

ODD = [sys.float_info.max, -sys.float_info.max, MOST_MEASURED, 5e-324, -5e-324, 0.0, float("inf"), -float("inf")]
VALUES = st.lists(st.sampled_from([*ODD, float("nan"), 20.0, 21.5]) | st.floats(), min_size=8, max_size=400)


@given(VALUES)
@settings(max_examples=60)
def test_any_values_make_a_picture_and_no_overflow(values):
    every = np.array(values)
    times = DAY.start_ms + 60_000 * np.arange(len(every))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        tally = Tally("a/b", int(times[0]), int(times[-1]))
        tally.add(times, every)
        numbers = measured(every)
        if levels := tally.levels():
            assert np.isfinite(levels.usual) and np.isfinite(levels.spread) and levels.unusual() is not None
            line = Line(times[numbers], every[numbers])
            panel("a/b", "", line, "UTC", spans=levels.unusual(), levels=levels)
        columns = [pa.array(["a/b"] * len(every)).dictionary_encode(), times, every, [None] * len(every),
                   [192] * len(every)]  # fmt: skip
        picture = report.series(pa.table(columns, schema=READINGS), CONFIG)
    lost = int((~numbers).sum())
    assert picture.svg.count("<path") > 1 and (f"Not drawn: {lost} that" in picture.alt) == bool(lost)
    assert "not drawn</text>" not in picture.svg


@pytest.mark.parametrize("seconds", [220, 13_400, 330_000, 120_000_000])
def test_a_picture_of_any_length_of_time_finds_its_ticks(seconds):
    times = [DAY.start_ms, DAY.start_ms + 1000 * seconds]
    columns = [pa.array(["a/b"] * 2).dictionary_encode(), times, [1.0, 2.0], [None] * 2, [192] * 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert report.series(pa.table(columns, schema=READINGS), CONFIG).svg.count("<text") >= 3


@given(VALUES, st.integers(2, 40))
def test_few_readings_keep_the_extremes_of_what_is_measured(values, points):
    every = np.array(values)
    own = every[measured(every)]
    seen = every[min_max(np.where(measured(every), every, np.nan), points)]
    times = pa.array(1000 * np.arange(len(every)), pa.int64()).cast(SCHEMA.field("datetime").type)
    table = pa.table([times, every, [None] * len(every), [192] * len(every)], schema=SCHEMA)
    thin = reduced(table, points)
    explored = thin.readings.column("value").to_numpy()
    for found in (seen, explored):
        found = found[measured(found)]
        assert len(own) == len(found) == 0 or (found.min(), found.max()) == (own.min(), own.max())
    assert thin.doubtful.num_rows == len(every) - len(own)


@given(VALUES)
def test_behaviour_and_ranges_of_any_values_are_sound(values):
    every = np.array(values)
    times = 1000 * np.arange(len(every))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        still(times, every)
        outside = sum(one.readings for one in beyond(times, every, -1e308, 20.0))
        assert outside == ((every < -1e308) | (every > 20)).sum()
        own = every[measured(every)]
        if len(own):
            (found,) = learned([(Tag("a/b", (1,)), Seen(own.min(), own.max(), False))])
            assert found.lowest <= own.min() and own.max() <= found.highest and found.highest < np.inf


def test_a_sensor_that_is_stuck_on_nan_is_stuck():
    lively = np.random.default_rng(1).normal(size=200)
    values = np.concatenate([lively, np.full(60, np.nan), lively])
    (found,) = still(1000 * np.arange(len(values)), values)
    assert (found.start_ms, found.readings) == (200_000, 60)


def test_a_picture_that_cannot_be_drawn_says_why_in_its_place(monkeypatch):
    broken = replace(STATISTICS, starts_ms=None)
    picture = report.readings_over_time(broken)
    assert picture.alt.startswith("Not drawn, TypeError: ") and "not drawn</text>" in picture.svg
    assert "not drawn" not in report.most_rejected(broken).svg

    def breaks(*_):
        raise ZeroDivisionError("no <statistics>")

    monkeypatch.setattr(gathering, "_gathered", breaks)
    statistics = report.gather(CONFIG, RECORD, [])
    every = (report.readings_over_time, report.quality_by_area, report.most_rejected, report.bytes_by_tag)
    for picture in (*(draw(statistics) for draw in every), *report.moved_most(CONFIG, statistics, DAY)):
        assert picture.alt == "Not drawn, ZeroDivisionError: no <statistics>" and "no &lt;statistics&gt;" in picture.svg


@pytest.mark.parametrize("raised", [LakeError("the lake is away"), KeyboardInterrupt()])
def test_what_is_no_fault_of_a_picture_ends_the_run(raised):
    def breaks():
        raise raised

    with pytest.raises(type(raised)):
        charts.drawn("a", breaks)
