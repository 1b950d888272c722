"""Between a run and PostgreSQL may stand a pooler: one that keeps a session is as good as none, others are refused."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from sensorstream.config.credentials import login
from sensorstream.errors import SourceError
from sensorstream.historian import connect
from sensorstream.historian.connection import LIMITS_MS, SETTINGS
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.oracle import objects, readings_of, without_marks
from tests.poolers import Lender, find_pgbouncer, pgbouncer

DAY = window_of("UTC", day="2026-10-14")
CONNECTIONS = 4
LENDS = "is a pooler that lends a connection for each transaction or statement, .* a pool in session mode"


@pytest.fixture(scope="module")
def program() -> Iterator[tuple[Path, dict[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="sensorstream-pgbouncer-") as folder:
        Path(folder).chmod(0o755)  # it runs as another user
        found = find_pgbouncer(Path(folder))
        if found is None:
            pytest.skip("no PgBouncer here, nor to be had: the kind is tried with a stand-in alone")
        yield found


@pytest.fixture
def historian(database):
    """Times with a time zone, in a database whose own is India's and whose dates are written the German way."""
    small_historian(database, [], {1: "a"})
    database.execute(
        f"ALTER DATABASE {database.name} SET timezone = 'Asia/Kolkata';"
        f"ALTER DATABASE {database.name} SET datestyle = 'German'"
    )
    database.execute(
        "ALTER TABLE sqlt_data_1_2026_10 ALTER datevalue TYPE timestamptz;"
        f"INSERT INTO sqlt_data_1_2026_10 VALUES (1, NULL, NULL, NULL, '2026-10-14 12:00 UTC', 192, {DAY.start_ms}),"
        f" (1, NULL, NULL, NULL, '0044-03-15 12:00 UTC BC', 192, {DAY.start_ms + 1}),"
        f" (1, NULL, NULL, NULL, 'infinity', 192, {DAY.start_ms + 2})"
    )
    return database


def through(port: int, config, **keys):
    return config.model_copy(update={"db": config.db.model_copy(update={"port": port, **keys})})


def settings(dsn: str) -> list[tuple]:
    """What connections of others find, of which the pool has as many as it may."""
    asked = ", ".join(f"current_setting('{name}')" for name in (*SETTINGS, *LIMITS_MS))
    with ExitStack() as open_:
        others = [open_.enter_context(psycopg.connect(dsn, autocommit=True)) for _ in range(CONNECTIONS)]
        return [other.execute(f"SELECT {asked}").fetchone() for other in others]


@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_a_pool_of_sessions_is_as_good_as_postgresql(engine, program, historian, make_config):
    direct = make_config(dbname=historian.name)
    ingest(direct, DAY)
    with pgbouncer(program, historian.reader, "session", default_pool_size=CONNECTIONS) as port:
        there = psycopg.conninfo.make_conninfo(historian.reader, port=port)
        before = settings(there)
        pooled = make_config(dbname=historian.name, engine=engine, jdbc_num_partitions=CONNECTIONS)
        ingest(through(port, pooled), DAY)
        after = settings(there)
    assert after == before == settings(historian.reader)
    assert [text for _, _, _, text, _ in readings_of(direct)] == [
        "2026-10-14T12:00:00.000000",
        "0044-03-15 12:00:00+00 BC",
        "infinity",
    ]
    assert without_marks(objects(pooled)) == without_marks(objects(direct))


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pool_that_lends_is_refused_by_name_and_left_as_it_was(mode, program, historian, make_config):
    with pgbouncer(program, historian.reader, mode) as port:
        config = through(port, make_config(dbname=historian.name))
        for _ in range(3):
            with pytest.raises(SourceError, match=LENDS):
                plan(config, DAY)
        there = psycopg.conninfo.make_conninfo(historian.reader, port=port)
        assert settings(there) == settings(historian.reader)


def test_a_pool_with_fewer_connections_than_a_run_needs_says_so(program, historian, make_config):
    few = {"default_pool_size": 1, "query_wait_timeout": 1}
    says = r'query_wait_timeout: the pool has no connection left: lower "jdbc_num_partitions"'
    with pgbouncer(program, historian.reader, "session", **few) as port, pytest.raises(SourceError, match=says):
        plan(through(port, make_config(dbname=historian.name)), DAY)


def test_whatever_lends_a_backend_is_found_out(historian, make_config):
    with closing(Lender(historian.reader)) as lender, pytest.raises(SourceError, match=LENDS):
        connect(login(through(lender.port, make_config(dbname=historian.name))))
