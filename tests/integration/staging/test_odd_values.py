"""Values that a double, 32 bits or UTF-8 cannot hold: kept as far as they can be, never changed without a word."""

from __future__ import annotations

import io
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import conninfo, sql

from sensorstream.checks.check_source import check_source
from sensorstream.exploration.from_historian import look
from sensorstream.extract.decode import Batch, Packed
from sensorstream.historian import readings_sql
from sensorstream.historian.fingerprint_sql import fingerprints
from sensorstream.historian.model import PartitionTable
from sensorstream.lake.keys import rejected_key
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.pipeline.run_record import summary
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox.state import State
from sensorstream.transform.clean import RAW, clean
from sensorstream.transform.clean_packed import clean_parts, fingerprint_batch
from sensorstream.transform.fingerprint import fingerprints_of_raw
from sensorstream.transform.quality import QualityRule
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.conftest import Database, numbers
from tests.fingerprints import Fingerprint, read_fingerprints
from tests.historians import small_historian
from tests.integration.staging.test_engines_agree import CODES, KINDS
from tests.oracle import Row, bits, objects, readings_of

DAY = window_of("UTC", day="2026-10-14")
T0 = DAY.start_ms
ENGINES = ("packed", "jdbc")


def generic_historian(database, kind: str, quality: str = "int", paths: tuple[str, ...] = ("a",)) -> None:
    """A generic historian with one October table, its value of that type; ids from 1."""
    database.execute("CREATE TABLE tags (id int, tagpath text, description text, unit text)")
    for number, path in enumerate(paths, 1):
        database.execute("INSERT INTO tags VALUES (%s, %s, NULL, NULL)", number, path)
    database.execute(
        f"CREATE TABLE readings_2026_10 (tagid int, t_stamp bigint, value {kind}, dataintegrity {quality})"
    )


def put(database, *rows: tuple[int, int, object, object]) -> None:
    """Rows of tag id, second of the day, value (as text), quality."""
    with psycopg.connect(database.owner) as connection:
        for tagid, second, value, quality in rows:
            cells = [tagid, T0 + 1000 * second, value, quality]
            connection.execute("INSERT INTO readings_2026_10 VALUES (%s, %s, %s, %s)", cells)


def rejected_of(config, record) -> list[dict]:
    data = open_store(config).get(rejected_key(record.run_id))
    return pq.read_table(io.BytesIO(data)).to_pylist() if data else []


def adds_up(record) -> bool:
    kept = record.rows_written + sum(record.rows_rejected.values()) + record.rows_deduplicated
    return record.rows_read == sum(record.quality_codes.values()) == kept


GIANTS = [2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**53 + 2, 2**60, -(2**63), 2**53, 7]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layout", ["ignition", "bigint", "numeric"])
def test_a_whole_number_that_no_double_is_keeps_its_digits(layout, engine, database, make_config):
    if layout == "ignition":
        small_historian(database, [], {1: "a"})
        for second, number in enumerate(GIANTS):
            cells = [number, T0 + 1000 * second]
            database.execute("INSERT INTO sqlt_data_1_2026_10 VALUES (1, %s, NULL, NULL, NULL, 192, %s)", *cells)
    else:
        generic_historian(database, layout)
        put(database, *((1, second, number, 192) for second, number in enumerate(GIANTS)))
    config = make_config(dbname=database.name, engine=engine)
    record = ingest(config, DAY)
    kept = readings_of(config)
    assert [value for _, _, value, *_ in kept] == [bits(float(number)) for number in GIANTS]
    assert [text for *_, text, _ in kept] == [*map(str, GIANTS[:3]), None, None, None, None, None]
    assert record.digits_in_text == 3 and record.rows_written == len(GIANTS)
    assert verify(config, DAY).success


def test_a_lake_without_the_digits_is_found_to_differ(database, make_config):
    generic_historian(database, "double precision")
    put(database, (1, 0, 2**53 + 1, 192))
    config = make_config(dbname=database.name)
    ingest(config, DAY)
    database.execute("ALTER TABLE readings_2026_10 ALTER value TYPE bigint")
    database.execute("UPDATE readings_2026_10 SET value = %s", 2**53 + 1)
    (found,) = verify(config, DAY).differences
    assert (found.kind, found.tagpath) == ("different", "a") and '"9007199254740993"' in found.what


@pytest.mark.parametrize("engine", ENGINES)
def test_a_number_without_a_double_is_rejected_with_its_digits_and_holds_nothing_back(
    engine,
    database,
    make_config,
):
    generic_historian(database, "numeric")
    put(database, (1, 0, "1.5", 192), (1, 1, "1e400", 192), (1, 2, "1e-400", 192), (1, 3, "NaN", 192))
    put(database, (1, 4, "-Infinity", 192), (1, 5, "-1e400", 0))
    config = make_config(dbname=database.name, engine=engine)
    record = ingest(config, DAY)
    assert record.rows_rejected == {"unreadable": 3} and adds_up(record)
    assert [(row["value"], row["text"], row["reason"]) for row in rejected_of(config, record)] == [
        (None, text, "unreadable") for text in (f"1{400 * '0'}", f"0.{399 * '0'}1", f"-1{400 * '0'}")
    ]
    values = [1.5, float("nan"), float("-inf")]
    assert [value for _, _, value, *_ in readings_of(config)] == [bits(value) for value in values]
    assert verify(config, DAY).success
    assert "3, the first value at 2026-10-14T00:00:01.000+00:00" in said(check_source(config, DAY), "unreadable")


def said(result, column: str) -> str:
    """What a check says of a column, with the tag that it names first."""
    (finding,) = (finding for finding in result.findings if finding.column == column)
    assert finding.verdict == "warning"
    assert finding.tags[0] == "a"
    return finding.found()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bad", [2**31 + 5, -(2**31) + 5])
def test_unsigned_quality_codes_are_kept_by_their_bits(bad, engine, database, make_config):
    """OPC UA: 0x80000000 and above; lists may name them either way."""
    generic_historian(database, "double precision", "bigint")
    codes = [0, 192, 2**31, 2**31 + 5, 2**32 - 1, -7, 2**32, 2**63 - 1, -(2**31) - 1, None]
    put(database, *((1, second, 1.5, code) for second, code in enumerate(codes)))
    config = make_config(dbname=database.name, engine=engine, bad_quality=[bad])
    record = ingest(config, DAY)
    assert [quality for *_, quality in readings_of(config)] == [0, 192, -(2**31), -1, -7]
    assert record.rows_rejected == {"bad_quality": 1, "no_quality": 1, "unreadable": 3} and adds_up(record)
    assert record.quality_codes[str(5 - 2**31)] == 1 and "-2147483643 (0x80000005): 1" in str(summary(record))
    assert verify(config, DAY).success
    assert "3, the first dataintegrity at 2026-10-14T00:00:06" in said(check_source(config, DAY), "unreadable")
    (found,) = look(config, ["a"], DAY, 100).values()
    assert found.kept.readings.num_rows == 5 and found.rejected.num_rows == 5
    database.execute("ANALYZE readings_2026_10")
    (sampled,) = look(config, ["a"], DAY, 100, most=1).values()
    assert sampled.sampled and sampled.rejected.num_rows == 5


@pytest.fixture
def database_in(sandbox) -> Iterator:
    """``database_in(encoding)``: a new database of that encoding."""
    state, made = State.load(sandbox.root), []

    def make(encoding: str) -> Database:
        name = f"test_{next(numbers)}"
        made.append(name)
        query = (
            "CREATE DATABASE {} OWNER owner ENCODING {} LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
            " TEMPLATE template0"
        )
        with sandbox_postgres._admin(state) as admin:
            admin.autocommit = True
            admin.execute(sql.SQL(query).format(sql.Identifier(name), encoding))
        found = Database(
            *(conninfo.make_conninfo(d, dbname=name) for d in (sandbox.owner_dsn, sandbox.reader_dsn)), name
        )
        found.execute("GRANT USAGE ON SCHEMA public TO reader")
        found.execute("ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT SELECT ON TABLES TO reader")
        return found

    yield make
    with sandbox_postgres._admin(state) as admin:
        admin.autocommit = True
        for name in made:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def put_bytes(database, encoding: str, tagid: int, *texts: bytes) -> None:
    """A reading a second with these bytes as its text, whatever the server takes them for."""
    for second, text in enumerate(texts):
        database.execute(
            "INSERT INTO sqlt_data_1_2026_10 VALUES (%s, NULL, NULL, convert_from(%s, %s), NULL, 192, %s)",
            tagid, text, encoding, T0 + 1000 * second,
        )  # fmt: skip


ODD_BYTES = {  # encoding: what is text in it, as it reads, and what is none
    "SQL_ASCII": (
        ["Füllstand \\x".encode(), "圧力".encode()],
        ["Füllstand \\x", "圧力"],
        [b"a\xff", b"\xc0\x80", b"\xed\xa0\x80"],
    ),
    "WIN1252": (["Füllstand €".encode("cp1252")], ["Füllstand €"], [b"a\x81", b"\x9d"]),
    "LATIN1": (["Füllstand".encode("latin-1")], ["Füllstand"], []),
    "LATIN3": (["Ĥ".encode("iso8859_3")], ["Ĥ"], [b"\xa5"]),
    "EUC_JP": (["圧力".encode("euc_jp")], ["圧力"], []),
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("encoding", ODD_BYTES)
def test_text_that_is_none_is_rejected_escaped_and_holds_nothing_back(
    encoding,
    engine,
    database_in,
    make_config,
):
    database = database_in(encoding)
    good, texts, bad = ODD_BYTES[encoding]
    small_historian(database, [], {1: "a"})
    put_bytes(database, encoding, 1, *good, *bad)
    config = make_config(dbname=database.name, engine=engine)
    record = ingest(config, DAY)
    assert [text for *_, text, _ in readings_of(config)] == texts and adds_up(record)
    assert sum(record.rows_rejected.values()) == record.rows_rejected.get("unreadable", 0) == len(bad)
    escaped = ["".join(chr(b) if b < 128 else f"\\{b:03o}" for b in text) for text in bad]
    assert [(row["text"], row["reason"]) for row in rejected_of(config, record)] == [(e, "unreadable") for e in escaped]
    assert verify(config, DAY).success
    (found,) = look(config, ["a"], DAY, 100).values()
    assert (found.kept.readings.num_rows, found.rejected.num_rows) == (len(good), len(bad))
    if bad:
        first = f"{len(bad)}, the first stringvalue at 2026-10-14T00:00:0{len(good)}"
        assert first in said(check_source(config, DAY), "unreadable")


def test_late_readings_are_found_by_fingerprints_among_unreadable_ones(database_in, make_config):
    database = database_in("SQL_ASCII")
    small_historian(database, [], {1: "a"})
    put_bytes(database, "SQL_ASCII", 1, b"fine", b"a\xff")
    config = make_config(dbname=database.name, late_detector="fingerprint")
    tomorrow = window_of("UTC", day="2026-10-15")
    ingest(config, DAY)
    assert ingest(config, tomorrow).late["tag_days"] == 0
    database.execute("UPDATE sqlt_data_1_2026_10 SET stringvalue = 'late' WHERE t_stamp = %s", T0 + 1000)
    assert ingest(config, tomorrow).late["tag_days"] == 1
    assert [text for *_, text, _ in readings_of(config)] == ["fine", "late"]


def test_a_tag_path_that_is_no_text_is_named_and_left_out(database_in, make_config):
    database = database_in("SQL_ASCII")
    small_historian(database, [Row(1, T0, 1.0), Row(2, T0, 2.0)], {1: "a"})
    database.execute("INSERT INTO sqlth_te VALUES (2, convert_from(%s, 'SQL_ASCII'), 1, 1, 0, 0, NULL)", b"b\xff")
    config = make_config(dbname=database.name)
    assert "tag 2 has a path that is no text (b\\377): left out" in plan(config, DAY).notes
    record = ingest(config, DAY)
    assert [(path, value) for path, _, value, *_ in readings_of(config)] == [("a", bits(1.0))] and adds_up(record)
    (finding,) = (one for one in check_source(config, DAY).findings if one.column == "readable")
    assert (finding.verdict, finding.examples[0]["tagpath"], finding.examples[0]["id"]) == ("warning", "b\\377", 2)


@pytest.mark.parametrize("style", ["SQL, DMY", "German"])
def test_dates_are_iso_whatever_the_servers_settings(style, database, make_config):
    small_historian(database, [], {1: "a"})
    dates = ["infinity", "-infinity", "0044-03-15 BC", "0001-01-01", "2026-10-14 12:00:00.5", "12026-01-02"]
    for second, date in enumerate(dates):
        query = "INSERT INTO sqlt_data_1_2026_10 VALUES (1, NULL, NULL, NULL, %s, 192, %s)"
        database.execute(query, date, T0 + 1000 * second)
    database.execute(f"ALTER DATABASE {database.name} SET datestyle = '{style}'")
    lakes = [make_config(dbname=database.name, engine=engine) for engine in ENGINES]
    for config in lakes:
        ingest(config, DAY)
    assert objects(lakes[0]) == objects(lakes[1])
    texts = [text for *_, text, _ in readings_of(lakes[0])]
    assert texts[:3] == ["infinity", "-infinity", "0044-03-15 00:00:00 BC"]
    assert texts[3:] == ["0001-01-01T00:00:00.000000", "2026-10-14T12:00:00.500000", "12026-01-02T00:00:00.000000"]


WIDE = st.sampled_from(["double precision", "numeric", "bigint", "integer"])


@st.composite
def wide_rows(draw):
    """Types of an Ignition table's two numbers and quality, and rows in which any of its columns is filled."""
    kinds = draw(WIDE), draw(st.sampled_from(["bigint", "integer"])), draw(st.sampled_from(["bigint", "smallint"]))
    cells = [st.none() | KINDS[kind] for kind in kinds[:2]]
    others = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)
    return kinds, draw(st.lists(st.tuples(*cells, others, CODES[kinds[2]]), max_size=20))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wide_rows())
def test_rows_packed_mixed_and_fingerprinted_are_the_rows_one_by_one(database, found):
    kinds, cells = found
    names = ("floatvalue", "intvalue", "stringvalue")
    table = PartitionTable("wide", names, (*zip(names, kinds, strict=False), ("dataintegrity", kinds[2])))
    with psycopg.connect(database.owner, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS wide")
        connection.execute(
            f"CREATE TABLE wide (tagid int, t_stamp bigint, floatvalue {kinds[0]}, intvalue {kinds[1]},"
            f" stringvalue text, dataintegrity {kinds[2]})"
        )
        for number, row in enumerate(cells):
            connection.execute("INSERT INTO wide VALUES (1, %s, %s, %s, %s, %s)", [T0 + number, *row])
        binary = connection.cursor(binary=True)
        rows = binary.execute(readings_sql.rows("public", table, DAY, [1])).fetchall()
        packed = binary.execute(readings_sql.packed("public", table, readings_sql.EVERY_ROW, 0)).fetchall()
        mixed = binary.execute(readings_sql.mixed("public", table, readings_sql.EVERY_ROW, 0)).fetchall()
        prints = read_fingerprints(binary.execute(fingerprints("public", table, [T0, DAY.end_ms])).fetchall())
    raw = pa.table(
        [*zip(*((tagid, 0, *rest) for tagid, *rest in rows), strict=True)] or [()] * len(RAW), schema=RAW
    )  # fmt: skip
    rule = QualityRule(None, (0,))
    wanted, tally = clean(raw, rule)
    shift = 1 << readings_sql.MIXED_BITS
    for parts, base in (([row[1:3] for row in packed], 0), ([row[:2] for row in mixed if row[0]], shift)):
        got, counts = clean_parts([(1, 0, data, texts or b"") for data, texts in parts], base, rule)
        assert got.kept.equals(wanted.kept) or repr(got.kept.to_pylist()) == repr(wanted.kept.to_pylist())
        assert repr(got.rejected.to_pylist()) == repr(wanted.rejected.to_pylist())
        assert counts == tally
        batch = [Packed(1, 0, len(data), base) for data, _ in parts]
        mine = Batch([batch], b"".join(d for d, _ in parts), b"".join(t or b"" for _, t in parts))
        (sums,) = fingerprint_batch(mine, [[T0, DAY.end_ms]])
        assert {(1, 0): Fingerprint(int(sums.counts[0]), int(sums.hashes[0]))} == (prints or {(1, 0): Fingerprint()})
    own = fingerprints_of_raw(raw, [T0, DAY.end_ms])
    assert Fingerprint(int(own.counts[0]), int(own.hashes[0])) == prints.get((1, 0), Fingerprint())
