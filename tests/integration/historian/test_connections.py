"""What is asked of the historian's connections: never more than configured, and failures that name their cause."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import conninfo, sql
from pydantic import SecretStr

from sensorstream.checks.check_source import check_source
from sensorstream.config.credentials import login, with_secret
from sensorstream.errors import ConfigError, SourceError
from sensorstream.exploration import from_historian as explored
from sensorstream.historian import open_historian
from sensorstream.historian.connection import APPLICATION, let_go, snapshot_connection
from sensorstream.late import read_again
from sensorstream.pipeline import ingest as pipeline
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.planning import row_counts
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox import processes
from sensorstream.sandbox.state import State
from sensorstream.spark.jdbc_driver import VARIABLE, require_driver
from sensorstream.verification import verify
from sensorstream.windows import window_of
from tests import slowly
from tests.configs import file_of
from tests.historians import small_historian
from tests.oracle import Row, objects, readings_of, without_marks
from tests.slowly import Slow, before

DAY = window_of("UTC", day="2026-10-14")


def slower(*values: object):
    """A case that `make test` does without."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture
def slow(database) -> Slow:
    return Slow(database)


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
        with psycopg.connect(database.reader, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [historian.connection.info.backend_pid])
        with pytest.raises(SourceError) as said:
            historian.tags(["a"])
    # What the server said last, or that its socket is closed: as the system has it.
    assert re.search(rf"/{database.name}: the connection was lost \(.*connection.*\): run again$", str(said.value))


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_when_all_connections_are_ended_one_sentence_says_what_was_lost(engine, database, make_config, monkeypatch):
    small_historian(database, [Row(1, DAY.start_ms, 1.0)], {1: "a"})
    real = row_counts.pinned

    def ended_after(*arguments, **words):
        found = real(*arguments, **words)
        with psycopg.connect(database.reader, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = current_user AND pid <> pg_backend_pid() AND datname = current_database()"
            )
        return found

    monkeypatch.setattr(row_counts, "pinned", ended_after)
    with pytest.raises(SourceError) as said:
        ingest(make_config(dbname=database.name, engine=engine), DAY)
    assert str(said.value).endswith(
        "the connection that holds the snapshot is gone: the connection was lost"
        " (terminating connection due to administrator command): run again"
    )


@pytest.mark.parametrize(
    ("name", "after"), [("transaction_timeout", "700ms"), ("idle_in_transaction_session_timeout", "250ms")]
)  # a run says something every half second
def test_a_time_out_of_the_role_that_ends_a_run_is_named(name, after, slow, make_config, monkeypatch):
    slow.database.execute(f"ALTER DATABASE {slow.database.name} SET {name} = '{after}'")
    before(monkeypatch, slow, row_counts, "pinned")
    with pytest.raises(SourceError, match=rf"the connection was lost \(.*timeout\): raise {name} of the role"):
        ingest(make_config(dbname=slow.database.name), slowly.WINDOW)


def test_no_connection_of_a_run_is_idle_in_a_transaction_for_long(slow, make_config, monkeypatch):
    slow.database.execute(f"ALTER DATABASE {slow.database.name} SET idle_in_transaction_session_timeout = '2500ms'")
    before(monkeypatch, slow, row_counts, "pinned", seconds=0.02)
    config = make_config(dbname=slow.database.name)
    record = ingest(config, slowly.WINDOW)
    assert record.seconds["extract"] > 5 and record.rows_written


@pytest.mark.parametrize(
    ("engine", "end"), [("packed", signal.SIGKILL), slower("packed", signal.SIGTERM), slower("jdbc", signal.SIGKILL)]
)
def test_nothing_of_a_run_that_is_killed_goes_on_at_the_historian(engine, end, slow, make_config, tmp_path):
    config = file_of(make_config(dbname=slow.database.name, engine=engine), tmp_path)
    words = ["ingest", "--config", str(config), "--start", "2026-09-30", "--end", "2026-10-02"]
    slow.slow_down(600, query=r"string_agg|\) readings")
    ours = "SELECT pid, query FROM pg_stat_activity WHERE usename = 'reader' AND datname = current_database()"
    with subprocess.Popen([sys.executable, "-m", "sensorstream", *words], stderr=subprocess.DEVNULL) as run:
        try:
            assert processes.wait_until(slow.asleep, 120)
        finally:
            run.send_signal(end)
    assert processes.wait_until(lambda: not slow.database.execute(ours), 10), slow.database.execute(ours)


# What a connection is told by its role or database, and has when it reads.
SEEN = {
    "nothing": ({}, "1h 2s 4h"),
    "shorter": (
        {"statement_timeout": "5min", "lock_timeout": "300ms", "idle_in_transaction_session_timeout": "10min"},
        "5min 300ms 10min",
    ),
    "longer and odd": (
        {"statement_timeout": "1d", "lock_timeout": "1h", "datestyle": "SQL, DMY", "timezone": "Asia/Kolkata"},
        "1h 2s 4h",
    ),
}


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
@pytest.mark.parametrize("told", [slower("nothing"), "shorter", slower("longer and odd")])
def test_both_engines_have_the_same_settings_and_widen_no_time_out(told, engine, database, make_config):
    small_historian(database, [], {1: "a"})
    asked = " || ' ' || ".join(
        f"current_setting('{name}')"
        for name in (
            *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone", "datestyle"),
            *("row_security", "default_transaction_read_only"),
        )
    )
    database.execute(
        "DROP TABLE sqlt_data_1_2026_10; CREATE VIEW sqlt_data_1_2026_10 AS SELECT 1 AS tagid,"
        f" NULL::bigint AS intvalue, NULL::float8 AS floatvalue, {asked} AS stringvalue, NULL::timestamp AS datevalue,"
        f" 192 AS dataintegrity, {DAY.start_ms}::bigint AS t_stamp"
    )
    settings, seen = SEEN[told]
    for name, value in settings.items():
        database.execute(f"ALTER DATABASE {database.name} SET {name} = '{value}'")
    config = make_config(dbname=database.name, engine=engine)
    ingest(config, DAY)
    assert [text for *_, text, _ in readings_of(config)] == [f"{seen} UTC ISO, YMD off on"]


@pytest.mark.parametrize("style", [slower("SQL, DMY"), "German"])
def test_dates_are_iso_whatever_the_database_says(style, database, make_config):
    small_historian(database, [], {1: "a"})
    dates = {
        "2026-10-14 12:00": "2026-10-14T12:00:00.000000",
        "0044-03-15 01:02:03.5 BC": "0044-03-15 01:02:03.5 BC",
        "infinity": "infinity",
        "-infinity": "-infinity",
    }
    for n, date in enumerate(dates):
        database.execute(
            "INSERT INTO sqlt_data_1_2026_10 VALUES (1, NULL, NULL, NULL, %s, 192, %s)", date, DAY.start_ms + n
        )
    database.execute(f"ALTER DATABASE {database.name} SET datestyle = '{style}'")
    configs = [make_config(dbname=database.name, engine=engine) for engine in ("packed", "jdbc")]
    for config in configs:
        ingest(config, DAY)
    assert [text for *_, text, _ in readings_of(configs[0])] == list(dates.values())
    assert without_marks(objects(configs[0])) == without_marks(objects(configs[1]))


@pytest.mark.parametrize("table", ["sqlth_te", "sqlt_data_1_2026_10"])
def test_a_run_does_not_wait_for_a_table_that_is_locked(table, database, make_config):
    small_historian(database, [Row(1, DAY.start_ms, 1.0)], {1: "a"})
    config = make_config(dbname=database.name)
    with psycopg.connect(database.owner) as owner:
        owner.execute(f"LOCK TABLE {table}")
        for command in (
            lambda: plan(config, DAY),
            lambda: ingest(config, DAY),
            lambda: check_source(config, DAY),
            lambda: explored.read(config, ["a"], DAY),
        ):
            begin = time.monotonic()
            with pytest.raises(
                SourceError, match=rf"{table}.*: .*lock timeout: another session is changing it"
            ) as said:
                command()
            assert time.monotonic() - begin < 5
            assert "run again when that is done" in str(said.value)
    assert ingest(config, DAY).rows_written == 1


@pytest.mark.parametrize("engine", ["packed", slower("jdbc")])
def test_no_snapshot_is_held_while_the_lake_is_written(engine, database, make_config, monkeypatch):
    small_historian(database, [Row(1, DAY.start_ms + n, 1.0) for n in range(100)], {1: "a"})
    config = make_config(dbname=database.name, engine=engine)
    ingest(config, DAY)
    database.execute(f"INSERT INTO sqlt_data_1_2026_10 VALUES (1, NULL, 2, NULL, NULL, 192, {DAY.start_ms + 5000})")
    held = []

    def written(module, name):
        real = getattr(module, name)

        def write(*arguments, **words):
            with psycopg.connect(database.reader) as other:
                held.append(
                    other.execute(
                        "SELECT application_name, query FROM pg_stat_activity WHERE usename = current_user"
                        " AND datname = current_database() AND pid <> pg_backend_pid()"
                        " AND (state <> 'idle' OR backend_xmin IS NOT NULL OR xact_start IS NOT NULL)"
                    ).fetchall()
                )
            return real(*arguments, **words)

        monkeypatch.setattr(module, name, write)

    written(pipeline, "publish")
    written(read_again, "patch")
    written(verify, "compare_places")
    assert ingest(config, "2026-10-15").late["tag_days"] == 1
    verify.verify(config, DAY)
    assert held == [[], [], []]


@pytest.mark.parametrize(("engine", "most"), [("packed", 3), slower("packed", 4), slower("packed", 8), ("jdbc", 4)])
def test_a_run_never_holds_more_connections_than_it_may(engine, most, slow, make_config, monkeypatch):
    config = make_config(dbname=slow.database.name, engine=engine, jdbc_num_partitions=most, readings_per_slice=100)
    ingest(config, slowly.WINDOW)
    slow.database.execute(
        f"UPDATE {slowly.TABLE} SET floatvalue = -1 WHERE t_stamp < {slowly.WINDOW.start_ms + 50_000}"
    )
    before(monkeypatch, slow, row_counts, "pinned", seconds=0.002)
    counts, done = [], Event()

    def count() -> None:
        ours = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND datname = current_database()"
        with psycopg.connect(slow.database.owner, autocommit=True) as other:
            while not done.wait(0.01):
                counts.extend(*other.execute(ours))

    counting = Thread(target=count)
    counting.start()
    try:
        again = ingest(config, "2026-10-01")
    finally:
        done.set()
        counting.join()
    assert again.late["tag_days"] == 1
    assert 3 <= max(counts) <= most


@pytest.mark.parametrize("engine", ["packed", slower("jdbc")])
def test_a_run_reads_no_faster_than_it_is_told(engine, slow, make_config):
    config = make_config(dbname=slow.database.name, engine=engine, readings_per_second=slowly.ROWS // 2)
    record = ingest(config, slowly.WINDOW)
    assert record.rows_read == 2 * slowly.ROWS and record.seconds["extract"] >= 4


@pytest.mark.slow
def test_a_run_that_reads_slowly_gives_way_as_any_other(slow, make_config):
    config = make_config(dbname=slow.database.name, readings_per_second=20, readings_per_slice=50)
    held = f"SELECT virtualtransaction FROM pg_locks WHERE relation = '{slowly.TABLE}'::regclass AND granted"

    def in_snapshot() -> bool:
        first = set(slow.database.execute(held))
        time.sleep(0.3)
        return bool(first & set(slow.database.execute(held)))

    ended: list[BaseException] = []

    def run() -> None:
        with pytest.raises(SourceError, match="gave way") as said:
            ingest(config, slowly.WINDOW)
        ended.append(said.value)

    runner = Thread(target=run)
    runner.start()
    assert processes.wait_until(in_snapshot, 30)
    assert slow.request(f"DROP TABLE {slowly.TABLE} CASCADE") < 5
    runner.join(20)
    assert ended


def test_a_role_of_one_connection_is_told_what_a_run_needs(sandbox, database, make_config):
    small_historian(database, [], {1: "a"})
    config = make_config(dbname=database.name, jdbc_num_partitions=5)
    with sandbox_postgres._admin(State.load(sandbox.root)) as admin:
        admin.execute("CREATE ROLE single LOGIN PASSWORD 'x' CONNECTION LIMIT 1 IN ROLE reader")
        try:
            few = config.model_copy(
                update={"db": config.db.model_copy(update={"user": "single", "password": SecretStr("x")})}
            )
            says = r'too many connections for role "single"\): lower "jdbc_num_partitions", the 5 connections'
            with pytest.raises(SourceError, match=says):
                plan(few, DAY)
        finally:
            admin.execute("DROP ROLE single")


ODD_NAMES = ["a?b/c%2Fd+e#f&g", 'it\'s "a b" = c']


@pytest.mark.parametrize("name", [ODD_NAMES[0], slower(ODD_NAMES[1])])
def test_a_database_of_any_name_is_the_one_that_is_read(name, sandbox, make_config):
    state = State.load(sandbox.root)
    quoted = sql.Identifier(name)
    with sandbox_postgres._admin(state) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER owner").format(quoted))
    try:
        with sandbox_postgres._admin(state, name) as admin:
            admin.execute("ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON TABLES TO reader")
            admin.execute("GRANT USAGE, CREATE ON SCHEMA public TO owner; GRANT USAGE ON SCHEMA public TO reader")
        owner = conninfo.make_conninfo(sandbox.owner_dsn, dbname=name)
        small_historian(SimpleNamespace(owner=owner), [Row(1, DAY.start_ms, 7.0)], {1: "a"})
        for engine in ("packed", "jdbc"):
            config = make_config(dbname=name, engine=engine)
            assert ingest(config, DAY).rows_written == 1
            let_go()
    finally:
        with sandbox_postgres._admin(state) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(quoted))


@pytest.mark.parametrize("engine", [slower("packed"), "jdbc"])
def test_a_historian_at_an_ipv6_address_is_read(engine, sandbox, database, make_config):
    small_historian(database, [Row(1, DAY.start_ms, 7.0)], {1: "a"})
    with at_ipv6(sandbox.port) as port:
        config = make_config(dbname=database.name, engine=engine)
        there = config.model_copy(update={"db": config.db.model_copy(update={"host": "::1", "port": port})})
        assert ingest(there, DAY).rows_written == 1


@contextmanager
def at_ipv6(port: int) -> Iterator[int]:
    """A port of ``::1`` that stands for one of 127.0.0.1."""
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")

    def hand_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection(("127.0.0.1", port))
                for pair in ((client, server), (server, client)):
                    Thread(target=hand_on, args=pair, daemon=True).start()

    Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()


@pytest.mark.parametrize("place", ["PGPASSWORD", slower("PGPASSFILE"), slower(".pgpass")])
def test_a_password_that_libpq_finds_does_for_both_engines(
    place, sandbox, database, make_config, monkeypatch, tmp_path
):
    small_historian(database, [Row(1, DAY.start_ms, 7.0)], {1: "a"})
    file = tmp_path / ".pgpass"
    file.write_text(f"*:*:*:{sandbox.reader}:{sandbox.reader_password}")
    file.chmod(0o600)
    said = {"PGPASSWORD": sandbox.reader_password, "PGPASSFILE": str(file), ".pgpass": str(tmp_path)}
    monkeypatch.setenv(VARIABLE, str(require_driver(None)))  # which is found by the home folder too
    monkeypatch.setenv("HOME" if place == ".pgpass" else place, said[place])
    for engine in ("packed", "jdbc"):
        config = make_config(dbname=database.name, engine=engine)
        silent = config.model_copy(update={"db": config.db.model_copy(update={"password": None})})
        assert ingest(silent, DAY).rows_written == 1


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
        (
            "ALTER TABLE sqlth_te ALTER created TYPE timestamp USING now()",
            "sqlth_te column created is of type timestamp without time zone, not smallint or integer or bigint",
        ),
        (
            "CREATE TABLE sqlth_partitions (pname text, start_time timestamp, end_time bigint, blocksize int)",
            "sqlth_partitions column start_time is of type timestamp",
        ),
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
def test_of_two_failures_the_first_is_told(engine, database, make_config):
    small_historian(database, [Row(1, DAY.start_ms, 1.0)], {1: "a"})
    database.execute("REVOKE SELECT ON sqlt_data_1_2026_10 FROM reader")
    database.execute("GRANT SELECT (tagid, t_stamp, floatvalue) ON sqlt_data_1_2026_10 TO reader")
    with pytest.raises(SourceError, match="permission denied for table sqlt_data_1_2026_10"):
        ingest(make_config(dbname=database.name, engine=engine), DAY)


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
