"""What gateways are called, and when their readings are of two sensors."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sensorstream.historian.gateways import names
from sensorstream.historian.two_sensors import MOST_READINGS, Counted, Shared, _slices, of_two_sensors
from sensorstream.windows import window_of

DAY = window_of("UTC", day="2026-10-14")


def shared(path: str = "a", other: int = 2) -> Shared:
    return Shared(path, DAY, (1, other), ((1,), (2,)), DAY.start_ms, DAY.end_ms - 1, 0)


@pytest.mark.parametrize(
    ("drivers", "called"),
    [
        ([(1, "a", "p"), (2, "b", "p")], {1: "a", 2: "b"}),
        ([(1, "a", "p"), (2, "a", "q"), (3, "b", "p")], {1: "a:p", 2: "a:q", 3: "b"}),
        ([(1, "a", "p"), (2, "a", "p")], {1: "a:p:1", 2: "a:p:2"}),
        ([(1, None, None), (2, "", "p")], {1: "driver 1", 2: "driver 2"}),
    ],
)
def test_gateways_have_the_shortest_names_that_tell_them_apart(drivers, called):
    assert names(drivers) == called


@pytest.mark.parametrize(
    ("counted", "mixed"),
    [
        ([(100, 199)], [True]),  # readings of the one with fewer, and how often hands change
        ([(100, 50)], [True]),
        ([(100, 49)], [False]),
        ([(0, 2)], [False]),  # all alike
        ([(3, 6)], [True]),
        ([(3, 6), (1000, 2)], [False, False]),  # the others of the pair tell
        ([(3, 6), (1000, 1999)], [True, True]),
        ([(1, 2), (2, 4)], [True, True]),  # still few
    ],
)
def test_two_sensors_change_hands_about_twice_a_reading(counted, mixed):
    every = [Counted(shared(str(n)), fewer, turns, DAY.start_ms) for n, (fewer, turns) in enumerate(counted)]
    found = of_two_sensors(every)
    assert [one in found for one in every] == mixed
    elsewhere = Counted(shared("z", other=3), 1000, 2, DAY.start_ms)  # of another pair
    assert [one in of_two_sensors([*every, elsewhere]) for one in every] == mixed


@pytest.mark.parametrize("inside", [(MOST_READINGS // 2, MOST_READINGS // 2), (10**7, 400), (0, 0)])
def test_a_stretch_of_few_readings_of_either_is_looked_at_whole(inside):
    assert _slices(shared(), inside) == [(DAY.start_ms, DAY.end_ms - 1)]


def test_slices_of_a_long_stretch_are_spread_over_it_and_hold_enough():
    slices = _slices(shared(), (86_400, 86_400))
    assert slices[0][0] == DAY.start_ms and DAY.end_ms - slices[-1][1] < 24 * 3_600_000 / len(slices)
    assert all(last < first for (_, last), (first, _) in pairwise(slices))
    assert sum(last + 1 - first for first, last in slices) / 1000 * 2 >= MOST_READINGS
