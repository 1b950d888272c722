"""Any description of tables: the packed engine, the JDBC engine and a plain Python oracle agree to the bit."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from sensorstream.pipeline.ingest import ingest
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.oracle import bits, readings_of

BERLIN = ZoneInfo("Europe/Berlin")
DAY = window_of("Europe/Berlin", day="2026-10-25")  # of 25 hours
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCHEMA, TIME = "any layout", "Zeit %"


def clock(instant: datetime) -> int:
    """Microseconds since 1970 of what a clock in Berlin shows, as PostgreSQL takes it: of two in autumn the later."""
    gone = instant.replace(tzinfo=BERLIN)
    fold = gone.replace(fold=1)
    later = fold if gone.astimezone(UTC).astimezone(BERLIN).replace(tzinfo=None) == instant else gone
    return (later - EPOCH) // timedelta(microseconds=1)


us = st.one_of(
    st.sampled_from([edge + more for edge in (DAY.start_ms * 1000, DAY.end_ms * 1000) for more in (-1, 0, 1)]),
    st.integers(DAY.start_ms * 1000, DAY.start_ms * 1000 + 3000),
    st.integers(DAY.start_ms * 1000 - 10**10, DAY.end_ms * 1000 + 10**10),
    st.sampled_from([-1, -1001, 0]),
)
local = us.map(lambda n: (EPOCH + timedelta(microseconds=n)).astimezone(BERLIN).replace(tzinfo=None, fold=0))
# Of each kind of time: the description, the type, what stands in the column, and its milliseconds in Python.
TIMES = {
    "ms": ({"unit": "ms"}, "bigint", us.map(lambda n: n // 1000), lambda v: v),
    "ms as double": ({"unit": "ms"}, "float8", us.map(lambda n: n / 1000), math.floor),
    "s": ({"unit": "s"}, "int", us.map(lambda n: n // 10**6), lambda v: v * 1000),
    "s as double": ({"unit": "s"}, "float8", us.map(lambda n: n / 1e6), lambda v: math.floor(round(v * 1e6) / 1000)),
    "s as numeric": ({"unit": "s"}, "numeric", us.map(lambda n: Decimal(n) / 10**6), lambda v: math.floor(v * 1000)),
    "us": ({"unit": "us"}, "bigint", us, lambda v: v // 1000),
    "ns": ({"unit": "ns"}, "bigint", us.map(lambda n: n * 1000 + n % 999), lambda v: v // 10**6),
    "timestamptz": (
        {"unit": "timestamptz"}, "timestamptz", us.map(lambda n: EPOCH + timedelta(microseconds=n)),
        lambda v: (v - EPOCH) // timedelta(milliseconds=1),
    ),
    "timestamp": ({"unit": "timestamp", "zone": "Europe/Berlin"}, "timestamp", local, lambda v: clock(v) // 1000),
}  # fmt: skip
# Of each kind of key: its columns, their types in the readings and in the tags, and two keys.
KEYS = {
    "number": ([("tag", "int", "bigint")], [(1,), (70000,)]),
    "text": ([("tag", "varchar(9)", "varchar(9)")], [("a'b",), ("ü %",)]),
    "number and numeric": ([("tag", "int", "numeric")], [(1,), (70000,)]),
    "other type": ([("tag", "varchar(9)", "text")], [("x",), ("y",)]),
    "uuid and number": ([("device", "uuid", "uuid"), ("key", "int", "int")], [(UUID(int=1), 2), (UUID(int=2), 1)]),
}
floats = st.floats().map(lambda value: math.nan if math.isnan(value) else value)
bigs = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=9)
CELLS = {"d": ("float8", floats), "b": ("bigint", bigs), "yes": ("boolean", st.booleans()), "t": ("text", texts)}
NUMBERS = st.lists(st.sampled_from(["d", "b", "yes"]), unique=True, max_size=3)
QUALITY = {
    "none": ({}, lambda q: 192, lambda code: True),
    "kept": ({"good_quality": [192, 7]}, lambda q: q, lambda code: code in (192, 7)),
    "dropped": ({"bad_quality": [0]}, lambda q: q, lambda code: code is not None and code != 0),
    "bits": ({"bad_bits": 4}, lambda q: q, lambda code: code is not None and not code & 4),
}


@st.composite
def layouts(draw):
    """A description, the tables that it is of, and rows for them."""
    time, key, quality = (draw(st.sampled_from(sorted(kinds))) for kinds in (TIMES, KEYS, QUALITY))
    said, _, stamps, _ = TIMES[time]
    numbers, wide = draw(NUMBERS), draw(st.booleans())
    tables = draw(st.sampled_from([["log"], ["log_2026_10"], ["hashed"]]))
    cells = {name: st.none() | values for name, (_, values) in CELLS.items()}
    row = st.tuples(
        st.sampled_from([*KEYS[key][1], None]), st.none() | stamps, st.fixed_dictionaries(cells),
        st.sampled_from([192, 192, 7, 0, 4, None]), st.booleans(),
    )  # fmt: skip
    readings = {
        "tables": ["log", "hashed", "log_{year}_{month}"],
        "time": {"column": TIME, **said},
        "where": "NOT hidden",
    }
    if wide:
        readings |= {"wide": {"path": "line/{column}", "without": ["tag", "device", "key", "hidden", "q"]}}
    else:
        readings |= {"id": [name for name, *_ in KEYS[key][0]], "numbers": numbers, "texts": "t"}
    readings |= {} if quality == "none" else {"quality": "q"}
    tags = {"tags": {"query": 'SELECT * FROM "any layout".names', "id": readings.get("id")}}
    layout = {"readings": readings, **({} if wide else tags), **QUALITY[quality][0]}
    return layout, (time, key, quality, numbers, wide), tables[0], draw(st.lists(row, max_size=25))


def made(database, kinds, table, rows) -> None:
    time, key, *_ = kinds
    columns = [f'"{TIME}" {TIMES[time][1]}', *(f"{name} {kind}" for name, (kind, _) in CELLS.items()), "q int"]
    columns += [f'"{name}" {kind}' for name, kind, _ in KEYS[key][0]]
    names = sql.Identifier(SCHEMA)
    with psycopg.connect(database.owner) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}").format(names))
        connection.execute(sql.SQL("SET search_path TO {}").format(names))
        parts = f' PARTITION BY HASH ("{TIME}")' if table == "hashed" else ""
        connection.execute(f"CREATE TABLE {table} ({', '.join(columns)}, hidden bool){parts}")
        for n in range(2 if parts else 0):
            connection.execute(f"CREATE TABLE part_{n} PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER {n})")
        connection.execute(
            "CREATE TABLE names (path text, " + ", ".join(f"{n} {kind}" for n, _, kind in KEYS[key][0]) + ")"
        )
        for n, one in enumerate(KEYS[key][1]):
            connection.execute(f"INSERT INTO names VALUES (%s{', %s' * len(one)})", [f"plant/{n}", *one])
        for one, stamp, cells, code, hidden in rows:
            cell = [stamp, *(cells[name] for name in CELLS), code, *(one or [None] * len(KEYS[key][0])), hidden]
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(cell))})", cell)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {0} TO reader").format(names))
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO reader").format(names))


def wanted(kinds, rows):
    """The readings that the rows leave, and how many there were, in plain Python."""
    time, key, quality, numbers, wide = kinds
    _, of_row, keep = QUALITY[quality]
    found, read = {}, 0
    for one, stamp, cells, q, hidden in rows:
        if hidden or stamp is None or not DAY.start_ms <= (ms := TIMES[time][3](stamp)) < DAY.end_ms:
            continue
        if wide:
            parts = [
                (f"line/{name}", [value], None) for name, value in cells.items() if value is not None and name != "t"
            ]
            parts += [("line/t", [], cells["t"])] if cells["t"] is not None else []
        else:
            parts = (
                [] if one is None else [(f"plant/{KEYS[key][1].index(one)}", [cells[n] for n in numbers], cells["t"])]
            )
        for path, values, text in parts:
            read += 1
            if not keep(code := of_row(q)):
                continue
            value = next((value for value in values if value is not None), None)
            digits = str(value) if isinstance(value, int) and int(float(value)) != value else None
            cell = None if value is None else float(value)
            held = struct.unpack(">q", bits(cell))[0] if cell is not None else -math.inf
            rank = code, held, (text if text is not None else digits) or "", text is not None or digits is not None
            if (path, ms) not in found or rank > found[path, ms][0]:
                found[path, ms] = rank, (path, ms, bits(cell), text if text is not None else digits, code)
    return [reading for _, (_, reading) in sorted(found.items())], read


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layouts())
def test_any_description_of_any_table_is_read_as_it_says(database, make_config, found):
    layout, kinds, table, rows = found
    made(database, kinds, table, rows)
    agree(make_config(dbname=database.name, db_schema=SCHEMA, layout=layout, timezone="Europe/Berlin"), kinds, rows)


@pytest.mark.parametrize(
    ("readings", "tags"),
    [
        ("int", "numeric(9,2)"), ("numeric(9,2)", "numeric"), ("float8", "numeric(9,2)"), ("float8", "float4"),
        ("text", "numeric(9,2)"), ("text", "numeric"),
    ],
)  # fmt: skip
def test_a_number_tells_the_same_tag_whatever_its_type_and_scale(readings, tags, database, make_config):
    database.execute(f"CREATE TABLE tag AS SELECT id::{tags} AS id, 'p/' || id AS path FROM unnest(ARRAY[7, 0]) id")
    database.execute(f"CREATE TABLE log_2026_10 (id {readings}, at bigint, v float8)")
    places = f"generate_series({DAY.start_ms}, {DAY.start_ms + 9}) at, unnest(ARRAY['7', '0', '-0']) id"
    database.execute(f"INSERT INTO log_2026_10 SELECT id::{readings}, at + (id = '-0')::int * 10, 1 FROM {places}")
    kind = {"tables": "log_{year}_{month}", "id": "id", "time": {"column": "at"}, "numbers": "v"}
    layout = {"readings": kind, "tags": {"table": "tag"}}
    found = ingest(make_config(dbname=database.name, layout=layout, timezone="Europe/Berlin"), DAY)
    assert found.rows_written == 30


def test_tags_that_are_told_by_texts_are_so_to_the_letter(database, make_config):
    database.execute("CREATE TABLE tag AS SELECT id, 'p/' || id AS path FROM unnest(ARRAY['7.00', '7']) id")
    database.execute("CREATE TABLE log_2026_10 (id numeric(9,2), at bigint, v float8)")
    database.execute(f"INSERT INTO log_2026_10 VALUES (7, {DAY.start_ms}, 1)")
    kind = {"tables": "log_{year}_{month}", "id": "id", "time": {"column": "at"}, "numbers": "v"}
    config = make_config(dbname=database.name, layout={"readings": kind, "tags": {"table": "tag"}})
    ingest(config, DAY)
    assert [row[0] for row in readings_of(config)] == ["p/7.00"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layouts(), st.sampled_from([1, 1_000_000]))
def test_both_engines_agree_on_any_layout(database, make_config, spark, found, per_slice):
    layout, kinds, table, rows = found
    made(database, kinds, table, rows)
    for engine, session in (("packed", None), ("jdbc", spark)):
        how = {"engine": engine, "readings_per_slice": per_slice, "timezone": "Europe/Berlin"}
        agree(make_config(dbname=database.name, db_schema=SCHEMA, layout=layout, **how), kinds, rows, spark=session)


def agree(config, kinds, rows, **how) -> None:
    readings, read = wanted(kinds, rows)
    record = ingest(config, DAY, **how)
    assert readings_of(config) == readings
    assert (record.rows_read, record.rows_written) == (read, len(readings))
    assert not verify(config, DAY).differences
