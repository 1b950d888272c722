"""The main job: what a run leaves in the lake."""

from __future__ import annotations

import io
import json
import struct
from collections import Counter
from dataclasses import replace

import psycopg
import pyarrow.parquet as pq
import pytest

from sensorstream.errors import ConfigError, LakeError, NotReconciled, SourceError
from sensorstream.lake.keys import TAGS, parse_reading_key, rejected_key
from sensorstream.lake.scan import read_lake
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.publishing.compaction import compact
from sensorstream.sandbox.plant import PlantOptions, seed
from sensorstream.staging import this_machine
from sensorstream.windows import window_of
from tests.historians import DAY, T0, add, small_historian
from tests.oracle import Row, bits, expect, objects, readings_of, without_marks

FEW, MANY = pytest.param(1_000_000, marks=pytest.mark.slow, id="few slices"), pytest.param(4_000, id="many, busy tags")


@pytest.mark.parametrize("per_slice", [FEW, MANY])
def test_both_engines_leave_the_same_bytes_on_the_seeded_plant(per_slice, plant, make_config):
    places = (("s3", "packed"), ("local", "jdbc"))
    packed, jdbc = (make_config(lake=lake, engine=e, readings_per_slice=per_slice) for lake, e in places)
    (share,) = plan(packed, plant.window).shares
    assert (len(share.stretches) > 25) == (per_slice == 4_000)
    records = [ingest(config, plant.window) for config in (packed, jdbc)]
    assert without_marks(objects(packed)) == without_marks(objects(jdbc))
    assert records[0].rows_written == records[1].rows_written > 100_000
    texts = Counter(path.rsplit("/", 1)[-1] for path, _, _, text, _ in readings_of(packed) if text is not None)
    assert set(texts) >= {"recipe", "last_service"}


def test_the_record_adds_up_and_agrees_with_the_historian(plant, make_config, sandbox):
    record = ingest(make_config(), plant.window)
    with psycopg.connect(sandbox.reader_dsn) as connection:
        codes: Counter[str] = Counter()
        for table in record.partition_tables:
            codes.update(dict(connection.execute(f"SELECT dataintegrity::text, count(*) FROM {table} GROUP BY 1")))
    assert record.quality_codes == dict(sorted(codes.items()))
    assert record.rows_read == sum(codes.values())
    assert record.rows_rejected == {"bad_quality": sum(n for code, n in codes.items() if code != "192")}
    assert record.rows_read == record.rows_written + sum(record.rows_rejected.values()) + record.rows_deduplicated
    assert record.rows_deduplicated > 0
    json.dumps(record.to_json())


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        (lambda found: replace(found, counts=found.counts[1:]), "was not read from end to end"),
        (lambda found: replace(found, counts=[*found.counts, found.counts[0]]), "was not read from end to end"),
        (lambda found: replace(found, tally=replace(found.tally, read=found.tally.read - 1)), "the historian counts"),
        (lambda found: replace(found, entries=found.entries[1:]), "deduplicated make"),
    ],
    ids=["a slice", "a slice twice", "a reading", "a file"],
)
def test_what_is_lost_on_the_way_is_noticed_and_nothing_published(lose, says, plant, make_config, monkeypatch):
    config = make_config()
    found = this_machine.measured
    monkeypatch.setattr(this_machine, "measured", lambda *rows: lose(found(*rows)))
    with pytest.raises(NotReconciled, match=says):
        ingest(config, plant.window)
    assert objects(config) == {}


@pytest.mark.parametrize("lake", ["local", "s3"])
def test_a_rerun_leaves_the_same_objects(lake, plant, make_config):
    config = make_config(lake=lake)
    ingest(config, plant.window)
    before = objects(config)
    again = ingest(config, plant.window)
    assert objects(config) == before
    assert (again.files_written, again.files_removed) == (0, 0)


def test_rejected_readings_and_tag_metadata_are_kept(plant, make_config):
    config = make_config()
    record = ingest(config, plant.window)
    store = open_store(config)
    rejected = pq.read_table(io.BytesIO(store.get(rejected_key(record.run_id)) or b""))
    assert rejected.num_rows == sum(record.rows_rejected.values())
    assert set(rejected.column("reason").to_pylist()) == {"bad_quality"}
    tags = pq.read_table(io.BytesIO(store.get(TAGS) or b"")).to_pylist()
    assert max(len(tag["ids"]) for tag in tags) == 2
    assert {parse_reading_key(key)[0] for key in objects(config) if key.startswith("readings/")} <= {
        tag["tagpath"] for tag in tags
    }


def test_a_window_is_replaced_exactly_and_files_across_its_border_are_trimmed(database, make_config):
    rows = [Row(1, T0 + n * 3_600_000, float(n)) for n in range(48)]
    small_historian(database, rows, {1: "a"})
    config = make_config(dbname=database.name)
    ingest(config, window_of("UTC", start="2026-10-14", end="2026-10-16"))
    with psycopg.connect(database.owner) as connection:
        connection.execute("DELETE FROM sqlt_data_1_2026_10 WHERE t_stamp = %s", [T0 + 5 * 3_600_000])
        connection.execute("UPDATE sqlt_data_1_2026_10 SET floatvalue = -1 WHERE t_stamp = %s", [T0 + 30 * 3_600_000])
    record = ingest(config, DAY)
    assert [(t, v) for _, t, v, _, _ in readings_of(config)] == [
        (r.t_stamp, bits(r.value)) for n, r in enumerate(rows) if n != 5
    ]
    assert [key.rsplit("/", 1)[1] for key in objects(config) if key.startswith("readings/")] == [
        "20261014T000000Z_20261015T000000Z.parquet",
        "20261015T000000Z_20261016T000000Z.parquet",
    ]
    assert (record.files_written, record.files_removed) == (2, 1)


def test_append_adds_what_is_not_there_yet_and_changes_nothing_else(database, make_config):
    small_historian(database, [Row(1, T0, 1.0), Row(2, T0, 2.0)], {1: "a", 2: "b"})
    config = make_config(dbname=database.name, write_mode="append")
    ingest(config, DAY)
    with psycopg.connect(database.owner) as connection:
        connection.execute("UPDATE sqlt_data_1_2026_10 SET floatvalue = 9")
        add(connection, [Row(1, T0 + 5, 1.5)])
    assert ingest(config, DAY).files_written == 1
    assert [(p, t - T0, v) for p, t, v, _, _ in readings_of(config)] == [
        ("a", 0, bits(1.0)),
        ("a", 5, bits(1.5)),
        ("b", 0, bits(2.0)),
    ]


def test_a_tag_whose_readings_are_gone_is_emptied_and_others_are_left_alone(database, make_config):
    small_historian(database, [Row(1, T0, 1.0), Row(2, T0, 2.0)], {1: "a", 2: "b"})
    config = make_config(dbname=database.name)
    ingest(config, DAY)
    database.execute("DELETE FROM sqlt_data_1_2026_10")
    with pytest.raises(
        SourceError, match=r"a has 1 readings in the lake and 0 to come.*--allow-loss, takes it as it is"
    ):
        ingest(config, DAY, ["^a$"])
    assert [path for path, *_ in readings_of(config)] == ["a", "b"]
    ingest(config.model_copy(update={"allow_loss": True}), DAY, ["^a$"])
    assert [path for path, *_ in readings_of(config)] == ["b"]


def test_a_month_whose_first_tables_are_gone_is_not_emptied(database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    config = make_config(dbname=database.name)
    ingest(config, DAY)
    before = objects(config)
    database.execute("ALTER TABLE sqlt_data_1_2026_10 RENAME TO sqlt_data_1_20261016")  # daily, and the 14th is gone
    database.execute(f"UPDATE sqlt_data_1_20261016 SET t_stamp = {T0 + 2 * 86_400_000}")
    with pytest.raises(SourceError, match=r"no partition table covers 2026-10-01.*holds 1 readings \(a for one\)"):
        ingest(config, window_of("UTC", start="2026-10-01", end="2026-11-01"))
    assert objects(config) == before


def test_a_reading_in_a_neighbour_does_not_stand_for_a_table_that_is_gone(database, make_config):
    day = 86_400_000
    small_historian(database, [Row(1, T0 - day + n * 60_000, float(n)) for n in range(9)], {1: "a"})
    database.execute("ALTER TABLE sqlt_data_1_2026_10 RENAME TO sqlt_data_1_20261013")
    for name in ("12", "14"):
        database.execute(f"CREATE TABLE sqlt_data_1_202610{name} (LIKE sqlt_data_1_20261013)")
    database.execute(f"INSERT INTO sqlt_data_1_20261014 VALUES (1, NULL, 7, NULL, NULL, 192, {T0 - 500})")  # roll-over
    config = make_config(dbname=database.name)
    both = window_of("UTC", start="2026-10-13", end="2026-10-15")
    ingest(config, both)
    before = readings_of(config)
    assert len(before) == 10
    database.execute("DROP TABLE sqlt_data_1_20261013")
    with pytest.raises(SourceError, match=r"table covers 2026-10-13.*the lake holds 10 .*the historian 1:"):
        ingest(config, both)
    assert readings_of(config) == before


def test_a_lake_keeps_the_time_zone_of_its_days_and_months(database, make_config):
    end = window_of("UTC", day="2026-10-31")
    small_historian(database, [Row(1, end.end_ms - n * 600_000, float(n)) for n in range(1, 24)], {1: "a"})
    config = make_config(dbname=database.name, timezone="Europe/Berlin")
    ingest(config, end)
    before = objects(config)
    other = config.model_copy(update={"timezone": "UTC"})
    for write in (lambda: ingest(other, end), lambda: compact(other)):
        with pytest.raises(ConfigError, match='days and months of Europe/Berlin, and "timezone" is UTC: set it back'):
            write()
    assert objects(config) == before
    assert read_lake(other, end.start, end.end).num_rows == 23  # to whoever reads, times are times


def test_partitions_and_heirs_are_read_once_through_the_table_that_they_are_part_of(database, make_config):
    database.execute("CREATE TABLE tags (id int, tagpath text, description text, unit text)")
    database.execute("INSERT INTO tags VALUES (1, 'a', NULL, NULL)")
    columns = "(tagid int, value float8, dataintegrity int, t_stamp bigint)"
    database.execute(f"CREATE TABLE sensor_2026_10 {columns} PARTITION BY RANGE (t_stamp)")
    database.execute(
        f"CREATE TABLE sensor_20261014 PARTITION OF sensor_2026_10 FOR VALUES FROM ({DAY.start_ms}) TO ({DAY.end_ms})"
    )
    database.execute(f"INSERT INTO sensor_2026_10 SELECT 1, n, 192, {T0} + n FROM generate_series(1, 9) n")
    record = ingest(make_config(dbname=database.name), DAY)
    assert (record.partition_tables, record.rows_read, record.rows_deduplicated) == (["sensor_2026_10"], 9, 0)


def test_a_partition_that_is_listed_twice_and_open_once_is_open(database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    database.execute("ALTER TABLE sqlt_data_1_2026_10 RENAME TO sqlth_1_data")
    database.execute("CREATE TABLE sqlt_data_2_2026_10 (LIKE sqlth_1_data)")
    database.execute(
        "CREATE TABLE sqlth_partitions (pname text, drvid int, start_time bigint, end_time bigint, blocksize int,"
        " flags int)"
    )
    day = 86_400_000
    database.execute(
        "INSERT INTO sqlth_partitions VALUES"
        f" ('sqlth_1_data', 1, {T0 - 99 * day}, {T0 - 50 * day}, 0, 0),"
        f" ('sqlth_1_data', 1, {T0 - 50 * day}, NULL, 0, 0),"
        f" ('sqlt_data_2_2026_10', 2, {T0 - 9 * day}, {T0 + 9 * day}, 0, 0)"
    )
    assert ingest(make_config(dbname=database.name), DAY).rows_written == 1


@pytest.mark.parametrize("start", ["2026-09-30", "2026-10-14"])
def test_which_table_wins_does_not_hang_on_the_window(start, database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    database.execute("CREATE TABLE sqlth_1_data (LIKE sqlt_data_1_2026_10)")
    database.execute(f"INSERT INTO sqlth_1_data VALUES (1, NULL, 2, NULL, NULL, 192, {T0})")
    config = make_config(dbname=database.name)
    ingest(config, window_of("UTC", start=start, end="2026-10-16"))
    assert [value for _, _, value, *_ in readings_of(config)] == [bits(1.0)]


def test_dates_before_christ_are_told_from_those_after(database, make_config):
    small_historian(database, [], {1: "a"})
    for n, day in enumerate(("0044-03-15 BC", "0044-03-15", "infinity")):
        database.execute(f"INSERT INTO sqlt_data_1_2026_10 VALUES (1, NULL, NULL, NULL, '{day}', 192, {T0 + n})")
    found = []
    for engine in ("packed", "jdbc"):
        config = make_config(dbname=database.name, engine=engine)
        ingest(config, DAY)
        found.append([text for *_, text, _ in readings_of(config)])
    assert found[0] == found[1] == ["0044-03-15 00:00:00 BC", "0044-03-15T00:00:00.000000", "infinity"]


def test_whatever_bits_a_nan_has_both_engines_leave_the_same_bytes(database, make_config):
    small_historian(database, [], {1: "a"})
    odd = [
        struct.unpack(">d", bytes.fromhex(bits))[0]
        for bits in ("7ff8000000000001", "fff8000000000000", "3ff0" + 12 * "0")
    ]
    with psycopg.connect(database.owner) as connection:
        for n, value in enumerate(odd):
            row = "INSERT INTO sqlt_data_1_2026_10 VALUES (1, NULL, %b, NULL, NULL, 192, %s)"
            connection.execute(row, [value, T0 + n])
    lakes = [make_config(dbname=database.name, engine=engine) for engine in ("packed", "jdbc")]
    for config in lakes:
        ingest(config, DAY)
    assert without_marks(objects(lakes[0])) == without_marks(objects(lakes[1]))


def test_rejected_readings_that_tie_stand_in_the_same_order_whichever_engine(database, make_config):
    small_historian(database, [], {1: "a"})
    database.execute("ALTER TABLE sqlt_data_1_2026_10 DROP CONSTRAINT sqlt_data_1_2026_10_pkey")
    values = ", ".join(f"(1, NULL, {n * 7 % 5}, NULL, NULL, 0, {T0})" for n in range(5))
    database.execute(f"INSERT INTO sqlt_data_1_2026_10 VALUES {values}")
    lakes = [make_config(dbname=database.name, engine=engine) for engine in ("packed", "jdbc")]
    for config in lakes:
        assert ingest(config, DAY).rows_rejected == {"bad_quality": 5}
    rejected = [pq.read_table(io.BytesIO(data)) for c in lakes for k, data in objects(c).items() if "rejected/" in k]
    assert rejected[0] == rejected[1] and rejected[0]["value"].to_pylist() == [0, 1, 2, 3, 4]


def test_what_a_later_table_holds_of_a_month_that_is_gone_is_added_to_it(database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    config = make_config(dbname=database.name)
    october = window_of("UTC", start="2026-10-01", end="2026-11-01")
    ingest(config, october)
    database.execute("ALTER TABLE sqlt_data_1_2026_10 RENAME TO sqlt_data_1_2026_11")
    database.execute(f"UPDATE sqlt_data_1_2026_11 SET t_stamp = {october.end_ms - 5}, floatvalue = 2")
    ingest(config, window_of("UTC", start="2026-10-01", end="2026-11-03"))
    assert [(t, v) for _, t, v, *_ in readings_of(config)] == [(T0, bits(1.0)), (october.end_ms - 5, bits(2.0))]


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_several_ids_of_one_path_odd_values_and_every_quality_rule(engine, database, make_config):
    nan, inf = float("nan"), float("inf")
    rows = [
        Row(1, T0, 1.0), Row(2, T0, 2.0), Row(1, T0 + 1, nan), Row(2, T0 + 2, inf), Row(1, T0 + 3, -0.0),
        Row(1, T0 + 4, None, "text"), Row(1, T0 + 5, 5.0, ""), Row(1, T0 + 6), Row(2, T0 + 6, 6.0, quality=0),
        Row(1, T0 + 7, 7.0, quality=500), Row(1, T0 + 8, 8.0, quality=None), Row(3, T0 + 9, None, "ü😀 'x'"),
        Row(1, T0 - 1, 0.0), Row(1, T0 + 86_400_000, 0.0),
    ]  # fmt: skip
    paths = {1: "a/ä b%", 2: "a/ä b%", 3: "c"}
    small_historian(database, rows, paths)
    inside = [row for row in rows if T0 <= row.t_stamp < T0 + 86_400_000]
    for keys, good in (({}, (192,)), ({"good_quality": [192, 500]}, (192, 500)), ({"bad_quality": [0, 500]}, (192,))):
        config = make_config(dbname=database.name, engine=engine, **keys)
        record = ingest(config, DAY)
        wanted = expect(inside, paths, good)
        assert readings_of(config) == wanted.readings
        assert (sum(record.rows_rejected.values()), record.rows_deduplicated) == (wanted.rejected, wanted.deduplicated)


def test_a_generic_layout_is_read_and_files_hold_at_most_the_set_number(database, make_config):
    options = PlantOptions(tags=6, days=1, rate_seconds=60, layout="generic")
    summary = seed(database.owner, options)
    config = make_config(dbname=database.name, max_records_per_file=500)
    window = window_of("UTC", start=summary.start.isoformat(), end=summary.end.isoformat())
    record = ingest(config, window)
    assert record.rows_read == summary.readings and record.rows_rejected.keys() == {"bad_quality"}
    assert record.quality_codes.keys() >= {"0", "192"} and record.files_written > 6
    assert len(readings_of(config)) == record.rows_written


def test_only_tables_whose_month_fits_are_read(plant, make_config):
    november = plan(make_config(), window_of("UTC", day="2026-11-01"))
    assert {table.name for table in november.tables} == {"sqlt_data_1_2026_11", "sqlt_data_2_2026_11"}
    assert any("sqlt_data_1_2026_09" in note and "does not exist" in note for note in november.notes)


@pytest.mark.parametrize(
    ("break_it", "failure", "says"),
    [
        ({"sensor_patterns": ["a("]}, ConfigError, r'pattern "a\(" is not a PostgreSQL regular expression'),
        ({"sensor_patterns": ["nowhere"]}, ConfigError, 'no tag path of 25 matches "nowhere"'),
        ({"db": {"password": "s3cr3t-wrong"}}, SourceError, "refused the login"),
        ({"db": {"port": 1}}, SourceError, "cannot be reached"),
        ({"db": {"dbname": "nothere"}}, SourceError, "no such database"),
        ({"layout": "generic"}, SourceError, "has no table tags"),
        ({"bucket_name": "no-such-bucket"}, LakeError, "no such bucket"),
        ({"s3_endpoint_url": "http://127.0.0.1:1"}, LakeError, "cannot be reached"),
    ],
)
def test_bad_input_is_one_sentence_and_the_lake_untouched(break_it, failure, says, plant, make_config):
    good = make_config(lake="s3")
    values = {**good.model_dump(), **{k: v for k, v in break_it.items() if k != "db"}}
    values["db"] = {**good.db.model_dump(), **break_it.get("db", {})}
    broken = type(good).model_validate(values)
    with pytest.raises(failure, match=says) as caught:
        ingest(broken, plant.window)
    assert "\n" not in str(caught.value) and "s3cr3t" not in str(caught.value)
    assert objects(good) == {}


def test_refused_credentials_are_said_so(plant, make_config, monkeypatch):
    config = make_config(lake="s3", s3_directory="elsewhere/")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(LakeError, match="credentials are refused"):
        ingest(config, plant.window)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("DROP COLUMN dataintegrity", "sqlt_data_1_2026_10 has no column dataintegrity .*tagid, intvalue"),
        ("ALTER COLUMN t_stamp TYPE text", "sqlt_data_1_2026_10 column t_stamp is of type text, not bigint"),
    ],
)
def test_a_table_of_the_wrong_shape_is_refused_by_name(change, says, database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    database.execute(f"ALTER TABLE sqlt_data_1_2026_10 {change}")
    config = make_config(dbname=database.name)
    with pytest.raises(SourceError, match=says):
        ingest(config, DAY)
    assert objects(config) == {}


def test_a_window_whose_tables_are_gone_does_not_empty_the_lake(database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    config = make_config(dbname=database.name)
    ingest(config, DAY)
    database.execute("DROP TABLE sqlt_data_1_2026_10")
    with pytest.raises(SourceError, match="no partition table covers"):
        ingest(config, DAY)
    assert len(readings_of(config)) == 1


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_a_run_tells_its_readings_and_bytes(engine, plant, make_config):
    steps = []
    record = ingest(make_config(engine=engine), plant.window, progress=steps.append)
    extracted = [step for step in steps if step.phase == "extract"]
    assert extracted[-1].readings == extracted[-1].finished == record.rows_read
    assert extracted[-1].size == record.bytes_written and extracted[-1].share == 1
    assert [step.readings for step in extracted] == sorted(step.readings for step in extracted)
    published = [step for step in steps if step.phase == "publish"]
    assert published[-1].size == record.bytes_written
