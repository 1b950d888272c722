"""A standby is read as its primary is, says when it has not replayed the window, and names what a conflict takes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from sensorstream.checks.check_source import check_source
from sensorstream.config.settings import Config
from sensorstream.errors import SourceError
from sensorstream.historian import open_historian, standby
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.planning import row_counts
from sensorstream.sandbox import postgres
from sensorstream.sandbox.processes import HOST, Process, as_user, free_port, spawn, wait_until
from sensorstream.sandbox.state import State
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.networks import Network
from tests.oracle import Row

DAY = window_of("UTC", day="2026-10-14")
LAGS = "is a standby that has replayed"
FAR = window_of("UTC", start="2026-10-14", end="2126-10-14")


@dataclass
class Pair:
    """A primary and a standby of it, on this machine alone, with no passwords."""

    programs: Path
    user: tuple[int, int] | None
    folder: Path
    servers: dict[str, tuple[Process, int]]

    def start(self, name: str, **settings: object) -> None:
        port = self.servers[name][1] if name in self.servers else free_port()
        given = {
            "listen_addresses": HOST,
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "dynamic_shared_memory_type": "mmap",
            "shared_buffers": "16MB",
            "wal_level": "replica",
            **settings,
        }
        words = [word for key, value in given.items() for word in ("-c", f"{key}={value}")]
        command = [str(self.programs / "postgres"), "-D", str(self.folder / name), *words]
        log = self.folder.parent / f"{self.folder.name}.{name}.log"
        process = spawn(command, log=log, folder=self.folder, environ=postgres.ENVIRON, user=self.user)
        self.servers[name] = process, port
        assert wait_until(lambda: not process.alive() or self.answers(name), 30) and process.alive(), log.read_text()

    def answers(self, name: str) -> bool:
        try:
            psycopg.connect(self.dsn(name)).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, name: str) -> None:
        self.servers[name][0].stop(signal.SIGINT)

    def run(self, program: str, *words: str) -> None:
        subprocess.run(
            [str(self.programs / program), *words], check=True, capture_output=True, env=postgres.ENVIRON,
            cwd=self.folder, **as_user(self.user),
        )  # fmt: skip

    def dsn(self, name: str) -> str:
        return f"host={HOST} port={self.servers[name][1]} user=owner dbname=postgres"

    def execute(self, name: str, query: str) -> list[tuple]:
        with psycopg.connect(self.dsn(name), autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def caught_up(self) -> bool:
        ((sent,),) = self.execute("primary", "SELECT pg_current_wal_lsn()")
        ((level,),) = self.execute("standby", f"SELECT pg_last_wal_replay_lsn() >= '{sent}'")
        return level

    def config(self, make_config, name: str, **keys) -> Config:
        config = make_config(dbname="postgres", **keys)
        there = {"port": self.servers[name][1], "user": "owner", "password": None}
        return config.model_copy(update={"db": config.db.model_copy(update=there)})


@pytest.fixture(scope="module")
def pair(sandbox) -> Iterator[Pair]:
    user = postgres._system_user()
    programs, _ = postgres._folders(sandbox.root, State.load(sandbox.root), user)
    if not (programs / "pg_basebackup").is_file():
        pytest.skip("no pg_basebackup beside the sandbox's PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="sensorstream-standby-"))
    if user:
        postgres.os.chown(folder, *user)
    pair = Pair(programs, user, folder, {})
    try:
        pair.run(
            "initdb",
            "-D",
            str(folder / "primary"),
            "-U",
            "owner",
            "-A",
            "trust",
            "--no-sync",
            "--locale=C",
            "-E",
            "UTF8",
        )
        pair.start("primary")
        port = pair.servers["primary"][1]
        pair.run(
            "pg_basebackup", "-h", HOST, "-p", str(port), "-U", "owner", "-D", str(folder / "standby"), "-R",
            "-c", "fast", "--no-sync",
        )  # fmt: skip
        pair.start("standby", max_standby_streaming_delay="2s")
        small_historian(SimpleNamespace(owner=pair.dsn("primary")), [Row(1, DAY.start_ms, 1.0)], {1: "a"})
        assert wait_until(pair.caught_up, 20)
        yield pair
    finally:
        for name in pair.servers:
            pair.stop(name)
        shutil.rmtree(folder)


@contextmanager
def at_one_port(*ports: int) -> Iterator[tuple[str, int]]:
    """Addresses of this machine, with a comma between, where servers are found at one and the same port."""
    hosts = [f"127.0.0.{n}" for n in range(2, 2 + len(ports))]
    with ExitStack() as networks:
        near = [networks.enter_context(Network(host)) for host in hosts]
        port = free_port()
        for network, behind in zip(near, ports, strict=True):
            network.line(behind, at=port)
        yield ",".join(hosts), port


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_of_several_hosts_a_standby_is_read_and_the_primary_where_none_answers(engine, pair, make_config):
    with at_one_port(*(pair.servers[name][1] for name in ("primary", "standby"))) as (hosts, port):
        config = pair.config(make_config, "primary", engine=engine)
        either = config.model_copy(update={"db": config.db.model_copy(update={"host": hosts, "port": port})})

        def at_standby() -> bool:
            with open_historian(either) as historian:
                return historian.connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)

        assert at_standby() and ingest(either, DAY).rows_written == 1
        pair.stop("standby")
        try:
            assert not at_standby() and ingest(either, DAY).rows_written == 1
        finally:
            pair.start("standby", max_standby_streaming_delay="2s")


ENGINES = ["packed", pytest.param("jdbc", marks=pytest.mark.slow)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_standby_that_keeps_up_is_read_like_its_primary(engine, pair, make_config):
    record = ingest(pair.config(make_config, "standby", engine=engine), DAY)
    assert record.rows_written == 1
    assert plan(pair.config(make_config, "standby"), FAR).tables  # its primary is idle


def test_what_a_standby_has_not_replayed_is_not_taken_for_all_there_is(pair, make_config, monkeypatch):
    monkeypatch.setattr(standby, "KEEPING_UP", timedelta(0))  # what it has not replayed is seconds old
    config = pair.config(make_config, "standby")
    pair.execute("standby", "SELECT pg_wal_replay_pause()")
    try:
        pair.execute("primary", f"INSERT INTO sqlt_data_1_2026_10 VALUES (1, NULL, 2, NULL, NULL, 192, {DAY.end_ms})")
        assert wait_until(lambda: not pair.caught_up(), 10)
        for command in (plan, ingest, check_source):
            with pytest.raises(
                SourceError, match="is a standby that has replayed only what was committed until 20"
            ) as said:
                command(config, FAR)
            assert str(said.value).endswith("choose a window that ended before, or read from the primary")
        past = window_of("UTC", day="2020-10-14")
        with pytest.raises(SourceError, match="no partition table covers"):
            ingest(config, past)
    finally:
        pair.execute("standby", "SELECT pg_wal_replay_resume()")
    assert wait_until(pair.caught_up, 20)
    assert plan(config, FAR).tables


def test_a_standby_that_applies_later_and_one_that_is_cut_off_are_found_out(pair, make_config, monkeypatch):
    monkeypatch.setattr(standby, "KEEPING_UP", timedelta(0))
    config = pair.config(make_config, "standby")
    pair.stop("standby")
    pair.start("standby", recovery_min_apply_delay="1h")
    pair.execute("primary", "CREATE TABLE later ()")
    try:
        with pytest.raises(SourceError, match=LAGS):
            plan(config, FAR)
        pair.stop("standby")
        pair.start("standby", primary_conninfo="host=127.0.0.1 port=1")
        with pytest.raises(SourceError, match=LAGS):
            plan(config, FAR)
    finally:
        pair.stop("standby")
        pair.start("standby", max_standby_streaming_delay="2s")
    pair.execute("primary", "DROP TABLE later")
    assert wait_until(pair.caught_up, 20)
    assert plan(config, FAR).tables


@pytest.mark.parametrize("engine", ENGINES)
def test_a_recovery_conflict_names_what_to_set(engine, pair, make_config, monkeypatch):
    pair.execute(
        "primary", "INSERT INTO sqlt_data_1_2026_10 (tagid, t_stamp) SELECT 2, n FROM generate_series(1, 1000) n"
    )
    assert wait_until(pair.caught_up, 20)
    real = row_counts.pinned

    def vacuumed_after(*arguments, **words):
        found = real(*arguments, **words)
        pair.execute("primary", "DELETE FROM sqlt_data_1_2026_10 WHERE tagid = 2")
        pair.execute("primary", "VACUUM (FREEZE, TRUNCATE off) sqlt_data_1_2026_10")
        time.sleep(5)
        return found

    monkeypatch.setattr(row_counts, "pinned", vacuumed_after)
    says = (
        r'conflict with recovery\)?: run again, or set "hot_standby_feedback" on this standby, or read from the primary'
    )
    with pytest.raises(SourceError, match=says):
        ingest(pair.config(make_config, "standby", engine=engine), DAY)
