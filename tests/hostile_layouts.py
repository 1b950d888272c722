"""Descriptions of layouts that somebody may have written: right ones with something else in places of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.hostile import ANYTHING, SPECIAL, TEXTS, damaged

# Of the tables that ``make`` makes.
MADE = (
    "CREATE TABLE sensor (code text, path text, unit text); INSERT INTO sensor VALUES ('a', 'plant/a', 'bar');"
    "CREATE TABLE listed (name text, first_ms bigint, last_ms bigint, block int);"
    "INSERT INTO listed VALUES ('log_2026_10', 1790812800000, 1793491200000, 0);"
    "CREATE TABLE log_2026_10 (code text, ts bigint, v float8, n int, q int, remark text, data jsonb);"
    "INSERT INTO log_2026_10 SELECT 'a', 1791936000000 + n * 1000, n, n, 192, 'r', '{\"x\": 1}'"
    " FROM generate_series(1, 50) n;"
    "CREATE TABLE machine (taken timestamptz, speed float8, state text, q int);"
    "INSERT INTO machine SELECT to_timestamp(1791936000 + n), n, 's', 0 FROM generate_series(1, 50) n"
)
LISTING = {"table": "listed", "name": "name", "start": "first_ms", "end": "last_ms", "processed": "block"}
NARROW: dict[str, Any] = {
    "name": "mine",
    "needs": ["sensor"],
    "readings": [
        {
            "tables": {"names": ["log_{year}_{month}"], "listing": LISTING, "zone": "UTC"},
            "id": ["code"],
            "time": {"column": "ts", "unit": "ms"},
            "numbers": ["v", "n + 1"],
            "texts": ["remark"],
            "quality": "q",
            "where": "v % 2 = 0 AND data ? 'x'",
        }
    ],
    "tags": {"query": "SELECT * FROM {schema}.sensor", "path": "path", "id": ["code"], "unit": "unit"},
    "bad_bits": 4,
}
WIDE: dict[str, Any] = {
    "readings": {
        "tables": "machine",
        "time": {"column": "taken", "unit": "timestamptz"},
        "wide": {"path": "line/{column}", "without": ["q"]},
        "quality": "q",
        "where": "speed > 1",
    },
    "bad_quality": [7],
}
OF_PATHS: dict[str, Any] = {
    "readings": {**WIDE["readings"], "wide": {"of": {"speed": "line/speed", "state": "line/state"}}},
}
RIGHT = (NARROW, WIDE, OF_PATHS)

EXPRESSIONS = (
    "v", "code", "ts", "taken", "remark", "path", "data", "q", "nothing", "own.*", "*", "(1, 2)", "NULL", "1", "'x'",
    "v -- x", "v /* x", "v /* /* */", "v) FROM sensor; DROP TABLE sensor; --", "v; COMMIT", ";", "(", ")", "'", '"',
    "$a$", "x$a$ ; DROP TABLE sensor; $a$", "E'\\')'", "E'\\'; DROP TABLE sensor; --'", "1/0", "1/(n - 7)",
    "v % 7", "'%s' || remark", "%(x)s", "%", "$1", ":x", "?", "data ? 'x'", "data ->> 'x'", "{}", "{0}", "{schema}",
    "{schema}.sensor",
    '"{schema}".sensor', "(SELECT 1", "SELECT 1", "SELECT", "SELECT 1 AS path, 2 AS code, 3 AS code", "TABLE sensor",
    "SELECT * FROM {schema}.sensor", "SELECT code, path, unit FROM sensor, pg_sleep(60)", "VALUES (1, 2)",
    "SELECT 'a' AS code, NULL AS path, 'x' AS unit", "SELECT NULL AS code, 'a' AS path, 'x' AS unit",
    "DELETE FROM sensor RETURNING *", "WITH gone AS (DELETE FROM sensor RETURNING *) SELECT * FROM gone",
    "SELECT repeat('x', 70000) AS path, 'a' AS code, 'x' AS unit", "SELECT code, path, 1/0 AS unit FROM sensor",
    "SELECT 'log_2026_10' AS name, 1e300 AS first_ms, 'NaN'::numeric AS last_ms, 0 AS block",
    "SELECT 1 AS name, 1 AS first_ms, 9223372036854775807 AS last_ms, 0 AS block",
    "count(*)", "sum(v) OVER ()", "generate_series(1, 3)", "unnest(ARRAY[1, 2])", "pg_sleep(0)", "nextval('x')",
    "(SELECT 1 FROM pg_sleep(60))", "(SELECT code FROM sensor, sensor s)", "set_config('lock_timeout', '0', false)",
    "set_config('transaction_read_only', 'off', true)", "pg_read_file('/etc/passwd')", "lo_import('/etc/passwd')",
    "txid_current()", "current_user", "now()", "ROW(1)", "ARRAY[1]", "'{}'::jsonb", "'NaN'::float8", "1e400::numeric",
    "'infinity'::timestamptz", "'x'::bytea", "interval '1 month'", "true", "v::int2", "remark::int", "xmin", "ctid",
    "tableoid", "'a' COLLATE \"nowhere\"", "(" * 5_000 + "1" + ")" * 5_000, "1" + " + 1" * 20_000, "CASE " * 2_000,
    "repeat('x', 2000000000)", "'" + "x" * 100_000 + "'", "x" * 70, "U&\"\\0061\"", "U&'\\D800'", "'\u0661'",
)  # fmt: skip
FORMS = (
    "log_{year}_{month}", "log_{any}", "{any}", "{n}", "{year}{month}{day}", "{year}_{year}", "{month}", "{day}_{year}",
    "{", "{}", "{schema}", "{x}", "{any}" * 20 + "x", "{any}_" * 20 + "x", "{n}" * 30 + "x", "{year}" * 3, "(a+)+$",
    ".*", "log_2026_10%", "sensor", "machine", "listed", "pg_class", "LOG_2026_10", "x" * 100_000,
)  # fmt: skip
COLUMNS = ("name", "first_ms", "block", "line/{column}", "{column}", "UTC", "Europe/Vienna", "", "s", "us", "ns",
           "timestamp", "a/../b", "ctid", "tagid", "t_stamp", "tagpath")  # fmt: skip
WORDS = st.sampled_from((*EXPRESSIONS, *FORMS, *COLUMNS, *SPECIAL)) | TEXTS

ANY_DESCRIPTION = st.sampled_from(RIGHT).flatmap(lambda right: damaged(right, WORDS | ANYTHING))


def spelled_otherwise() -> st.SearchStrategy[dict[str, Any]]:
    """A right description with other words in one or two of its texts."""

    def texts(value: Any) -> Iterator[tuple[Any, Any]]:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(inner, str):
                yield value, key
            elif isinstance(inner, dict | list):
                yield from texts(inner)

    def spell(right: dict[str, Any], changes: list[tuple[int, str]]) -> dict[str, Any]:
        found = deepcopy(right)
        places = list(texts(found))
        for number, word in changes:
            part, key = places[number % len(places)]
            part[key] = word
        return found

    changes = st.lists(st.tuples(st.integers(0, 30), WORDS), min_size=1, max_size=2)
    return st.builds(spell, st.sampled_from(RIGHT), changes)
