"""Fingerprints: the client's are the historian's own, and any change of a row shows in them."""

from __future__ import annotations

import math
from collections import ChainMap, defaultdict
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sensorstream.extract.decode import Batch, Packed
from sensorstream.extract.wire_format import readings_in, units_of
from sensorstream.hashing.postgres_hash import STRETCH, hash_float8, hash_hex, hash_int4
from sensorstream.historian import readings_sql
from sensorstream.historian.fingerprint_sql import SETTINGS, fingerprints, row_hash
from sensorstream.historian.model import PartitionTable
from sensorstream.transform.clean_packed import clean_parts, fingerprint_batch
from sensorstream.transform.fingerprint import Prints, by_piece, row_hashes
from sensorstream.transform.quality import QualityRule
from sensorstream.windows import Window
from tests.fingerprints import Fingerprint, read_fingerprints

HOUR = 3_600_000
BORDERS = [-HOUR, 0, HOUR, 25 * HOUR, 48 * HOUR]  # pieces are as long as they like: days with a change of the clock
KINDS = {"floatvalue": "double precision", "intvalue": "bigint", "stringvalue": "text", "datevalue": "timestamp"}
TABLE = PartitionTable("sqlt_data_1_1970_01", tuple(KINDS), (*KINDS.items(), ("dataintegrity", "integer")))
COLUMNS = "tagid, t_stamp, floatvalue, intvalue, stringvalue, datevalue, dataintegrity"

times = st.one_of(
    st.sampled_from([0, 1, -1, HOUR, HOUR - 1, BORDERS[-1], BORDERS[-1] - 1, BORDERS[0], BORDERS[0] - 1]),
    st.integers(BORDERS[0], BORDERS[-1]),
    st.integers(-(2**63), 2**63 - 1),
)
numbers = st.sampled_from([0.0, -0.0, math.pi, -math.pi, math.nan, math.inf, 5e-324]) | st.floats().map(
    lambda value: math.nan if math.isnan(value) else value
)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60)
wholes = st.integers(-(2**63), 2**63 - 1) | st.builds(
    lambda power, more, sign: max(min(sign * (2**power + more), 2**63 - 1), -(2**63)),
    st.integers(52, 63), st.integers(-1025, 1025), st.sampled_from([1, -1]),
)  # fmt: skip
cells = st.one_of(
    st.tuples(numbers, st.none(), st.none(), st.none()),
    st.tuples(st.none() | numbers, st.none(), st.none() | texts, st.none()),
    st.tuples(st.none(), wholes, st.none(), st.none()),
    st.tuples(st.none() | numbers, wholes, st.none() | texts, st.none()),
    st.tuples(st.none(), st.none(), st.none(), st.datetimes(min_value=datetime(1, 1, 1))),
)
qualities = st.sampled_from([192, 192, 192, 0, None]) | st.integers(-(2**31), 2**31 - 1)
rows = st.tuples(st.integers(1, 3), times, cells, qualities)


def seen(row) -> tuple:
    """A row as the pipeline reads it, to the bit of its value."""
    tagid, time, (number, whole, text, date), quality = row
    value = number if number is not None else None if whole is None else float(whole)
    digits = str(whole) if number is None and whole is not None and int(float(whole)) != whole else None
    text = text if text is not None else digits if date is None else date.isoformat(timespec="microseconds")
    return tagid, time, None if value is None else np.float64(value).tobytes(), text, quality


def of_pieces(tagid: int, prints: Prints) -> dict[tuple[int, int], Fingerprint]:
    pieces = enumerate(zip(prints.counts.tolist(), prints.hashes.tolist(), strict=True))
    return {(tagid, piece): Fingerprint(count, total) for piece, (count, total) in pieces if count}


def client(found) -> dict[tuple[int, int], Fingerprint]:
    by_tag = defaultdict(list)
    for row in found:
        by_tag[row[0]].append(seen(row))
    result = {}
    for tagid, mine in by_tag.items():
        _, time, value, text, quality = zip(*mine, strict=True)
        t_stamp = np.array(time, np.int64)
        utf8 = [None if x is None else x.encode() for x in text]
        hashes = row_hashes(
            t_stamp,
            np.frombuffer(b"".join(v or bytes(8) for v in value), np.float64),
            np.array([v is not None for v in value]),
            np.array([q or 0 for q in quality], np.int32),
            np.array([q is not None for q in quality]),
            np.array([-1 if x is None else len(x) for x in utf8], np.int64),
            b"".join(x or b"" for x in utf8),
        )
        result |= of_pieces(tagid, by_piece(t_stamp, hashes, BORDERS))
    return result


@pytest.fixture
def connection(database):
    """An Ignition table without a key: rows may stand twice."""
    with psycopg.connect(database.owner, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE {TABLE.name} (tagid int, t_stamp int8, floatvalue float8, intvalue int8, stringvalue text,"
            " datevalue timestamp, dataintegrity int)"
        )
        for name, value in SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        yield connection


def server(connection, found) -> dict[tuple[int, int], Fingerprint]:
    connection.execute(f"TRUNCATE {TABLE.name}")
    with connection.cursor() as cursor, cursor.copy(f"COPY {TABLE.name} ({COLUMNS}) FROM STDIN") as copy:
        for tagid, time, cell, quality in found:
            copy.write_row((tagid, time, *cell, quality))
    return read_fingerprints(connection.execute(fingerprints("public", TABLE, BORDERS)))


def packed(connection) -> dict[tuple[int, int], Fingerprint]:
    """What a run makes of its own packed read of the table."""
    window = Window(datetime.fromtimestamp(BORDERS[0] // 1000, UTC), datetime.fromtimestamp(BORDERS[-1] // 1000, UTC))
    lift = readings_sql.lift(window)
    query = readings_sql.packed("public", TABLE, readings_sql.in_window(TABLE, window, [1, 2, 3]), lift)
    found = connection.cursor(binary=True).execute(query).fetchall()
    parts = [Packed(tagid, 0, len(rows or b""), lift) for tagid, rows, *_ in found]
    assert [readings_in(units_of(rows)) for _, rows, *_ in found] == [counted for *_, counted in found]
    rows, texts = (b"".join(row[column] or b"" for row in found) for column in (1, 2))
    found = fingerprint_batch(Batch([[part] for part in parts], rows, texts), [BORDERS] * len(parts))
    of_each = (of_pieces(part.tagid, prints) for part, prints in zip(parts, found, strict=True))
    return dict(ChainMap(*of_each))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, max_size=40))
def test_client_and_historian_agree(connection, found):
    assert server(connection, found) == client(found) == packed(connection)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, max_size=6), rows, rows, st.sampled_from(["insert", "time", "value", "quality", "twice"]))
def test_any_change_shows(connection, others, row, other, change):
    tagid, time, cell, quality = row
    assume(BORDERS[0] <= time < BORDERS[-1])
    changed = {
        "insert": [],  # or deleted, seen from the other side
        "time": [(tagid, other[1], cell, quality)],
        "value": [(tagid, time, other[2], quality)],
        "quality": [(tagid, time, cell, other[3])],
        "twice": [(tagid, time, other[2], other[3])] * 2,  # both copies of a row without a key corrected
    }[change]
    before = [row] * (2 if change == "twice" else 1)
    assume(sorted(map(repr, map(seen, before))) != sorted(map(repr, map(seen, changed))))
    assert server(connection, others + before) != server(connection, others + changed)


def test_rows_of_one_shape_and_many_lengths_are_hashed_as_by_the_historian(connection):
    """More rows than fit a stretch, times before and after 1970, every length of text around the blocks of the hash."""
    random = np.random.default_rng(7)
    count = STRETCH + 100
    keys = random.integers(-(2**31), 2**31, count).astype(np.int32)
    seeds = random.integers(-(2**63), 2**63 - 1, count)
    seeds[::1000] = 0
    values = random.normal(size=count) * 10.0 ** random.integers(-300, 300, count)
    lengths = np.arange(count) % 41
    texts = random.bytes(int(lengths.sum()))
    ends = np.cumsum(lengths)
    each = [texts[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    found = connection.execute(
        "SELECT hashint4extended(k, s), hashfloat8extended(v, s), hashtextextended(encode(x, 'hex'), s)"
        " FROM unnest(%s::int[], %s::float8[], %s::bytea[], %s::int8[]) AS _(k, v, x, s)",
        [keys.tolist(), values.tolist(), each, seeds.tolist()],
    ).fetchall()
    wanted = np.array(found, np.int64).T.view(np.uint64)
    assert (hash_int4(keys, seeds) == wanted[0]).all()
    assert (hash_float8(values, seeds) == wanted[1]).all()
    assert (hash_hex(lengths, texts, seeds) == wanted[2]).all()


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_texts_are_the_same_in_every_encoding_of_the_server(database, sandbox, encoding):
    """Their hash, and what a run reads."""
    text = {"LATIN1": "Füllstand \\x", "EUC_JP": "圧力 \\x", "SQL_ASCII": "level \\x"}[encoding]
    name = f"{database.name}_{encoding.lower()}"
    with psycopg.connect(_admin_dsn(sandbox), autocommit=True) as admin:
        admin.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
        )
    try:
        with psycopg.connect(_admin_dsn(sandbox), dbname=name, client_encoding="UTF8", autocommit=True) as other:
            other.execute(
                f"CREATE TABLE {TABLE.name} AS SELECT 1::int4 AS tagid, 5::int8 AS t_stamp, NULL::float8 AS floatvalue,"
                " NULL::int8 AS intvalue, %s::text AS stringvalue, NULL::timestamp AS datevalue, 192 AS dataintegrity",
                [text],
            )
            every = readings_sql.EVERY_ROW
            query = psycopg.sql.SQL("SELECT {} FROM {}").format(row_hash(TABLE), psycopg.sql.Identifier(TABLE.name))
            (found,) = other.execute(query).fetchone()
            packed = other.execute(readings_sql.packed("public", TABLE, every, 0), binary=True).fetchone()
    finally:
        with psycopg.connect(_admin_dsn(sandbox), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name}")
    assert client([(1, 5, (None, None, text, None), 192)]) == {(1, 1): Fingerprint(1, found % 2**64)}
    kept = clean_parts([(packed[0], 0, *packed[1:3])], 0, QualityRule((192,), ()))[0].kept
    assert kept.column("text").to_pylist() == [text]


def _admin_dsn(sandbox) -> str:
    from sensorstream.sandbox.postgres import ADMIN
    from sensorstream.sandbox.state import State

    state = State.load(sandbox.root)
    return psycopg.conninfo.make_conninfo(
        sandbox.owner_dsn, user=ADMIN, password=state.admin_password, dbname="postgres"
    )
