"""What counts as a gap, a stuck sensor, a value out of range, a clock that went back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.checks.clock_steps import Cell, Pieces, joined, silence, written_twice
from sensorstream.checks.gaps_and_stuck import beyond, gaps, still
from sensorstream.checks.tag_anomalies import NOTHING, behaviour
from sensorstream.windows import window_of

HOUR = 3_600_000  # ms
rng = np.random.default_rng(7)


def spans(found):
    return sorted((one.start_ms, one.end_ms) for one in found)


@given(st.integers(1, 7_200), st.data())
def test_a_hole_in_a_scanned_tag_is_a_gap_with_its_exact_borders(step_s, data):
    step, count = step_s * 1000, 2_000
    missing = max(2, min(11, 1_800 // step_s + 1))  # ten steps, or half an hour of a slow tag
    at = data.draw(st.integers(1, count - missing - 1))
    times = np.arange(count, dtype=np.int64) * step
    assert gaps(times) == []
    holed = np.delete(times, slice(at, at + missing))
    assert spans(gaps(holed)) == [(times[at - 1], times[at + missing])]


def test_one_missing_reading_of_an_hourly_tag_is_a_gap_and_of_a_busy_one_is_none():
    for step, expected in ((HOUR, 1), (1_000, 0)):
        times = np.delete(np.arange(1_000, dtype=np.int64) * step, 500)
        assert len(gaps(times)) == expected


def test_a_tag_that_is_stored_on_change_or_pauses_by_habit_has_no_gaps():
    on_change = np.cumsum(rng.exponential(60_000, 5_000)).astype(np.int64)
    assert gaps(on_change) == []
    shifts = np.concatenate([day * 24 * HOUR + np.arange(16 * 12, dtype=np.int64) * HOUR // 12 for day in range(3)])
    assert len(gaps(shifts)) == 2 and gaps(np.tile([0, 1_000, 2_000, 900_000], 1).cumsum()) == []
    batches = np.concatenate([minute * 60_000 + np.arange(10, dtype=np.int64) * 1_000 for minute in range(500)])
    assert gaps(batches) == []


@pytest.mark.parametrize("decimals", [0, 1, 3])
def test_a_lively_value_that_stands_still_is_stuck_and_what_never_moves_much_is_not(decimals):
    times = np.arange(5_000, dtype=np.int64) * 1_000
    lively = np.round(20 + rng.normal(0, 1, 5_000), decimals)
    assert still(times, lively) == []
    stuck = lively.copy()
    stuck[1_000:1_600] = 21.5
    (found,) = still(times, stuck)
    assert abs(found.start_ms - 1_000_000) < 3_000 and abs(found.readings - 600) < 4 and found.value == 21.5
    setpoint = np.repeat([20.0, 35.0, 20.0, 50.0], 1_250)
    assert still(times, setpoint) == [] and still(times, np.full(5_000, 3.0)) == []
    assert still(times, np.full(5_000, 3.0), longest_ms=HOUR)[0].readings == 5_000


def test_runs_out_of_range_are_named_with_their_worst_value():
    values = np.array([5, 11, 14, 12, 5, -3, 5.0])
    found = beyond(np.arange(7, dtype=np.int64), values, 0, 10)
    assert [(one.start_ms, one.end_ms, one.readings, one.value) for one in found] == [(1, 3, 3, 14), (5, 5, 1, -3)]


def cells(*order: int, each: int = 900) -> list[Cell]:
    """Cells of the pieces as rows were written, ``each`` rows a piece; a piece that comes twice was written twice."""
    return joined(Cell(piece, each, place * each, (place + 1) * each - 1) for place, piece in enumerate(order))


def test_a_clock_that_went_back_wrote_pieces_twice_and_late_readings_did_not():
    assert written_twice(cells(*range(10))) == []
    assert written_twice(cells(0, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6, 7, 8, 9)) == [(2, 5)]
    assert written_twice(cells(0, 1, 2, 6, 7, 8, 9, 3, 4, 5)) == []  # delivered late


def test_silence_is_counted_in_pieces_and_up_to_the_end():
    assert silence([0, 1, 2, 3], 0, 4) == 0
    assert silence([0, 3], 0, 4) == 2
    assert silence([0], 0, 4) == 3 and silence([], 0, 4) == 4 and silence([3], 2, 4) == 1
    day = window_of("UTC", day="2026-10-14")
    assert Pieces.of(day, 400).count == 96 and Pieces.of(day, 50_000).count == 12


def test_a_time_whose_reading_was_rejected_is_no_gap():
    minutes = np.arange(120, dtype=np.int64) * 60_000
    kept = np.delete(minutes, slice(30, 90))
    table = pa.table({"datetime": pa.array(kept, pa.timestamp("ms", "UTC")), "value": np.sin(kept / 1e6)})
    window = window_of("UTC", day="1970-01-01")
    (gap,) = behaviour(table, window, NOTHING, None, lambda: table).gaps
    assert (gap.start_ms, gap.end_ms) == (minutes[29], minutes[90])
    assert not behaviour(table, window, minutes[20:100], None, lambda: table).gaps
