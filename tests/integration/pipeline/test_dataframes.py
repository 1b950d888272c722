"""Readings as a DataFrame: the same from both engines and the data source, bent, and put back into the lake."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sensorstream import publish, read_historian
from sensorstream.errors import ConfigError
from sensorstream.extract.share_reader import Fetch, ShareReader
from sensorstream.historian import open_historian
from sensorstream.pipeline.ingest import ingest
from sensorstream.planning.make_plan import make_plan
from sensorstream.planning.plan import workers_of
from sensorstream.staging.encode_share import clean_share
from sensorstream.transform.quality import quality_rule
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.oracle import Row, bits, objects, readings_of

DAY = window_of("UTC", day="2026-10-31")
PRESS = "^plant1/press/"
PLACE = "'a' AS tagpath, timestamp'2026-10-31 01:00:00' AS datetime"


def collected(df) -> list[tuple]:
    rows = df.selectExpr("tagpath", "unix_millis(datetime) ms", "value", "text", "quality").toArrow().to_pylist()
    found = [(r["tagpath"], r["ms"], bits(r["value"]), r["text"], r["quality"]) for r in rows]
    return sorted(found, key=lambda r: r[:2])


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_readings_are_what_ingest_leaves_and_publish_leaves_the_same_bytes(engine, plant, make_config, spark):
    ingested, published = make_config(engine=engine), make_config(engine=engine)
    ingest(ingested, DAY, [PRESS], spark=spark)
    df = read_historian(ingested, DAY, [PRESS], spark=spark).persist()
    assert collected(df) == readings_of(ingested)
    record = publish(published, df, DAY)
    assert record.rows_written == record.rows_read == df.count()
    files = [{k: v for k, v in objects(c).items() if k.startswith("readings/")} for c in (ingested, published)]
    assert files[0] == files[1] != {}
    df.unpersist()


def test_what_is_bent_replaces_the_window_of_its_tags_and_no_other(plant, make_config, spark):
    config = make_config()
    ingest(config, DAY, [PRESS], spark=spark)
    before = readings_of(config)
    path = next(p for p, _, value, *_ in before if value is not None)
    df = read_historian(config, DAY, [PRESS], spark=spark)
    noon = DAY.start_ms + 12 * 3_600_000
    kept = df.where(f"tagpath = '{path}' AND unix_millis(datetime) < {noon}").withColumnRenamed("value", "v")
    publish(config, kept.selectExpr("tagpath", "datetime", "v * 2 AS value"), DAY)
    after = readings_of(config)
    assert [r for r in after if r[0] != path] == [r for r in before if r[0] != path]
    assert {t for p, t, *_ in after if p == path} == {t for p, t, *_ in before if p == path and t < noon}
    publish(config, df.where("false"), DAY, tags=[path])
    assert {p for p, *_ in readings_of(config)} == {p for p, *_ in before} - {path}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("'a' AS tagpath, timestamp'2026-10-31 01:00:00' AS datetime", "has no column value"),
        (
            "'a' AS tagpath, timestamp'2026-10-31 01:00:00' AS datetime, 1 AS value, 2 AS unit",
            "no column unit: drop it",
        ),
        ("'a' AS tagpath, '2026-10-31 01:00:00' AS datetime, 1 AS value", "of type string, not timestamp"),
        ("'a' AS tagpath, timestamp'2026-11-01 00:00:00' AS datetime, 1 AS value", "outside .*: widen the window"),
        ("'a' AS tagpath, timestamp'2026-10-31 01:00:00.0001' AS datetime, 1 AS value", "part of a millisecond"),
        ("explode(array('a', 'a')) AS tagpath, timestamp'2026-10-31 01:00:00' AS datetime, 1 AS value", "twice"),
        ("CAST(NULL AS string) AS tagpath, timestamp'2026-10-31 01:00:00' AS datetime, 1 AS value", "no tagpath"),
        (f"{PLACE}, '1.5' AS value", "column value is of type string, not double: cast it"),
        (f"{PLACE}, timestamp'2026-10-31 01:00:00' AS value", "column value is of type timestamp"),
        (f"{PLACE}, 1 AS value, 192.7D AS quality", "column quality is of type double"),
        (f"{PLACE}, 1 AS value, 4294967488L AS quality", "quality 4294967488, which is no code of 32 bits"),
        (f"{PLACE}, 1 AS value, 7 AS text", "column text is of type integer, not string"),
        (f"{PLACE}, 1 AS value, 2 AS value", "has a column twice"),
        ("repeat('a', 248) AS tagpath, timestamp'2026-10-31 01:00:00' AS datetime, 1 AS value", "a name of 256 bytes"),
    ],
)
def test_a_frame_that_the_lake_cannot_hold_is_refused(columns, says, make_config, spark):
    config = make_config()
    with pytest.raises(ConfigError, match=says) as caught:
        publish(config, spark.sql(f"SELECT {columns}"), DAY)
    assert "\n" not in str(caught.value) and objects(config) == {}


@pytest.fixture
def source(plant, make_config, spark, tmp_path):
    """The data source on the seeded plant; the options name a file, so no plan of Spark holds the password."""
    config = make_config()
    values = config.model_dump(mode="json") | {"db": {**config.db.model_dump(), "password": config.db.password}}
    values["db"]["password"] = config.db.password.get_secret_value()
    path = tmp_path / "config.json"
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))
    reader = spark.read.format("historian").option("config", str(path)).option("date", "2026-10-31")
    return config, reader.option("patterns", PRESS)


def test_the_data_source_gives_the_same_readings_and_only_the_columns_asked_for(source, spark):
    config, reader = source
    ingest(config, DAY, [PRESS], spark=spark)
    everything = readings_of(config)
    assert collected(reader.load()) == everything
    narrow = reader.schema("tagpath string, value double").load()
    assert narrow.columns == ["tagpath", "value"] and narrow.count() == len(everything)


def test_filters_on_tag_path_and_time_choose_what_is_read(source, spark):
    config, reader = source
    whole = collected(reader.load())
    path, time = whole[len(whole) // 2][:2]
    df = reader.load().where(f"tagpath = '{path}' AND datetime >= timestamp_millis({time})")
    assert collected(df) == [r for r in whole if r[0] == path and r[1] >= time]
    plan = df._jdf.queryExecution().toString()
    assert "tagpath" not in plan.split("Physical Plan", 1)[1].split("Filter", 1)[1].split("\n", 1)[0]  # the source's
    assert reader.load().where("tagpath = 'nowhere'").count() == 0
    assert config.db.password.get_secret_value() not in plan


def test_a_filter_to_the_end_of_all_time_takes_everything(source, spark):
    _, reader = source
    everything = reader.load().where("datetime <= timestamp'9999-12-31 23:59:59' AND tagpath LIKE 'plant1/press%'")
    assert everything.count() == reader.load().where("tagpath LIKE 'plant1/press%'").count() > 0


def test_a_frame_that_holds_other_tags_than_named_is_refused(make_config, spark):
    config = make_config()
    frame = "SELECT explode(array('a', 'b')) tagpath, timestamp'2026-10-31 01:00:00' datetime, 1 value"
    with pytest.raises(ConfigError, match='"tags" does not name, b for one'):
        publish(config, spark.sql(frame), DAY, tags=["a"])
    assert not objects(config)


@pytest.mark.parametrize(
    ("value", "number", "digits"),
    [
        ("9007199254740993L", 2.0**53, "9007199254740993"),
        ("9223372036854775807L", 2.0**63, "9223372036854775807"),
        ("9007199254740994L", 2.0**53 + 2, None),
        ("1152921504606846976BD", 2.0**60, None),
        ("0.1BD", 0.1, None),
        ("0.12345678901234567890BD", 0.12345678901234568, "0.12345678901234567890"),
    ],
)
def test_a_number_of_a_frame_that_no_double_is_keeps_its_digits(value, number, digits, make_config, spark):
    config = make_config()
    record = publish(config, spark.sql(f"SELECT {PLACE}, {value} AS value, 2147483649L AS quality"), DAY)
    assert record.digits_in_text == (digits is not None)
    assert [r[2:] for r in readings_of(config)] == [(bits(number), digits, 1 - 2**31)]


def test_readings_that_move_to_other_pages_meanwhile_are_read_once(database, make_config, monkeypatch):
    rows = [Row(n % 2 + 1, DAY.start_ms + n, float(n)) for n in range(6000)]
    small_historian(database, rows, {1: "a", 2: "b"})
    database.execute("ANALYZE")
    config = make_config(dbname=database.name, readings_per_slice=1000)
    with open_historian(config) as historian:
        plan = make_plan(historian, config, DAY, [".*"], workers=workers_of("local[2]"), alone=True)
    (share,) = plan.shares
    assert [piece.pages is not None for piece in share.slices].count(True) > 2
    left, reading = iter(range(99)), ShareReader.read

    def slowly(self, piece):
        yield from reading(self, piece)
        if next(left) == 0:  # between the first slice and the next, rows of the end move to pages that have been read
            database.execute(f"DELETE FROM sqlt_data_1_2026_10 WHERE t_stamp < {DAY.start_ms + 500}")
            database.execute("VACUUM sqlt_data_1_2026_10")
            database.execute(f"UPDATE sqlt_data_1_2026_10 SET intvalue = 1 WHERE t_stamp >= {DAY.start_ms + 5700}")

    monkeypatch.setattr(ShareReader, "read", slowly)
    fetch = replace(Fetch.of(plan, config, None), connections=1)
    assert sum(table.num_rows for table in clean_share(fetch, share, quality_rule(config, plan.layout))) == 6000
