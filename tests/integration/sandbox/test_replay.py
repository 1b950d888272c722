"""CSV files in a real PostgreSQL."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from sensorstream.cli import sandbox
from sensorstream.errors import ConfigError
from sensorstream.sandbox import servers
from sensorstream.sandbox.plant import PlantOptions, seed
from sensorstream.sandbox.replay import replay
from sensorstream.sandbox.replay_csv import read_series

DATA = Path(__file__).parents[3].parent / "shared/data"
SMALL = """timestamp,level,mode,text
2026-01-31T23:59:59.999Z,0.1,1,ä "quoted"; text
2026-02-01T00:00:00.000Z,1e-320,-2,
2026-02-01T00:00:00.001Z,-0.0,9223372036854775807,x
"""


def rows(dsn: str) -> list[tuple]:
    """Every replayed reading with its path, as the historian holds it."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT DISTINCT pname FROM sqlth_partitions WHERE drvid > 100 ORDER BY 1"
        ).fetchall()
        every = " UNION ALL ".join(f"SELECT *, '{t}:' || ctid AS place FROM {t}" for (t,) in tables)
        return connection.execute(
            "SELECT tagpath, t_stamp, coalesce(intvalue::text, floatvalue::text, stringvalue), dataintegrity, tagid,"
            f" place FROM ({every}) r JOIN sqlth_te t ON t.id = r.tagid ORDER BY 1, 2, 5"
        ).fetchall()


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "tank.csv"
    file.write_text(SMALL, encoding="utf-8")
    return file


def test_a_small_file_stands_exactly_and_in_its_months(empty_database, small):
    summary = replay(empty_database, read_series(small))
    midnight = 1_769_904_000_000
    assert [row[:4] for row in rows(empty_database)] == [
        ("tank/level", midnight - 1, "0.1", 192),
        ("tank/level", midnight, "1e-320", 192),
        ("tank/level", midnight + 1, "-0", 192),
        ("tank/mode", midnight - 1, "1", 192),
        ("tank/mode", midnight, "-2", 192),
        ("tank/mode", midnight + 1, "9223372036854775807", 192),
        ("tank/text", midnight - 1, 'ä "quoted"; text', 192),
        ("tank/text", midnight + 1, "x", 192),
    ]
    assert summary.tables == ("sqlt_data_101_2026_01", "sqlt_data_101_2026_02")
    assert (summary.tags, summary.tag_ids, summary.readings, summary.doubled) == (3, 3, 8, 0)
    assert summary.end == datetime(2026, 2, 1, 0, 0, 0, 1000, tzinfo=UTC)


def test_the_same_file_again_changes_nothing_and_a_corrected_one_its_readings(empty_database, small):
    replay(empty_database, read_series(small))
    before = rows(empty_database)
    replay(empty_database, read_series(small))
    assert rows(empty_database) == before
    small.write_text(SMALL.replace("0.1", "0.2"), encoding="utf-8")
    replay(empty_database, read_series(small))
    assert [b[:5] for b, a in zip(before, rows(empty_database), strict=True) if a != b] == [before[0][:5]]


def test_the_command_says_how_it_read_an_export(empty_database, tmp_path, monkeypatch, capsys):
    file = tmp_path / "boiler.csv"
    file.write_text(
        "[Data]\nTagname,TimeStamp,Value,DataQuality,Units\n"
        'TI-1,03/04/2026 1:00:00 AM,"1,234.5",Good,°C\nTI-1,03/14/2026 1:00:00 PM,20.5,Bad,°C\n',
        encoding="utf-8",
    )
    box = SimpleNamespace(owner_dsn=empty_database, config_path=tmp_path / "config.json")
    monkeypatch.setattr(servers, "up", lambda root: box)
    shown: list[list[str]] = []
    monkeypatch.setattr(servers, "look_at", lambda root, only: shown.append(list(only)))
    sandbox.replay(file, dry_run=True)
    said = capsys.readouterr().out
    assert "boiler.csv: Tagname: names the tag: boiler/TI-1" in said and "Nothing was loaded" in said and not shown
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('sqlth_te')").fetchone() == (None,)
    sandbox.replay(file, only=True)
    said = capsys.readouterr().out
    assert shown == [["^boiler/"]] and "--start 2026-03-04 --end 2026-03-15" in said
    assert "boiler.csv: times are month/day/year: no other order fits line 4" in said
    assert "columns left out: Units" in said and "2 readings of 1 tags" in said
    assert [row[:4] for row in rows(empty_database)] == [
        ("boiler/TI-1", 1_772_586_000_000, "1234.5", 192),
        ("boiler/TI-1", 1_773_493_200_000, "20.5", 0),
    ]


def test_two_readings_three_centuries_apart_are_two_tables(empty_database, tmp_path):
    file = tmp_path / "clock.csv"
    file.write_text("timestamp,value\n1900-01-01,1\n2199-12-31 23:59:59.999,2\n", encoding="utf-8")
    assert replay(empty_database, read_series(file)).tables == ("sqlt_data_101_1900_01", "sqlt_data_101_2199_12")
    assert len(rows(empty_database)) == 2


def test_long_text_is_not_cut(empty_database, tmp_path):
    file = tmp_path / "log.csv"
    file.write_text(f"timestamp,message\n2026-01-01,{'long ' * 200}\n", encoding="utf-8")
    replay(empty_database, read_series(file))
    assert len(rows(empty_database)[0][2]) == 999


def test_plant_and_replay_stand_side_by_side_in_either_order(empty_database, small):
    options = PlantOptions(tags=12, days=1, rate_seconds=600)
    replay(empty_database, read_series(small))
    before = rows(empty_database)
    first = seed(empty_database, options)
    replay(empty_database, read_series(small))
    assert rows(empty_database) == before
    assert seed(empty_database, options).readings == first.readings


def test_a_file_without_readings_leaves_no_trace(empty_database, tmp_path):
    file = tmp_path / "empty.csv"
    file.write_text("timestamp,value\n2026-01-01,\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no reading"):
        replay(empty_database, read_series(file))
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('sqlth_te')").fetchone() == (None,)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real readings are not here: {DATA}")
@pytest.mark.parametrize("file", sorted(DATA.glob("*/*.csv")), ids=lambda file: file.stem)
def test_real_files_stand_reading_for_reading(empty_database, file):
    summary = replay(empty_database, read_series(file))
    with file.open(newline="", encoding="utf-8") as lines:
        header, *body = csv.reader(lines, delimiter=";" if "skab" in str(file) else ",")
    wanted = Counter(
        (f"{file.stem}/{name}", int(datetime.fromisoformat(row[0]).replace(tzinfo=UTC).timestamp()) * 1000, float(cell))
        for row in body
        for name, cell in zip(header[1:], row[1:], strict=True)
    )
    assert Counter((path, t, float(value)) for path, t, value, *_ in rows(empty_database)) == wanted
    assert summary.readings == wanted.total()


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real readings are not here: {DATA}")
def test_twelve_doubled_times_stand_under_a_second_id_of_the_path(empty_database):
    file = DATA / "nab/machine_temperature_system_failure.csv"
    summary = replay(empty_database, read_series(file, prefix="plant1/machine"))
    assert (summary.tags, summary.tag_ids, summary.readings, summary.doubled) == (1, 2, 22_695, 12)
    assert sorted(Counter(row[4] for row in rows(empty_database)).values()) == [12, 22_683]
    assert {row[0] for row in rows(empty_database)} == {"plant1/machine/value"}
