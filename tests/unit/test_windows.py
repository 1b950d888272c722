"""Windows: half open, and cut at the borders of a time zone's days and months."""

import itertools
import struct
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.errors import ConfigError
from sensorstream.windows import Window, as_window, day_window, from_name, month_window, window_of

ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Gaza"]
)
INSTANTS = st.integers(0, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
WINDOWS = st.tuples(INSTANTS, st.integers(1, 90 * 86400)).map(lambda x: Window(x[0], x[0] + timedelta(seconds=x[1])))


def test_a_day_of_a_clock_change_has_23_or_25_hours():
    spring, autumn = day_window(date(2026, 3, 29), "Europe/Berlin"), day_window(date(2026, 10, 25), "Europe/Berlin")
    assert spring.end - spring.start == timedelta(hours=23)
    assert autumn.end - autumn.start == timedelta(hours=25)


@given(WINDOWS, ZONES)
def test_months_and_days_tile_the_window(window, tz):
    for parts in ([part for _, part in window.months(tz)], [part for _, part in window.days(tz)]):
        assert (parts[0].start, parts[-1].end) == (window.start, window.end)
        assert all(a.end == b.start for a, b in itertools.pairwise(parts))
    assert all(month_window(month, tz).covers(part) for month, part in window.months(tz))


TIME_ZONES = files("tzdata")


def clock_changes(tz):
    """The seconds since 1970 at which clocks of a zone changed, as its file lists them."""
    data = TIME_ZONES.joinpath("zoneinfo", *tz.split("/")).read_bytes()
    header = data.index(b"TZif", 4)  # the second one, of 64 bits
    (count,) = struct.unpack_from(">I", data, header + 32)
    return struct.unpack_from(f">{count}q", data, header + 44)


def test_days_and_months_tile_every_change_of_clocks_of_every_zone():
    changes = [(tz, s) for tz in TIME_ZONES.joinpath("zones").read_text().split() for s in clock_changes(tz)]
    assert len(changes) > 20_000
    for tz, s in changes:
        before, at = (datetime.fromtimestamp(s - n, ZoneInfo(tz)) for n in (1, 0))
        if before.date() == at.date() and at.hour:
            continue  # no midnight is near
        window = Window(at, at + timedelta(hours=27))
        for named in (window.days(tz), window.months(tz)):
            parts = [part for _, part in named]
            assert (parts[0].start, parts[-1].end) == (window.start, window.end), (tz, at)
            assert all(a.end == b.start for a, b in itertools.pairwise(parts)), (tz, at)


@given(WINDOWS, WINDOWS)
def test_clip_and_minus_together_are_the_window(window, other):
    parts = sorted([*window.minus(other), *([window.clip(other)] if window.clip(other) else [])])
    assert (parts[0].start, parts[-1].end) == (window.start, window.end)
    assert all(a.end == b.start for a, b in itertools.pairwise(parts))


def test_a_day_that_a_calendar_leaves_out_is_no_day():
    window = window_of("Pacific/Apia", start="2011-12-29", end="2012-01-01")
    assert [day.isoformat() for day, _ in window.days("Pacific/Apia")] == ["2011-12-29", "2011-12-31"]


@pytest.mark.parametrize(
    "asked", [{"day": "9999-12-31"}, {"day": "0001-01-01"}, {"start": "0001-01-01", "end": "2026-11-01"}]
)
def test_a_window_at_the_end_of_all_time_is_refused(asked):
    with pytest.raises(ConfigError, match="too far away: use years from 2 to 9998"):
        window_of("Europe/Berlin", **asked)


@given(WINDOWS)
def test_a_name_spells_its_window(window):
    assert from_name(window.name) == window


def test_dates_are_midnight_in_the_configured_zone():
    window = window_of("Europe/Berlin", "2026-10-14")
    assert window.name == "20261013T220000Z_20261014T220000Z"
    assert window_of("Europe/Berlin", start="2026-10-14", end="2026-10-15") == window
    assert window_of("Europe/Berlin", date(2026, 10, 14)) == window
    assert window_of("Europe/Berlin", start=date(2026, 10, 14), end=datetime(2026, 10, 15)) == window
    assert window_of("Europe/Berlin", start="2026-10-13T22:00Z", end="2026-10-15T00:00+02:00") == window


def test_a_day_is_a_window():
    window = window_of("Europe/Berlin", day="2026-10-14")
    assert as_window("2026-10-14", "Europe/Berlin") == as_window(date(2026, 10, 14), "Europe/Berlin") == window
    assert as_window(window, "UTC") is window
    assert as_window(datetime(2026, 10, 14), "Europe/Berlin") == as_window((window.start, window.end), "UTC") == window
    assert as_window(("2026-10-14", "2026-10-15"), "Europe/Berlin") == window
    for wrong in ("soon", "9999-12-31", datetime(2026, 10, 14, 6), ("2026-10-14", "soon"), ("2026-10-14",), None):
        with pytest.raises(ConfigError, match=r"2026-10-14|use years|neither a date"):
            as_window(wrong, "UTC")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "no window given"),
        ({"day": "2026-13-01"}, "is not a date"),
        ({"day": "2026-10-14", "end": "2026-10-15"}, 'day "2026-10-14" goes without end "2026-10-15"'),
        ({"start": "2026-10-14"}, 'start "2026-10-14", and no end'),
        ({"end": "2026-10-14"}, 'end "2026-10-14", and no start'),
        ({"start": "2026-10-14", "end": "2026-10-14"}, "not after its start"),
        ({"start": "yesterday", "end": "2026-10-14"}, "neither a date"),
        ({"start": "2026-10-14T00:00:00.5", "end": "2026-10-15"}, "whole second"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused_in_one_sentence(asked, says):
    with pytest.raises(ConfigError, match=says):
        window_of("UTC", **asked)
