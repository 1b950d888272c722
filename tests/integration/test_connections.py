"""What is asked of the historian's connections: never more than configured, and failures that name their cause."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product

import psycopg
import pytest

from sensorstream.credentials import login
from sensorstream.errors import ConfigError, SourceError
from sensorstream.historian import open_historian
from sensorstream.historian.connect import APPLICATION, let_go, snapshot_connection
from sensorstream.planning import _kept
from tests.integration.test_ingest import small_historian


@pytest.mark.parametrize("kept", [0, 1])
def test_a_share_that_is_done_leaves_open_what_it_may(kept, database, make_config):
    where = login(make_config(dbname=database.name))
    with ExitStack() as threads:
        for _ in range(3):
            threads.enter_context(snapshot_connection(where, None, {}))
    let_go(where, kept)
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
    with psycopg.connect(database.owner, autocommit=True) as connection:
        for _ in range(50):  # a backend takes its time to end
            if connection.execute(ours, [APPLICATION]).fetchone() == (kept,):
                break
            connection.execute("SELECT pg_sleep(0.1)")
        assert connection.execute(ours, [APPLICATION]).fetchone() == (kept,)
    let_go(where, 0)


def test_what_workers_keep_and_what_others_open_is_never_more_than_configured():
    for workers, connections in product(range(1, 20), repeat=2):
        busy, kept = min(workers, connections), _kept(workers, connections)
        for shares in range(1, busy + 1):
            for each in (busy // shares, connections // busy):  # of a plan by time or tag, of a late one
                assert shares * each + (workers - shares) * kept <= connections, (workers, connections, shares, each)


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
