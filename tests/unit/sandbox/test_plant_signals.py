"""The simulated plant's readings, without a database."""

from __future__ import annotations

import hashlib
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from sensorstream.sandbox import copy_rows
from sensorstream.sandbox.plant_signals import NO_VALUE_QUALITIES, readings
from sensorstream.sandbox.plant_tags import DAY_MS, PlantOptions, Tag, plant_tags

OPTIONS = PlantOptions(tags=24, days=2, rate_seconds=20)
HOUR_MS = 3_600_000


def day_of(tag: Tag, day: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    start = OPTIONS.start_ms + day * DAY_MS
    read = readings(tag, start, start + DAY_MS, OPTIONS.seed)
    return read.t_stamp, np.asarray(read.values), read.quality, read.valued


def rows(options: PlantOptions, *hours: int) -> bytes:
    """The first day's rows of all tags, cut into blocks at these hours."""
    cuts = [options.start_ms + hour * HOUR_MS for hour in (0, *hours, 24)]
    tags = plant_tags(options)
    return b"".join(
        copy_rows.block(options.layout, [(tag, readings(tag, start, end, options.seed)) for tag in tags])
        for start, end in pairwise(cuts)
    )


@pytest.mark.parametrize("layout", ["ignition", "generic"])
def test_how_time_is_cut_into_blocks_does_not_change_a_byte(layout):
    options = PlantOptions(tags=24, days=2, rate_seconds=20, layout=layout)
    assert rows(options) == rows(options, 1, 2, 13) == rows(options, 12)


def test_the_same_options_make_the_same_bytes_on_every_machine():
    digest = hashlib.sha256(rows(PlantOptions(tags=24, days=2, rate_seconds=20, end=date(2026, 11, 2)))).hexdigest()
    assert digest == "617479523d880dc3a4608fed71e69aba1c681a5b9db82e03e93e87e7992209cc", (
        "other rows than before: raise plant.GENERATION and this digest"
    )


def test_another_seed_makes_other_readings():
    assert rows(OPTIONS) != rows(PlantOptions(tags=24, days=2, rate_seconds=20, seed=8))


@pytest.mark.parametrize("rate_seconds", [0.001, 0.002, 0.003, 0.05, 7.7, 60])
def test_no_tag_has_two_readings_at_one_time_whatever_the_rate(rate_seconds):
    options = PlantOptions(tags=24, days=1, rate_seconds=rate_seconds)
    for tag in plant_tags(options):
        start = options.start_ms + 12 * HOUR_MS
        times = readings(tag, start, start + 60_000, options.seed).t_stamp
        assert (np.diff(times) > 0).all(), tag


def test_an_energy_counter_never_falls():
    counters = [tag for tag in plant_tags(OPTIONS) if tag.kind == "energy"]
    assert counters
    for tag in counters:
        values = np.concatenate([day_of(tag, 0)[1], day_of(tag, 1)[1]])
        assert (np.diff(values) >= 0).all() and values[-1] > values[0]


def test_one_sensor_is_stuck_for_hours():
    (stuck,) = [tag for tag in plant_tags(OPTIONS) if tag.stuck_ms != (0, 0)]
    times, values, _, _ = day_of(stuck)
    assert len(set(values[times >= stuck.stuck_ms[0]])) == 1
    assert len(set(values[times < stuck.stuck_ms[0]])) > 5


def test_gaps_last_hours_and_one_tag_is_read_on_the_dot():
    tags = [
        tag for tag in plant_tags(OPTIONS) if tag.kind in ("temperature", "pressure", "energy") and len(day_of(tag)[0])
    ]
    longest = [int(np.diff(day_of(tag)[0]).max()) for tag in tags]
    assert sum(gap >= HOUR_MS for gap in longest) >= 1
    assert sum(gap < HOUR_MS for gap in longest) >= 1
    assert day_of(tags[0])[0][0] == OPTIONS.start_ms and set(np.diff(day_of(tags[0])[0])) == {2_000}


def test_most_values_have_a_sensors_resolution_and_some_every_bit():
    lengths = {
        tag.path: np.mean([len(repr(v)) for v in day_of(tag)[1][:200].tolist()]) for tag in plant_tags(OPTIONS)[3:6]
    }
    full = [tag for tag in plant_tags(OPTIONS) if tag.kind == "flow" and tag.decimals is None]
    assert full and max(lengths.values()) < 13
    assert np.mean([len(repr(v)) for v in day_of(full[0], 1)[1][:200].tolist()]) > 15


def test_about_one_reading_in_sixty_is_bad_and_some_hold_no_value():
    quality, valued = (np.concatenate([day_of(tag)[i] for tag in plant_tags(OPTIONS)]) for i in (2, 3))
    assert 0.01 < (quality != 192).mean() < 0.02
    assert {0, 192, 256, 500, 600} <= set(quality.tolist())
    assert (valued == ~np.isin(quality, NO_VALUE_QUALITIES)).all() and not valued.all()
