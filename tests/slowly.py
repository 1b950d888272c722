"""A historian whose readings come as slowly as a test wants them to, from when it wants that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg

from sensorstream.windows import window_of

WINDOW = window_of("UTC", start="2026-09-30", end="2026-10-02")
OCTOBER = WINDOW.start_ms + 86_400_000
ROWS = 300  # a table
TABLE = "readings_of_september"


class Slow:
    """An Ignition historian whose month tables are views that take ``pace`` seconds for each row, once it is set."""

    def __init__(self, database) -> None:
        self.database, self.reader = database, database.reader
        database.execute(
            "CREATE TABLE pace (seconds float8, query text); INSERT INTO pace VALUES (0, '');"
            "CREATE FUNCTION slowly() RETURNS bool LANGUAGE plpgsql VOLATILE COST 1000000 AS"
            " $$ BEGIN PERFORM pg_sleep(seconds) FROM pace WHERE current_query() ~ query; RETURN true; END $$;"
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

    def slow_down(self, seconds: float = 0.2, query: str = "") -> None:
        """``query`` is a regular expression of those that are slow."""
        self.database.execute("UPDATE pace SET seconds = %s, query = %s", seconds, query)

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


def before(monkeypatch, slow: Slow, module, name: str, seconds: float = 0.2) -> None:
    """Let readings come slowly from when ``module.name`` is first called."""
    real = getattr(module, name)

    def called(*arguments, **words):
        slow.slow_down(seconds)
        return real(*arguments, **words)

    monkeypatch.setattr(module, name, called)
