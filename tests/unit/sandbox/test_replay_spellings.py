"""A long file, however it is spelled, comes back reading for reading, or is refused by name."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from sensorstream.errors import ConfigError
from sensorstream.sandbox.ignition_values import DATATYPE_FLOAT, DATATYPE_INT, DATATYPE_STRING, epoch_ms
from sensorstream.sandbox.replay_csv import read_series

HEADERS = [
    ("Tagname", "TimeStamp", "Value", "DataQuality"),  # Proficy, iFix
    ("TagName", "DateTime", "vValue", "OPCQuality"),  # AVEVA
    ("tagpath", "t_stamp", "floatvalue", "dataintegrity"),  # Ignition
    ("Tag Name", "Time Stamp", "VALUE", "Quality Code"),
    ("Data Item", "Date_Time", "Val", "status"),  # PI
    ("VarName", "TimeString", "VarValue", "Quality"),  # WinCC
    ("_field", "_time", "_value", "q"),  # InfluxDB
    ("sensor_id", "ts", "reading", "qual"),
]
# How a time is written, and whether the order of its parts can be mistaken.
CLEAR, DOUBTFUL = (
    [
        lambda t: f"{t:%Y-%m-%d %H:%M:%S}",
        lambda t: t.isoformat() + "Z",
        lambda t: f"{t:%Y-%m-%d} {t.hour}:{t:%M:%S}",
        lambda t: f"{t:%d.%m.%Y %H:%M:%S}",
        lambda t: f"{t:%Y/%m/%d %H:%M:%S}",
        lambda t: f"{t:%d-%b-%Y %H:%M:%S}",
        lambda t: f"{t:%b} {t.day}, {t:%Y %I:%M:%S %p}",
        lambda t: f"{t:%Y%m%d%H%M%S}",
        lambda t: str(epoch_ms(t.replace(tzinfo=UTC))),
        lambda t: str(epoch_ms(t.replace(tzinfo=UTC)) * 1_000_000),
    ],
    [
        lambda t: f"{t.month}/{t.day}/{t:%Y %I:%M:%S %p}",
        lambda t: f"{t:%d/%m/%Y %H:%M:%S}",
        lambda t: f"{t:%m-%d-%Y %H:%M:%S}",
        lambda t: f"{t:%d.%m.%y %H:%M:%S}",
        lambda t: f"{t:%m/%d/%y %H:%M:%S}",
    ],
)
QUALITIES = {"192": 192, "Good": 192, "BAD": 0, "0": 0, "uncertain": 64, "0xC0": 192, "2147483648": -(1 << 31), "": 192}
# Whole numbers and hundredths cannot be mistaken; thousandths can ("1.234").
NUMBERS = st.tuples(st.integers(-(10**12), 10**12), st.sampled_from([0, 1, 2, 3, 6]))


def written(number: tuple[int, int], decimal: str, thousands: str) -> str:
    digits, places = number
    text = f"{digits:,}" if not places else f"{digits / 10**places:,.{places}f}"
    return text.translate({ord(","): thousands, ord("."): decimal})


@given(
    header=st.sampled_from(HEADERS),
    order=st.permutations(range(4)),
    clear=st.booleans(),
    form=st.integers(0, 9),
    marks=st.sampled_from(
        [(",", ".", ""), (",", ".", ","), (";", ",", "."), (";", ".", ""), ("\t", ",", " "), (";", ".", "'")]
    ),
    preamble=st.sampled_from(["", "[Data]\n"]),
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a/b", "Ä", "1"]),
            st.datetimes(datetime(2001, 9, 10), datetime(2060, 1, 1)).map(lambda t: t.replace(microsecond=0)),
            NUMBERS,
            st.sampled_from(sorted(QUALITIES)),
        ),
        min_size=1,
        max_size=12,
    ),
    words=st.sampled_from([None, "a/b"]),
)
def test_a_long_file_comes_back_as_the_same_readings_or_is_refused_by_line(
    tmp_path_factory, header, order, clear, form, marks, preamble, rows, words
):
    delimiter, decimal, thousands = marks
    clock = (CLEAR if clear else DOUBTFUL)[form % len(CLEAR if clear else DOUBTFUL)]
    out = io.StringIO()
    lines = csv.writer(out, delimiter=delimiter)
    lines.writerow(header[i] for i in order)
    wanted: dict[str, list[tuple]] = {}
    for k, (tag, t, number, quality) in enumerate(rows):
        cell = f"word {k}" if tag == words else written(number, decimal, thousands)
        value = cell if tag == words else number[0] / 10 ** number[1]
        wanted.setdefault(f"x/{tag}", []).append((epoch_ms(t.replace(tzinfo=UTC)), value, QUALITIES[quality]))
        lines.writerow((tag, clock(t), cell, quality)[i] for i in order)
    places = {f"x/{tag}": {number[1] for name, _, number, _ in rows if name == tag} for tag, *_ in rows}
    file = tmp_path_factory.mktemp("long") / "x.csv"
    file.write_text(preamble + out.getvalue(), encoding="utf-8")
    try:
        made = read_series(file).series
    except ConfigError as refused:
        # Only what can be mistaken may be refused.
        doubtful_number = any(number[1] == 3 or (thousands and not number[1]) for *_, number, _ in rows)
        why = ("can be", "can mean", "has another mark")
        assert "line " in str(refused) and any(words in str(refused) for words in why), refused
        assert not clear if "can be" in str(refused) else doubtful_number
        event("refused")
        return
    event("read")
    assert {s.path: list(zip(s.t_stamp, s.values, s.quality, strict=True)) for s in made} == wanted
    for series in made:
        whole = DATATYPE_INT if places[series.path] == {0} else DATATYPE_FLOAT
        assert series.datatype == (DATATYPE_STRING if series.path == f"x/{words}" else whole)


SUMMER_ENDS = datetime(2026, 10, 25, 1, tzinfo=UTC)


@given(
    minutes=st.dictionaries(
        st.sampled_from("abc"), st.sets(st.integers(-9, 9), min_size=1, max_size=12), min_size=1, max_size=3
    ),
    by_tag=st.booleans(),
    newest_first=st.booleans(),
)
def test_the_hour_that_comes_twice_is_never_read_as_the_other_one(tmp_path_factory, minutes, by_tag, newest_first):
    """Readings every ten minutes, an hour and a half to both sides of the turn, some missing."""
    readings = [(tag, SUMMER_ENDS + timedelta(minutes=10 * m)) for tag, ms in minutes.items() for m in ms]
    readings.sort(key=lambda r: (r[0], r[1]) if by_tag else (r[1], r[0]), reverse=newest_first)
    zone = ZoneInfo("Europe/Vienna")
    file = tmp_path_factory.mktemp("turn") / "x.csv"
    local = [f"{t.astimezone(zone):%Y-%m-%d %H:%M},{tag},1" for tag, t in readings]
    file.write_text("\n".join(["time,tag,value", *local]))
    try:
        recording = read_series(file, timezone="Europe/Vienna")
    except ConfigError as refused:
        assert "comes twice in Europe/Vienna" in str(refused) and "line " in str(refused)
        event("refused")
        return
    made = {(s.path[2:], t) for s in recording.series for t in s.t_stamp}
    assert made == {(tag, epoch_ms(t)) for tag, t in readings}
    twice = any(-6 <= m < 6 for ms in minutes.values() for m in ms)
    event(f"read, twice: {twice}")
    assert any("2026-10-25 that comes twice" in remark for remark in recording.remarks) == twice


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_full_hour_that_comes_twice_is_read(tmp_path, newest_first):
    """Whatever the property above may refuse: not this."""
    times = [SUMMER_ENDS + timedelta(minutes=10 * m) for m in range(-9, 10)][:: -1 if newest_first else 1]
    rows = [f"{t.astimezone(ZoneInfo('Europe/Vienna')):%d.%m.%Y %H:%M};1" for t in times]
    (tmp_path / "x.csv").write_text("\n".join(["Timestamp;T1", *rows]))
    (series,) = read_series(tmp_path / "x.csv", timezone="Europe/Vienna").series
    assert series.t_stamp == [epoch_ms(t) for t in times]
