"""``read_lake``: the same readings for every library, and one sentence where the lake is not what it was."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sensorstream
from sensorstream.errors import ConfigError, LakeError
from sensorstream.lake import scan
from sensorstream.lake.data_files import read_entry
from sensorstream.lake.manifest import DataFile, MonthChange, read_manifest, swap_root, write_states
from sensorstream.lake.scan import places
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.transform.parquet import decode
from sensorstream.transform.readings import SCHEMA
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.oracle import Row, bits, objects, readings_of

DAY = window_of("UTC", day="2026-10-14")
T0 = DAY.start_ms
ROWS = [
    *(Row(1, T0 + n * 60_000, float(n)) for n in range(-2, 1442)),
    Row(2, T0, None, "ü😀"),
    Row(2, T0 + 1, float("inf")),
    Row(3, T0 + 86_399_999, -0.0),
]
PATHS = {1: "a/temperature", 2: "b/état", 3: "b/temperature"}


@pytest.fixture(params=["local", "s3"])
def lake(request, database, make_config):
    """A lake of three days, of which the tests read the second."""
    small_historian(database, ROWS, PATHS)
    config = make_config(dbname=database.name, lake=request.param)
    ingest(config, window_of("UTC", start="2026-10-13", end="2026-10-16"))
    return config


def rows(table: pa.Table) -> list[tuple]:
    table = table.set_column(1, "datetime", table.column("datetime").cast(pa.timestamp("ms", "UTC")).cast(pa.int64()))
    found = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return [(path, time, bits(value), text, quality) for path, time, value, text, quality in found]


def test_every_library_gets_the_readings_of_the_window(lake):
    wanted = [scan for scan in readings_of(lake) if T0 <= scan[1] < T0 + 86_400_000]
    assert len(wanted) == 1443
    found = sensorstream.read_lake(lake, "2026-10-14", "2026-10-15")
    assert rows(found) == wanted
    frame = sensorstream.read_lake(lake, "2026-10-14", "2026-10-15", into="pandas")
    assert rows(pa.Table.from_pandas(frame, preserve_index=False)) == wanted
    assert str(frame["datetime"].dtype) == "datetime64[ms, UTC]"
    assert rows(sensorstream.read_lake(lake, "2026-10-14", "2026-10-15", into="polars").to_arrow()) == wanted
    kept = sensorstream.read_lake(lake, "2026-10-14", "2026-10-15", into="spark", persist=True)
    assert (kept.storageLevel.useMemory, kept.storageLevel.useDisk) == (True, True)
    assert sorted(rows(kept.toArrow()), key=lambda row: row[:2]) == wanted
    kept.unpersist()
    lazy = sensorstream.read_lake(lake, "2026-10-14", "2026-10-15", ["^b/", "nothing"], into="spark")
    assert not lazy.storageLevel.useMemory
    assert lazy.count() == 3 == sensorstream.read_lake(lake, "2026-10-14", "2026-10-15", ["^b/", "nothing"]).num_rows


def test_a_wide_frame_has_a_column_for_each_tag_that_is_named_and_an_unknown_one_is_an_error(lake):
    tags = ["b/temperature", "a/temperature"]
    found = sensorstream.read_lake(lake, "2026-10-14", tags=tags, wide=True, every="1h", into="pandas")
    assert list(found.columns) == ["datetime", *tags] and len(found) == 24
    assert found["a/temperature"].tolist() == [60 * n + 29.5 for n in range(24)]
    assert found["b/temperature"].notna().sum() == 1
    assert sensorstream.read_lake(lake, "2026-10-14", tags=tags).num_rows == 1441
    with pytest.raises(ConfigError, match=r"a/temperatur\" is not in lake .*: did you mean \"a/temperature\""):
        sensorstream.read_lake(lake, "2026-10-14", tags=["a/temperatur"])


def test_a_window_without_readings_has_the_same_columns(lake):
    nothing = sensorstream.read_lake(lake, "2026-10-20", "2026-10-21")
    some = sensorstream.read_lake(lake, "2026-10-14", "2026-10-15")
    assert (nothing.num_rows, nothing.schema) == (0, some.schema)
    for into in ("pandas", "polars"):
        empty, full = (
            sensorstream.read_lake(lake, day, "2026-10-21", into=into) for day in ("2026-10-20", "2026-10-14")
        )
        assert [*map(str, empty.dtypes)] == [*map(str, full.dtypes)] and list(empty.columns) == list(full.columns)
    assert sensorstream.read_lake(lake, "2026-10-20", "2026-10-21", into="spark").collect() == []


def test_a_window_is_said_as_text_date_or_datetime_in_the_configured_zone(lake):
    berlin = lake.model_copy(update={"timezone": "Europe/Berlin"})
    wanted = sensorstream.read_lake(lake, "2026-10-13T22:00:00Z", "2026-10-14T22:00:00+00:00")
    assert wanted.num_rows == 2 + 1320 + 2
    for start, end in [
        ("2026-10-14", "2026-10-15"),
        ("2026-10-14T00:00", "2026-10-15T00:00"),
        (date(2026, 10, 14), date(2026, 10, 15)),
        (datetime(2026, 10, 14), datetime(2026, 10, 15)),
        (datetime(2026, 10, 13, 22, tzinfo=UTC), datetime(2026, 10, 14, 22, tzinfo=UTC)),
    ]:
        assert sensorstream.read_lake(berlin, start, end) == wanted
    assert sensorstream.read_lake(lake, "2026-10-14") == sensorstream.read_lake(lake, "2026-10-14", "2026-10-15")
    assert sensorstream.read_lake(lake, date(2026, 10, 14)).num_rows == 1443
    with pytest.raises(ConfigError, match="20261014 is no time: give text"):
        sensorstream.read_lake(lake, 20261014, "2026-10-15")


def test_what_cannot_be_asked_for_is_said_so(lake, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    for how, says in [
        ({"into": "polars"}, "needs polars: pip install polars"),
        ({"into": "duckdb"}, 'into "duckdb" is none of arrow, pandas, polars, spark'),
        ({"persist": True}, 'persist and spark go with into="spark"'),
        ({"patterns": ["("]}, r'pattern "\(" is not a regular expression'),
    ]:
        with pytest.raises(ConfigError, match=says):
            sensorstream.read_lake(lake, "2026-10-14", "2026-10-15", **how)


def test_the_partitions_of_the_lake_are_listed(lake):
    assert places(lake) == [(path, "2026-10") for path in sorted(PATHS.values())]


def parquet(**columns: pa.Array) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def test_a_file_that_is_not_what_was_committed_is_named_with_what_differs(lake):
    store = open_store(lake)
    (key,) = (key for key in objects(lake) if "b%2Ftemperature" in key)
    good = {name: decode(store.get(key)).column(name) for name in SCHEMA.names}
    text, micros = pa.array(["0"]), good["datetime"].cast(pa.timestamp("us", "UTC"))
    for data, says in [
        (None, "is missing"),
        (b"", "is empty, not Parquet"),
        (b"datetime,value\n", r"is not Parquet: it begins with b'datetime'"),
        (store.get(key)[:-9], r"is damaged Parquet"),
        (parquet(**good | {"value": text}), "has column value of type string, not double"),
        (
            parquet(**good | {"datetime": micros}),
            r"has column datetime of type timestamp\[us",
        ),
        (parquet(datetime=good["datetime"]), r"has no column value \(it has datetime\)"),
        (parquet(**good, unit=text), "has a column unit of type string that the lake does not know"),
        (parquet(**dict(reversed(good.items()))), "has its columns in the order quality, text"),
        (parquet(**good), "holds other readings than were committed"),
    ]:
        if data is None:
            store.delete([key])
        else:
            store.put(key, data)
        with pytest.raises(LakeError, match=f"lake {lake.lake}.*: {key} {says}.*: run verify") as caught:
            sensorstream.read_lake(lake, "2026-10-14", "2026-10-15")
        assert "\n" not in str(caught.value)
        assert sensorstream.read_lake(lake, "2026-10-14", "2026-10-15", ["^a/"]).num_rows == 1440
    frame = sensorstream.read_lake(lake, "2026-10-14", "2026-10-15", into="spark")
    with pytest.raises(Exception, match=f"LakeError: lake .*{key} holds other readings .*: read again if"):
        frame.collect()


def test_a_committed_file_with_another_schema_is_refused(make_config):
    config = make_config()
    store = open_store(config)
    data = parquet(datetime=pa.array([T0], pa.timestamp("ms", "UTC")), value=pa.array([1], pa.int32()))
    digest = hashlib.sha256(data).hexdigest()
    entry = DataFile("a", "2026-10", T0 // 1000, T0 // 1000 + 1, 1, T0, T0, len(data), digest)
    store.put(entry.key, data)
    empty = read_manifest(store)
    swap_root(empty, write_states(empty, {"2026-10": MonthChange(added=frozenset([entry]))}))
    with pytest.raises(LakeError, match="has column value of type int32, not double: run verify"):
        sensorstream.read_lake(config, "2026-10-14", "2026-10-15")


def test_a_run_that_commits_while_it_is_read_is_seen_whole(lake, database, monkeypatch):
    database.execute("UPDATE sqlt_data_1_2026_10 SET floatvalue = 7 WHERE tagid = 3")

    def first_another_run(*of_a_file):
        monkeypatch.undo()
        ingest(lake, window_of("UTC", start="2026-10-13", end="2026-10-16"))
        return read_entry(*of_a_file)

    monkeypatch.setattr(scan, "read_entry", first_another_run)
    found = sensorstream.read_lake(lake, "2026-10-14", "2026-10-15", ["^b/temperature$"])
    assert found.column("value").to_pylist() == [7.0]


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_lake_that_is_not_there_is_said_so_with_what_is_there_instead(kind, make_config, tmp_path):
    config = make_config(lake=kind)
    check = "local_path" if kind == "local" else "s3_directory"
    if kind == "local":
        with pytest.raises(LakeError, match=f"lake folder {config.lake} does not exist: check"):
            sensorstream.read_lake(config, "2026-10-14", "2026-10-15")
        assert not list(tmp_path.iterdir())
    store = open_store(config)
    with pytest.raises(LakeError, match=rf"lake {config.lake} has no .*manifest.json \(it holds nothing\): .*{check}"):
        sensorstream.read_lake(config, "2026-10-14", "2026-10-15")
    store.put("sales/2026.csv", b"1")
    for into in ("arrow", "spark"):
        with pytest.raises(LakeError, match=r"has no .*manifest.json \(it holds sales/2026.csv\): check"):
            sensorstream.read_lake(config, "2026-10-14", "2026-10-15", into=into)
