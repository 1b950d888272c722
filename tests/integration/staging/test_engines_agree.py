"""Any mixture of readings: the packed engine, the JDBC engine and a plain Python oracle agree to the bit."""

from __future__ import annotations

import math
import threading
from datetime import datetime
from decimal import Decimal

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorstream.historian import open_historian
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan as planned
from sensorstream.planning import make_plan, row_counts
from sensorstream.planning.plan import workers_of
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.oracle import Row, expect, objects, readings_of, without_marks

DAY = window_of("UTC", day="2026-10-14")
START, END = DAY.start_ms, DAY.end_ms
TABLES = ("sqlt_data_1_2026_10", "sqlt_data_2_2026_10")
PATHS = {1: "a", 2: "a", 3: "b/ü %", 6: "c"}  # two ids of one path
NO_TAG = (-1, 5, 9)  # ids that sqlth_te does not have

times = st.one_of(
    st.sampled_from([START, START + 1, END - 1, START - 1, END, -(2**63), 2**63 - 1, 0]),
    st.integers(START, START + 20),  # doubled ones
    st.integers(START, END - 1),
)
numbers = st.floats().map(lambda value: math.nan if math.isnan(value) else value)  # text knows one NaN
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)
dates = st.datetimes(min_value=datetime(1, 1, 1))
# Where doubles begin to hold every second whole number only, every fourth, and where int8 ends.
near_powers = st.builds(
    lambda power, more, sign: max(min(sign * (2**power + more), 2**63 - 1), -(2**63)),
    st.integers(52, 63), st.integers(-1025, 1025), st.sampled_from([1, -1]),
)  # fmt: skip
wholes = near_powers | st.integers(-(2**63), 2**63 - 1)
cells = st.one_of(
    st.tuples(st.none(), st.none() | numbers, st.none() | texts, st.none()),
    st.tuples(wholes, st.none(), st.none(), st.none()),
    st.tuples(wholes, st.none() | numbers, st.none() | texts, st.none()),
    st.tuples(st.none(), st.none(), st.none(), dates),
)
qualities = st.sampled_from([192, 192, 192, 192, 0, 500, -1, -(2**31), 2**31 - 1, None])
keys = st.tuples(st.sampled_from(TABLES), st.sampled_from([*PATHS, *NO_TAG]), times)
rows = st.dictionaries(keys, st.tuples(cells, qualities), max_size=30)


@pytest.fixture
def historian(database):
    """An Ignition historian with two empty October tables."""
    database.execute(
        "CREATE TABLE sqlth_te (id int, tagpath varchar(255), scid int, datatype int, querymode int,"
        " created bigint, retired bigint)"
    )
    for number, path in PATHS.items():
        database.execute("INSERT INTO sqlth_te VALUES (%s, %s, 1, 1, 0, 0, NULL)", number, path)
    for table in TABLES:
        database.execute(
            f"CREATE TABLE {table} (tagid int, intvalue bigint, floatvalue float8, stringvalue text,"
            " datevalue timestamp, dataintegrity int, t_stamp bigint, PRIMARY KEY (tagid, t_stamp))"
        )
    database.execute(f"CREATE INDEX ON {TABLES[0]} (t_stamp)")
    return database


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("examples", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_both_engines_and_the_oracle_agree(examples, historian, make_config, spark):
    @settings(max_examples=examples)
    @given(rows, st.sampled_from(["time", "tag"]), st.sampled_from([1, 7, 1_000_000]), st.booleans(), st.booleans())
    def agree(found, order, per_slice, analyzed, only):
        if only:  # nothing else stands in the tables
            found = {key: row for key, row in found.items() if START <= key[2] < END and key[1] in PATHS}
        wanted = expect(
            [
                Row(
                    tagid,
                    time,
                    number if number is not None else whole,
                    text if text is not None else iso(date),
                    quality,
                    table,
                )
                for (table, tagid, time), ((whole, number, text, date), quality) in found.items()
                if START <= time < END and tagid in PATHS
            ],
            PATHS,
        )
        with psycopg.connect(historian.owner) as connection:
            for table in TABLES:
                connection.execute(f"TRUNCATE {table}")
            for (table, tagid, time), ((whole, number, text, date), quality) in found.items():
                cell = [tagid, whole, number, text, date, quality, time]
                connection.execute(f"INSERT INTO {table} VALUES (%s, %s, %s, %s, %s, %s, %s)", cell)
        if analyzed:
            historian.execute(f"ANALYZE {', '.join(TABLES)}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(make_plan, "choose_order", lambda *_, **__: order)
            lakes = []
            for engine, session in (("packed", None), ("packed", spark), ("jdbc", spark)):
                config = make_config(dbname=historian.name, engine=engine, readings_per_slice=per_slice)
                record = ingest(config, DAY, spark=session)
                assert readings_of(config) == wanted.readings
                assert (sum(record.rows_rejected.values()), record.rows_deduplicated) == (
                    wanted.rejected,
                    wanted.deduplicated,
                )
                lakes.append(without_marks(objects(config)))
        assert lakes[0] == lakes[1] == lakes[2]

    agree()


@pytest.mark.parametrize(
    ("tagid", "time", "whole"),
    [
        (6, START, True),
        (6, START - 1, False),
        (6, END, False),
        (5, START, False),
        (-1, START, False),
        (9, START, False),
    ],
)
def test_a_table_that_holds_nothing_else_is_read_whole(tagid, time, whole, historian, make_config):
    """One more reading, of the window and a tag or not, whatever the statistics say."""
    found = [Row(number, START + n * 1000, float(n), table=TABLES[0]) for number in (1, 2, 3) for n in range(200)]
    with psycopg.connect(historian.owner) as connection:
        for row in found:
            cell = [row.tagid, row.value, row.quality, row.t_stamp]
            connection.execute(f"INSERT INTO {TABLES[0]} VALUES (%s, NULL, %s, NULL, NULL, %s, %s)", cell)
    historian.execute(f"ANALYZE {TABLES[0]}")
    historian.execute(f"INSERT INTO {TABLES[0]} VALUES (%s, NULL, 1, NULL, NULL, 192, %s)", tagid, time)
    config = make_config(dbname=historian.name)
    with open_historian(config) as opened:
        pinned, _ = row_counts.pinned(
            opened, make_plan.make_plan(opened, config, DAY, [".*"], workers=workers_of(None))
        )
    assert pinned.whole == ({0} if whole else set())
    ingest(config, DAY)
    more = [Row(tagid, time, 1.0, table=TABLES[0])] if whole else []
    assert readings_of(config) == expect([*found, *more], PATHS).readings


def test_a_busy_tag_comes_by_pages_with_the_others(historian, make_config):
    """Its rows, in no order of time, belong to several stretches."""
    cells = [(number, float(n), None) for number in (3, 6) for n in range(60)]
    cells += [(2, float(n), None) if n % 7 else (2, None, f"ü{n}") for n in range(99)]
    found = [Row(i, START + (37 * n % 99) * 864_000, v, text, table=TABLES[1]) for n, (i, v, text) in enumerate(cells)]
    with psycopg.connect(historian.owner) as connection:
        for row in found:
            cell = [row.tagid, row.value, row.text, row.quality, row.t_stamp]
            connection.execute(f"INSERT INTO {TABLES[1]} VALUES (%s, NULL, %s, %s, NULL, %s, %s)", cell)
    config = make_config(dbname=historian.name, readings_per_slice=98)
    (share,) = planned(config, DAY).shares
    assert len(share.stretches) > 3 and any(piece.pages and len(piece.stretches) > 3 for piece in share.slices)
    ingest(config, DAY)
    assert readings_of(config) == expect(found, PATHS).readings


@pytest.mark.parametrize("order", ["time", "tag"])
def test_times_before_1970_are_times_as_any(order, historian, make_config, monkeypatch):
    monkeypatch.setattr(make_plan, "choose_order", lambda *_, **__: order)
    tables = ("sqlt_data_1_1969_12", "sqlt_data_1_1970_01")
    window = window_of("UTC", start="1969-12-31", end="1970-01-02")
    found = [
        Row(tagid, time, value, text, table=table)
        for table, times in zip(tables, ([window.start_ms, -1000, -1], [0, 1, window.end_ms - 1]), strict=True)
        for tagid in (1, 3)
        for time, (value, text) in zip(times, [(1.0, None), (None, "ü"), (-0.0, None)], strict=True)
    ]
    for old, new in zip(TABLES, tables, strict=True):
        historian.execute(f"ALTER TABLE {old} RENAME TO {new}")
    with psycopg.connect(historian.owner) as connection:
        for row in found:
            cell = [row.tagid, row.value, row.text, row.quality, row.t_stamp]
            connection.execute(f"INSERT INTO {row.table} VALUES (%s, NULL, %s, %s, NULL, %s, %s)", cell)
    config = make_config(dbname=historian.name)
    ingest(config, window)
    assert readings_of(config) == expect(found, PATHS).readings


def iso(date: datetime | None) -> str | None:
    return None if date is None else date.isoformat(timespec="microseconds")


@pytest.mark.parametrize(
    ("engine", "on_spark"), [("packed", False), ("packed", True), pytest.param("jdbc", True, marks=pytest.mark.slow)]
)
def test_readings_written_during_a_run_appear_whole_or_not_at_all(engine, on_spark, historian, make_config, spark):
    stop, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        with psycopg.connect(historian.owner, autocommit=True) as connection:
            while not stop.is_set() and written < 80_000:  # one transaction writes a reading of each of two tags
                with connection.transaction():
                    for table, tagid in ((TABLES[0], 3), (TABLES[1], 6)):
                        query = f"INSERT INTO {table} VALUES (%s, NULL, 1, NULL, NULL, 192, %s)"
                        connection.execute(query, [tagid, START + written * 1000])
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = []
        for _ in range(3):
            config = make_config(dbname=historian.name, engine=engine, readings_per_slice=500)
            before = written
            ingest(config, DAY)
            of_b, of_c = ([t for p, t, *_ in readings_of(config) if p == path] for path in ("b/ü %", "c"))
            assert of_b == of_c == [START + n * 1000 for n in range(len(of_b))]
            assert len(of_b) >= before
            counts.append(len(of_b))
        assert counts[0] < counts[-1]
    finally:
        stop.set()
        writer.join()


FLOATS = st.floats(allow_nan=False) | st.sampled_from([math.nan, math.inf, -math.inf])
KINDS = {  # of the value of a generic table
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": wholes,
    "real": st.floats(width=32, allow_nan=False) | st.sampled_from([math.nan, math.inf, -math.inf]),
    "double precision": FLOATS,
    # As many digits as a double can tell apart, or clearly more; what is near to none; what is no number but a value.
    "numeric": st.one_of(
        wholes.map(Decimal),
        st.decimals(-(10**15), 10**15, places=3),
        st.decimals(-1, 1, places=25),
        st.sampled_from(["1e400", "-1e-400", "1.7976931348623157e308", "5e-324", "2e-324", "NaN", "Infinity"]).map(
            Decimal
        ),
    ),
}
CODES = {
    "smallint": st.sampled_from([192, 192, 0, -1, 2**15 - 1, None]),
    "integer": st.sampled_from([192, 192, 0, -1, 2**31 - 1, -(2**31), None]),
    "bigint": st.sampled_from([192, 192, 0, -1, 2**31, 2**32 - 1, -(2**31), 2**32, -(2**31) - 1, 2**63 - 1, None]),
}
generic_kinds = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: st.sampled_from(sorted(CODES)).flatmap(
        lambda code: st.tuples(
            st.just(kind),
            st.just(code),
            st.dictionaries(
                st.tuples(st.integers(1, 3), st.integers(START, START + 20) | st.integers(START, END - 1)),
                st.tuples(st.none() | KINDS[kind], CODES[code]),
                max_size=30,
            ),
        )
    )
)


def generic_row(tagid: int, time: int, value: float | int | Decimal | None, code: int | None) -> Row:
    """A row of a generic table as the oracle sees it."""
    beyond = code is not None and not -(2**31) <= code < 2**32
    code = code - 2**32 if code is not None and 2**31 <= code < 2**32 else code
    if not isinstance(value, Decimal):
        return Row(tagid, time, value, None, code, unreadable=beyond)
    number = float(value)
    beyond |= value.is_finite() and (math.isinf(number) or (number == 0) != (value == 0))
    if value.is_finite() and value == int(value) and -(2**63) <= value < 2**63:
        return Row(tagid, time, int(value), None, code, unreadable=beyond)
    other = value.is_finite() and Decimal(repr(number)) != value
    return Row(tagid, time, number, f"{value:f}" if other else None, code, unreadable=beyond)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("examples", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_values_and_codes_of_every_type_arrive_to_the_bit(examples, database, make_config):
    @settings(max_examples=examples)
    @given(generic_kinds)
    def arrive(found):
        """In a generic table: what is read is as the oracle has it, what cannot be read is rejected and counted."""
        kind, code, cells = found
        database.execute("DROP TABLE IF EXISTS tags, readings_2026_10")
        database.execute("CREATE TABLE tags AS SELECT n AS id, 'tag ' || n AS tagpath, '' AS description, '' AS unit"
                         " FROM generate_series(1, 3) n")  # fmt: skip
        database.execute(
            f"CREATE TABLE readings_2026_10 (tagid int, t_stamp bigint, value {kind}, dataintegrity {code})"
        )
        with psycopg.connect(database.owner) as connection:
            for (tagid, time), (value, quality) in cells.items():
                row = [tagid, time, value, quality]
                connection.execute("INSERT INTO readings_2026_10 VALUES (%s, %s, %s, %s)", row)
        rows = [generic_row(tagid, time, *cell) for (tagid, time), cell in cells.items()]
        wanted = expect(rows, {n: f"tag {n}" for n in (1, 2, 3)}, good=(192, -1, -(2**31), 2**31 - 1, 2**15 - 1))
        lakes = []
        for engine in ("packed", "jdbc"):
            config = make_config(dbname=database.name, engine=engine)
            record = ingest(config, DAY)
            assert readings_of(config) == wanted.readings
            assert sum(record.rows_rejected.values()) == wanted.rejected
            assert record.rows_rejected.get("unreadable", 0) == sum(row.unreadable for row in rows)
            assert record.digits_in_text == sum(text is not None for *_, text, _ in wanted.readings)
            lakes.append(without_marks(objects(config)))
        assert lakes[0] == lakes[1]
        if cells:
            assert verify(config, DAY).success

    arrive()
