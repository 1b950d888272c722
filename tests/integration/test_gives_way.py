"""Nobody waits for a run: whoever wants a table alone has it within seconds, and so have those that write into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg
import pytest

from sensorstream import frames, pipeline, planning
from sensorstream.checks import source as source_check
from sensorstream.config import Config
from sensorstream.errors import SourceError
from sensorstream.exploration import source as explored
from sensorstream.historian import open_historian, watch
from sensorstream.late import rereading
from sensorstream.lake import publishing
from sensorstream.pipeline import ingest, plan
from sensorstream.verification import verifying
from sensorstream.windows import window_of
from tests.oracle import objects, readings_of

WINDOW = window_of("UTC", start="2026-09-30", end="2026-10-02")
OCTOBER = WINDOW.start_ms + 86_400_000
ROWS = 300  # a table
MOST_SECONDS = 5.0  # that anybody waits for a run
TABLE = "readings_of_september"

REQUESTS = {
    "drop": f"DROP TABLE {TABLE} CASCADE",
    "add column": f"ALTER TABLE {TABLE} ADD COLUMN more text",
    "rename column": f"ALTER TABLE {TABLE} RENAME COLUMN note TO remark",
    "truncate": f"TRUNCATE {TABLE}",
    "vacuum full": f"VACUUM FULL {TABLE}",
    "reindex": f"REINDEX TABLE {TABLE}",
    "lock": f"DO $$ BEGIN LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE; END $$",
    "index concurrently": f"CREATE INDEX CONCURRENTLY ON {TABLE} (t_stamp)",
}


class Slow:
    """An Ignition historian whose month tables are views that take ``pace`` seconds for each row, once it is set."""

    def __init__(self, database) -> None:
        self.database, self.reader = database, database.reader
        database.execute(
            "CREATE TABLE pace (seconds float8); INSERT INTO pace VALUES (0);"
            "CREATE FUNCTION slowly() RETURNS bool LANGUAGE plpgsql VOLATILE COST 1000000 AS"
            " $$ BEGIN PERFORM pg_sleep(seconds) FROM pace; RETURN true; END $$;"
            "CREATE TABLE sqlth_te (id int, tagpath varchar(255), scid int, datatype int, querymode int,"
            " created bigint, retired bigint); INSERT INTO sqlth_te VALUES (1, 'a', 1, 1, 0, 0, NULL)"
        )
        for name, month, start in ((TABLE, "2026_09", WINDOW.start_ms), ("readings_of_october", "2026_10", OCTOBER)):
            database.execute(
                f"CREATE TABLE {name} (tagid int, intvalue bigint, floatvalue float8, stringvalue varchar(255),"
                " datevalue timestamp, dataintegrity int, t_stamp bigint, note text, PRIMARY KEY (tagid, t_stamp));"
                f"INSERT INTO {name} SELECT 1, NULL, n, NULL, NULL, 192, {start} + 1000 * n"
                f" FROM generate_series(1, {ROWS}) n;"
                f"CREATE VIEW sqlt_data_1_{month} AS SELECT * FROM {name} WHERE slowly()"
            )

    def slow_down(self, seconds: float = 0.2) -> None:
        self.database.execute(f"UPDATE pace SET seconds = {seconds}")

    def asleep(self) -> bool:
        """Whether a session of the reader's is reading slowly."""
        with psycopg.connect(self.reader) as connection:
            query = "SELECT FROM pg_stat_activity WHERE usename = current_user AND wait_event = 'PgSleep'"
            return connection.execute(query).fetchone() is not None

    def request(self, statement: str) -> float:
        """Seconds that a statement of the owner's takes."""
        begin = time.monotonic()
        self.database.execute(statement)
        return time.monotonic() - begin

    @contextmanager
    def written(self) -> Iterator[list[float]]:
        """While somebody puts in a reading every few ms; the seconds that each took."""
        took: list[float] = []
        done = Event()

        def write() -> None:
            number = 0
            while not done.wait(0.05):
                number += 1
                statement = f"INSERT INTO {TABLE} (tagid, t_stamp) VALUES (1, {WINDOW.start_ms - number})"
                try:
                    took.append(self.request(statement))
                except psycopg.errors.UndefinedTable:
                    return

        writer = Thread(target=write)
        writer.start()
        try:
            yield took
        finally:
            done.set()
            writer.join()


@pytest.fixture
def slow(database) -> Slow:
    return Slow(database)


def before(monkeypatch, slow: Slow, module, name: str) -> None:
    """Let readings come slowly from when ``module.name`` is first called."""
    real = getattr(module, name)

    def called(*arguments, **words):
        slow.slow_down()
        return real(*arguments, **words)

    monkeypatch.setattr(module, name, called)


def planned(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, planning, "count_by_tag")
    plan(config, WINDOW)


def extracted(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, planning, "pinned")
    ingest(config, WINDOW, spark=spark)


def extracted_by_jdbc(slow, config, spark, monkeypatch) -> None:
    extracted(slow, config.model_copy(update={"engine": "jdbc"}), spark, monkeypatch)


def looked_over(slow, config, spark, monkeypatch) -> None:
    real = pipeline.look

    def look(back, *arguments):
        back.historian.connection.execute("SELECT pg_sleep(60)")
        return real(back, *arguments)

    monkeypatch.setattr(pipeline, "look", look)
    with monkeypatch.context():
        ingest(config, WINDOW, spark=spark)


def read_again(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, rereading, "late_plan")
    slow.database.execute(f"UPDATE {TABLE} SET floatvalue = -1 WHERE t_stamp < {WINDOW.start_ms + 10_000}")
    ingest(config, "2026-10-01", spark=spark)


def checked(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, source_check, "summarise")
    source_check.check_source(config, WINDOW)


def verified(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, planning, "pinned")
    verifying.verify(config, WINDOW, spark=spark)


def explored_now(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, explored, "quality_rule")
    explored.read(config, ["a"], WINDOW)


PHASES: dict[str, Callable] = {
    "plan": planned,
    "extract": extracted,
    "extract by jdbc": extracted_by_jdbc,
    "late look-over": looked_over,
    "read again": read_again,
    "check": checked,
    "verify": verified,
    "explore": explored_now,
}
USUAL = set(zip(PHASES, REQUESTS, strict=True))
GRID = [
    pytest.param(phase, request, id=f"{phase}, {request}", marks=[] if (phase, request) in USUAL else pytest.mark.slow)
    for phase in PHASES
    for request in REQUESTS
]


@pytest.mark.parametrize(("phase", "request_"), GRID)
def test_nobody_waits_for_a_run(phase, request_, slow, make_config, spark, monkeypatch):
    config = make_config(dbname=slow.database.name)
    if phase in ("read again", "verify"):
        ingest(config, WINDOW, spark=spark)
    lake = objects(config)
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            with monkeypatch.context() as hooks:
                PHASES[phase](slow, config, spark, hooks)
            ended.append(None)
        except Exception as error:
            ended.append(error)

    with slow.written() as writes:
        runner = Thread(target=run)
        runner.start()
        while runner.is_alive() and not slow.asleep():
            time.sleep(0.05)
        assert runner.is_alive(), f"over before it was asked: {ended}"
        waited = slow.request(REQUESTS[request_])
        runner.join(MOST_SECONDS)
    assert not runner.is_alive()
    assert max(waited, *writes) < MOST_SECONDS
    (error,) = ended
    what = "the end of a snapshot" if request_ == "index concurrently" else TABLE
    assert isinstance(error, SourceError), error
    assert f"waited for {what}" in str(error)
    assert str(error).endswith("behind this run, which gave way: run again when that is done")
    slow.slow_down(0)
    if phase == "read again":  # its own window was published before
        lake = objects(config)
    assert objects(config) == lake
    assert plan(config, WINDOW).tables
    ingest(config, WINDOW, spark=spark)
    assert len(readings_of(config)) >= ROWS
