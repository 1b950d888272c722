"""What is asked of the historian's connections: never more than configured, and failures that name their cause."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg
import pytest

from sensorstream.credentials import login, with_secret
from sensorstream.errors import ConfigError, SourceError
from sensorstream.historian import open_historian
from sensorstream.historian.connect import APPLICATION, let_go, snapshot_connection
from sensorstream.pipeline import ingest, plan
from sensorstream.windows import window_of
from tests.integration.test_ingest import small_historian
from tests.oracle import Row

DAY = window_of("UTC", day="2026-10-14")


def test_what_no_thread_uses_is_closed(database, make_config):
    where = login(make_config(dbname=database.name))
    with ExitStack() as threads:
        for _ in range(3):
            threads.enter_context(snapshot_connection(where, None, {}))
    let_go()
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
    with psycopg.connect(database.owner, autocommit=True) as connection:
        for _ in range(50):  # a backend takes its time to end
            if connection.execute(ours, [APPLICATION]).fetchone() == (0,):
                break
            connection.execute("SELECT pg_sleep(0.1)")
        assert connection.execute(ours, [APPLICATION]).fetchone() == (0,)


def test_a_lost_connection_is_not_the_patterns_fault(database, make_config):
    small_historian(database, [], {1: "a"})
    with open_historian(make_config(dbname=database.name)) as historian:
        with pytest.raises(ConfigError, match="not a PostgreSQL regular expression"):
            historian.tags(["("])
        historian.connection.close()
        with pytest.raises(SourceError, match="trying the patterns"):
            historian.tags(["a"])


@pytest.mark.parametrize("kind", ["tags", "readings"])
def test_views_stand_for_tables(kind, database, make_config):
    small_historian(database, [], {1: "a"})
    table = {"tags": "sqlth_te", "readings": "sqlt_data_1_2026_10"}[kind]
    database.execute(f"ALTER TABLE {table} RENAME TO hidden; CREATE VIEW {table} AS SELECT * FROM hidden")
    with open_historian(make_config(dbname=database.name)) as historian:
        assert [tag.path for tag in historian.tags()] == ["a"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("ALTER TABLE sqlth_te DROP COLUMN datatype", 'sqlth_te has no column datatype .*"layout"'),
        ("ALTER TABLE sqlth_te ALTER id TYPE text", "sqlth_te column id is of type text"),
        ("CREATE TABLE sqlth_partitions (pname text)", "sqlth_partitions has no column start_time"),
        ("REVOKE SELECT ON sqlth_te FROM reader", "permission denied for table sqlth_te: grant reader what it needs"),
    ],
)
def test_tables_of_the_wrong_shape_are_refused_by_name(change, says, database, make_config):
    small_historian(database, [], {1: "a"})
    database.execute(change)
    with pytest.raises(SourceError, match=says):
        plan(make_config(dbname=database.name), DAY)


@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_of_two_failures_the_first_is_told(engine, database, make_config, spark):
    small_historian(database, [Row(1, DAY.start_ms, 1.0)], {1: "a"})
    database.execute("REVOKE SELECT ON sqlt_data_1_2026_10 FROM reader")
    database.execute("GRANT SELECT (tagid, t_stamp, floatvalue) ON sqlt_data_1_2026_10 TO reader")
    with pytest.raises(SourceError, match="permission denied for table sqlt_data_1_2026_10"):
        ingest(make_config(dbname=database.name, engine=engine), DAY, spark=spark)


def test_a_pattern_is_a_text_or_several_and_its_bytes_are_text(database, make_config):
    small_historian(database, [], {1: "flow", 2: "low"})
    config = make_config(dbname=database.name)
    assert [tag.path for tag in plan(config, DAY, "^low").tags] == ["low"]
    with pytest.raises(ConfigError, match="is no text: write it in UTF-8"):
        plan(config, DAY, "a\udcff")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"port": "abc"}, "\"port\" 'abc' is no number"),
        ({"username": {"a": 1}}, '"username" is no text'),
        ({"password": "\ud800"}, '"password" is no text'),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_without_its_password(value, says, make_config):
    with pytest.raises(ConfigError, match=says):
        with_secret(login(make_config()), {"username": "a", "password": "b"} | value)
    assert with_secret(login(make_config()), {"username": "a", "host": None, "port": None}).port
