"""What a CSV file of readings may look like."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.errors import ConfigError
from sensorstream.sandbox.ignition_schema import DATATYPE_FLOAT, DATATYPE_INT, DATATYPE_STRING
from sensorstream.sandbox.replay import occurrences
from sensorstream.sandbox.replay_csv import read_series
from sensorstream.sandbox.replay_table import Column
from sensorstream.sandbox.replay_times import instants, parse_times

NOON_MS = 1_772_366_400_000  # 2026-03-01 12:00 UTC


@pytest.fixture
def series_of(tmp_path):
    def read(text: str | bytes, **how):
        file = tmp_path / "pump.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return {series.path: series for series in read_series(file, **how).series}

    return read


@pytest.fixture
def remarks_of(series_of, tmp_path):
    """What is said about how a file was read."""

    def read(text: str, **how):
        series_of(text, **how)
        return read_series(tmp_path / "pump.csv", **how).remarks

    return read


def times_of(cells, timezone="UTC"):
    column = Column("pump.csv", "time", range(2, 2 + len(cells)), cells)
    walls, _ = parse_times(column)
    return instants(column, walls, [""] * len(cells), ZoneInfo(timezone))[0]


def test_a_wide_file_is_a_tag_per_column(series_of):
    made = series_of(
        "datetime;flow;state;recipe;pressure;running\r\n"
        "2026-03-01 12:00:00.123;1.50;2;mix A;0.0;true\r\n"
        "2026-03-01 12:00:01;;3;;1.0;false\r\n"
    )
    assert {path: (s.datatype, list(s.values)) for path, s in made.items()} == {
        "pump/flow": (DATATYPE_FLOAT, [1.5]),
        "pump/state": (DATATYPE_INT, [2, 3]),
        "pump/recipe": (DATATYPE_STRING, ["mix A"]),
        "pump/pressure": (DATATYPE_FLOAT, [0.0, 1.0]),
        "pump/running": (DATATYPE_INT, [1, 0]),
    }
    assert made["pump/state"].t_stamp == [NOON_MS + 123, NOON_MS + 1000]


def test_a_long_file_names_its_tags_and_quality(series_of):
    made = series_of(
        "time,tag,value,quality\n2026-03-01T12:00:00Z,a/b,1.5,192\n2026-03-01T12:00:00Z,c,on,bad\n"
        "2026-03-01T12:00:01Z,a/b,2,500\n",
        prefix="plant9",
    )
    assert list(made["plant9/a/b"].values) == [1.5, 2.0] and made["plant9/a/b"].quality == [192, 500]
    assert list(made["plant9/c"].values) == ["on"] and made["plant9/c"].quality == [0]


def test_an_empty_prefix_leaves_the_names_alone(series_of):
    assert list(series_of("timestamp,value\n2026-03-01,1\n", prefix="")) == ["value"]


@pytest.mark.parametrize(
    "cell",
    [
        "2026-03-01 12:00:00.250",
        "2026-03-01T12:00:00.250999Z",
        "2026-03-01T13:00:00.250+01:00",
        f"{NOON_MS + 250}",
        f"{NOON_MS // 1000}.25",
        "01.03.2026 12:00:00.250",
        "2026/03/01 12:00:00.250",
    ],
)
def test_times_are_read_as_people_write_them(cell):
    assert times_of([cell]) == [NOON_MS + 250]


def test_day_and_month_are_never_guessed():
    assert times_of(["03/01/2026 12:00", "03/13/2026 12:00"])[0] == NOON_MS
    with pytest.raises(ConfigError, match=r'line 2 of pump.csv: "03/01/2026 12:00".* day/month/year or month/day/year'):
        times_of(["03/01/2026 12:00"])


def test_local_times_cross_the_end_of_summer_time():
    walls = ["2026-10-25 01:30", "2026-10-25 02:30", "2026-10-25 02:00", "2026-10-25 02:30", "2026-10-25 03:00"]
    times = times_of(walls, "Europe/Vienna")
    utc = [datetime.fromtimestamp(t / 1000, UTC).strftime("%H:%M") for t in times]
    assert utc == ["23:30", "00:30", "01:00", "01:30", "02:00"]


def test_a_decimal_comma_is_one_where_the_comma_does_not_delimit(series_of):
    made = series_of("Zeit;ts;Öldruck\nx;2026-03-01;1,25\ny;2026-03-02;1.5\n".encode("cp1252"))
    assert list(made["pump/Öldruck"].values) == [1.25, 1.5]


def test_a_number_too_large_for_the_historian_is_a_float(series_of):
    made = series_of("ts,a,b\n2026-03-01,9223372036854775807,9223372036854775808\n")
    assert (made["pump/a"].datatype, made["pump/b"].datatype) == (DATATYPE_INT, DATATYPE_FLOAT)


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_doubles_keep_every_bit(tmp_path_factory, doubles):
    file = tmp_path_factory.mktemp("doubles") / "f.csv"
    file.write_text("timestamp,value\n" + "".join(f"2026-03-01T12:00:{i:02d},{d!r}\n" for i, d in enumerate(doubles)))
    (series,) = read_series(file).series
    assert [struct.pack(">d", v) for v in series.values] == [struct.pack(">d", d) for d in doubles]


@given(st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)), min_size=1, max_size=5))
def test_milliseconds_are_exact(moments):
    times = times_of([m.isoformat() for m in moments])
    seconds = [m.replace(microsecond=0, tzinfo=UTC).timestamp() for m in moments]
    assert times == [int(s) * 1000 + m.microsecond // 1000 for s, m in zip(seconds, moments, strict=True)]


def test_the_kth_occurrence_of_a_time_is_counted_in_file_order():
    assert occurrences([5, 6, 5, 7, 5, 6]) == [0, 0, 1, 0, 2, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no two columns"),
        ("value\n1\n", "no two columns"),
        ("a,b\nx,1\n", "no column of times"),
        ("timestamp,value\n2026-03-01,1\nyesterday,2\n", 'line 3 of pump.csv: "yesterday"'),
        ("timestamp,value\n2026-03-01,1\n2026-03-02\n", "line 3 of pump.csv has 1 cells"),
        ("timestamp,value,value\n2026-03-01,1,2\n", 'two columns "value"'),
        ("timestamp,tag,value,quality\n2026-03-01,a,1,fine\n", 'quality "fine"'),
        ("timestamp,tag,value\n2026-03-01,,1\n", "names no tag"),
        ("timestamp," + "x" * 300 + "\n2026-03-01,1\n", "longer than 255"),
        ("timestamp,value\n2026-03-01,\0\n", "NUL"),
    ],
)
def test_what_is_no_readings_is_refused_in_one_sentence(series_of, text, message):
    with pytest.raises(ConfigError, match=message):
        series_of(text)


def test_an_unknown_time_zone_is_refused(series_of):
    with pytest.raises(ConfigError, match="IANA"):
        series_of("timestamp,value\n2026-03-01,1\n", timezone="Mars/Olympus")
