"""What a CSV file of readings may look like."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.errors import ConfigError
from sensorstream.sandbox.ignition_values import DATATYPE_FLOAT, DATATYPE_INT, DATATYPE_STRING
from sensorstream.sandbox.replay import occurrences
from sensorstream.sandbox.replay_columns import Named
from sensorstream.sandbox.replay_csv import read_series
from sensorstream.sandbox.replay_table import Column
from sensorstream.sandbox.replay_times import instants, parse_times

NOON_MS = 1_772_366_400_000  # 2026-03-01 12:00 UTC


PROFICY = """[Data]
Tagname,TimeStamp,Value,DataQuality
A.F_CV,10/14/2026 1:00:00 AM,"1,234.5",Good
A.F_CV,10/14/2026 1:00:00 PM,999.5,Bad
"""
IGNITION = """"#NAMES"
"t_stamp","Area/T1","Area/T2"
"#TYPES"
"date","D","I"
"#ROWS","2"
"2026-03-01 12:00:00","1.5","2"
"2026-03-01 12:00:01","2.5","3"
"""
INFLUX = """#group,false,false,false,false,true,true,true
#datatype,string,long,dateTime:RFC3339,double,string,string,string
#default,_result,,,,,,
,result,table,_time,_value,_field,_measurement,host
,,0,2026-03-01T12:00:00Z,1.5,temp,pump,a
,,0,2026-03-01T12:00:01Z,2.5,temp,pump,a

#group,false,false,false,false,true,true,true
#datatype,string,long,dateTime:RFC3339,string,string,string,string
#default,_result,,,,,,
,result,table,_time,_value,_field,_measurement,host
,,1,2026-03-01T12:00:00Z,on,mode,pump,a
"""
WINCC = """"VarName";"TimeString";"VarValue";"Validity";"Time_ms"
"V1";"01.03.2026 12:00:00";66,00;1;46082500000,0
"V1";"01.03.2026 12:00:01";1.066,25;0;46082500011,6
"""
AVEVA = """DateTime,TagName,Value,vValue,Quality,QualityDetail
2026-03-01 12:00:00.000,T1,1.5,1.5,0,192
2026-03-01 12:00:00.000,S1,NULL,on,1,24
"""


@pytest.fixture
def series_of(tmp_path):
    def read(text: str | bytes, **how):
        file = tmp_path / "pump.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return {series.path: series for series in read_series(file, **how).series}

    return read


ODD = "Zeit am Ort;Uhr;Ort;Bemerkung;Messung;Güte\n2026-03-01;12:00:00;P1;a;1.5;192\n2026-03-01;12:00:01;P1;b;2.5;0\n"


def test_a_point_and_a_comma_that_cannot_both_be_right_are_refused(series_of):
    with pytest.raises(ConfigError, match=r'line 3 of pump.csv: "4.026" in a has another mark than "5,026"'):
        series_of("time;a;b\n2026-03-01 12:00;5,026;1,5\n2026-03-01 12:01;4.026;1,5\n")


def test_columns_whose_names_tell_nothing_are_named_by_the_user(series_of):
    named = Named(time=("Zeit am Ort", "Uhr"), tag="Ort", values=("Messung",), quality="Güte")
    (made,) = series_of(ODD, named=named).values()
    assert (made.path, made.t_stamp, list(made.values)) == ("pump/P1", [NOON_MS, NOON_MS + 1000], [1.5, 2.5])
    assert made.quality == [192, 0]
    wide = series_of(ODD, named=Named(time=named.time, values=("Messung", "Bemerkung")))
    assert {path: list(s.values) for path, s in wide.items()} == {
        "pump/Messung": [1.5, 2.5],
        "pump/Bemerkung": ["a", "b"],
    }
    with pytest.raises(ConfigError, match='no column "Wert": it has Zeit am Ort, Uhr, Ort, Bemerkung, Messung, Güte'):
        series_of(ODD, named=Named(time=named.time, values=("Wert",)))


def test_what_each_column_became_is_told(series_of, tmp_path):
    series_of(ODD, named=Named(time=("Zeit am Ort", "Uhr"), tag="Ort", values=("Messung",)))
    recording = read_series(tmp_path / "pump.csv", named=Named(("Zeit am Ort", "Uhr"), "Ort", ("Messung",), "Güte"))
    assert recording.made == [
        ("Zeit am Ort and Uhr", "time, 2026-03-01 12:00:00 to 2026-03-01 12:00:01 UTC"),
        ("Ort", "names the tag: pump/P1"),
        ("Messung", "value, 2 readings"),
        ("Güte", "quality of Messung"),
        ("Bemerkung", "left out"),
    ]


def test_a_parquet_file_is_read_as_a_csv_file_of_the_same(tmp_path):
    file = tmp_path / "pump.parquet"
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    table = pa.table({"time": [noon, noon], "flow": [1.0, None], "on": [True, False], "recipe": ["a", ""]})
    pq.write_table(table, file)
    made = {s.path: (s.datatype, s.t_stamp, list(s.values)) for s in read_series(file).series}
    assert made == {
        "pump/flow": (DATATYPE_FLOAT, [NOON_MS], [1.0]),
        "pump/on": (DATATYPE_INT, [NOON_MS] * 2, [1, 0]),
        "pump/recipe": (DATATYPE_STRING, [NOON_MS], ["a"]),
    }
    file.write_text("no Parquet")
    with pytest.raises(ConfigError, match=r"cannot read .*pump\.parquet"):
        read_series(file)


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


@pytest.mark.parametrize(
    ("export", "readings"),
    [
        (PROFICY, {"A.F_CV": [(1234.5, 192), (999.5, 0)]}),
        (IGNITION, {"Area/T1": [(1.5, 192), (2.5, 192)], "Area/T2": [(2, 192), (3, 192)]}),
        (INFLUX, {"pump/temp": [(1.5, 192), (2.5, 192)], "pump/mode": [("on", 192)]}),
        (WINCC, {"V1": [(66.0, 192), (1066.25, 0)]}),
        (AVEVA, {"T1": [(1.5, 192)], "S1": [("on", 24)]}),
        ("Date;Time;T1\n01.03.2026;12:00;1,5\n", {"T1": [(1.5, 192)]}),
        ("Uhrzeit;T1;Datum\n12:00:00;1,5;01.03.2026\n", {"T1": [(1.5, 192)]}),
        ("sep=;\nts;flow;flow_quality;level\n2026-03-01 12:00;1;0;2\n", {"flow": [(1, 0)], "level": [(2, 192)]}),
    ],
    ids=[
        "Proficy",
        "Ignition",
        "InfluxDB",
        "WinCC",
        "AVEVA",
        "date and clock",
        "Datum, Uhrzeit",
        "quality beside its tag",
    ],
)
def test_exports_of_historians_are_read_as_they_are(series_of, export, readings):
    made = series_of(export, prefix="")
    assert {path: list(zip(s.values, s.quality, strict=True)) for path, s in made.items()} == readings
    first = datetime(2026, 10, 14, 1, tzinfo=UTC).timestamp() * 1000 if export is PROFICY else NOON_MS
    assert all(s.t_stamp[0] == first for s in made.values())


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("ts,v\n2026-03-01,1\n2026-03-02,Bad Input\n", 'read as text: v (line 3: "Bad Input")'),
        (
            "ts;a;b\n2026-03-01;0,5;1.250\n",
            'decimal commas, as other numbers of the file tell: "1.250" in b (line 2) is read as 1250',
        ),
        (
            "ts;a;b\n2026-03-01;0,5;7,011\n",
            'decimal commas, as other numbers of the file tell: "7,011" in b (line 2) is read as 7.011',
        ),
        (
            "ts;a;b\n2026-03-01;0.5;7,011\n",
            'decimal points, as other numbers of the file tell: "7,011" in b (line 2) is read as 7011',
        ),
        ("ts,v\n03/01/2026,1\n03/14/2026,1\n", 'times are month/day/year: no other order fits line 3 ("03/14/2026")'),
        ("ts;v\n01.03.2026;1\n", 'times such as "01.03.2026" are read as day.month.year'),
        ("ts,tag,value,unit\n2026-03-01,a,1,m\n", "columns left out: unit"),
        ("ts,tag,value,quality\n2026-03-01,a,1,0\n", "not one reading is of good quality (192)"),
    ],
)
def test_what_could_be_meant_otherwise_is_said(remarks_of, text, remark):
    (said,) = remarks_of(text)
    assert remark in said


def test_what_is_clear_is_not_talked_about(remarks_of):
    assert remarks_of("ts;v\n2026-03-01;1.250\n2026-03-02;0.5\n") == remarks_of("ts,v\n2026-03-01,1.250\n") == []


def test_a_tag_without_a_clue_of_its_own_is_told_by_its_neighbours_where_clocks_go_back(series_of, remarks_of):
    order = ["01:59,a", "02:30,a", "02:40,b", "02:10,a", "02:20,c", "03:00,a"]
    text = "time,tag,value\n" + "".join(f"2026-10-25 {row},1\n" for row in order)
    made = series_of(text, prefix="", timezone="Europe/Vienna")
    minutes = {path: [t // 60_000 % 1440 for t in s.t_stamp] for path, s in made.items()}
    assert minutes == {"a": [1439, 30, 70, 120], "b": [40], "c": [80]}
    (said,) = remarks_of(text, timezone="Europe/Vienna")
    assert "2026-10-25 that comes twice in Europe/Vienna" in said and "line 5" in said


@pytest.mark.parametrize(
    ("wall", "message"),
    [
        ("2026-10-25 02:30", 'line 3 .*"2026-10-25 02:30" in ts comes twice in Europe/Vienna.*offset from UTC'),
        ("2026-03-29 02:30", "line 3 .*does not exist in Europe/Vienna, where clocks go forward"),
    ],
)
def test_a_local_time_that_is_no_one_instant_is_refused(series_of, wall, message):
    with pytest.raises(ConfigError, match=message):
        series_of(f"ts,v\n2026-03-01 01:00,1\n{wall},1\n2026-10-30 03:00,1\n", timezone="Europe/Vienna")


def test_a_column_that_says_utc_is_not_local(series_of):
    made = series_of("Timestamp (UTC),v\n2026-03-01 12:00,1\n", timezone="Europe/Vienna")
    assert made["pump/v"].t_stamp == [NOON_MS]


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
        f"{NOON_MS + 250}000000",
        "20260301120000250",
        "01-Mar-26 12:00:00.25",
        "Mar 1, 2026 12:00:00.25 PM",
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
        ("When,Equipment,Value\n2026-03-01,a,1\n", r"values in Value, .* name the tag \(Equipment\).* \"tag\""),
        ("ts,sensor_id,temp,rh\n2026-03-01,1,2,3\n", r"tags in sensor_id, .* hold the values \(temp, rh\)"),
        ("ts,flow,level,quality\n2026-03-01,1,2,0\n", r"quality in quality and values in 2 columns \(flow, level\)"),
        (
            INFLUX.replace("pump,a\n", "pump,b\n", 1),
            r'line 6.*"a" in host is "b" in an earlier line of tag "pump/temp"',
        ),
        (
            "ts,tag,value,vvalue\n2026-03-01,a,1,2\n",
            r"line 2 of pump.csv has values in several columns \(value, vvalue",
        ),
        ("2026-03-01,1\n2026-03-02,2\n", "no header"),
        ("opened,closed,v\n2026-03-01,2026-03-02,1\n", r"several columns of times \(columns: opened, closed\)"),
        (",ts,v\n0,2026-03-01,1\n", "column 1 of pump.csv has no name"),
        ("[Tags]\nTagname,Description\nA,x\n", r"line 1 of pump.csv begins section \[Tags\]"),
        (IGNITION.replace('"2"', '"3"', 1), r'#ROWS "3" and has 2 lines'),
        ("ts,v\n10/14/2026 1:00:00 AM,1\n10/14/2026 13:00:00,1\n", 'line 3 .*"10/14/2026 13:00:00".*unlike the others'),
        ("ts,v\n2026-03-01T12:00Z,1\n2026-03-01T12:00,1\n", "line 3 .*names an offset from UTC where others do not"),
        ("ts;v\n2026-03-01;1.250\n", r'line 2 .*"1.250" in v can mean 1.250 or 1250'),
        ('ts,v\n2026-03-01,"1,250"\n', r'line 2 .*"1,250" in v can mean 1250 or 1.250'),
        ("ts,v\n2026-03-01,1e400\n", 'line 2 .*"1e400" in v is no number that a double holds'),
        ("ts,v\n2026-03-01," + "1" * 5000 + "\n", 'line 2 .*1…" in v is no number that a double holds'),
        (
            "ts,v\n2026-03-01,1\n2026-03-02," + "x" * 5_000_000 + "\n",
            r"line 3 .*cannot be cut into cells \(field larger",
        ),
        ('ts,v\n2026-03-01,"x\n2026-03-02,y\n', "line 2 .*is a quotation mark missing"),
        ("ts,v\n2026-03-01,1\n0001-01-01,2\n9999-12-31,3\n", 'line 3 .*"0001-01-01" in ts lies outside the years 1900'),
    ],
)
def test_what_is_no_readings_is_refused_in_one_sentence(series_of, text, message):
    with pytest.raises(ConfigError, match=message):
        series_of(text)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe"])
def test_an_unknown_time_zone_is_refused(series_of, zone):
    with pytest.raises(ConfigError, match="IANA"):
        series_of("timestamp,value\n2026-03-01,1\n", timezone=zone)
