"""A run that is in nobody's way: it holds one snapshot, looks whether anybody waits for it, and then gives way.

A session that asks for a table alone (DROP, ALTER, TRUNCATE, VACUUM FULL, REINDEX) waits until every reader has done,
and everybody else, the historian's INSERTs too, waits behind it. So would a run's own next query: for a session that
waits for the run, which PostgreSQL cannot see since the run has several connections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Lock, Thread
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.postgres import types

from ..credentials import Login
from ..errors import SourceError
from . import readings_sql
from .connect import APPLICATION, connect, in_words, reader_of, source_errors
from .model import KEYS, PartitionTable

LOOK_SECONDS = 1.0  # who waits when looked at twice is given way to

# Who waits for a session of ours, and for which; statistics of sessions are kept within a transaction until cleared.
WAITING = """
SELECT waits.pid, coalesce(waits.relation::regclass::text, waits.locktype), waits.mode, ours.pid
FROM pg_locks waits, unnest(pg_blocking_pids(waits.pid)) blocking(pid), pg_stat_activity ours
WHERE NOT waits.granted AND ours.pid = blocking.pid AND ours.usename = current_user AND ours.application_name IN ({})
"""

END_OURS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = current_user AND application_name IN ({}) AND pid <> pg_backend_pid()
"""


class Watch:
    """A connection of its own, which holds the snapshot of a run and sees who waits for it.

    ``name`` is what the run's other connections are called by; those that read in the snapshot have its name.
    """

    def __init__(self, login: Login) -> None:
        self.login = login
        self.name = f"{APPLICATION} {uuid4().hex[:8]}"
        self.gave_way: str | None = None  # why the run ends
        self._names = {self.name}
        self._connection = connect(login, self.name)
        self._using = Lock()
        self._ended = Event()
        self._thread = Thread(target=self._look_on, name="sensorstream-watch", daemon=True)
        self._thread.start()

    def hold(self, schema: str, tables: Sequence[PartitionTable]) -> str:
        """Hold ``tables`` as they were planned, and a snapshot; the name by which other connections see it.

        The snapshot is taken when all tables are held: one that is emptied or written anew (TRUNCATE, VACUUM FULL,
        ALTER) between the two would look empty in it, or move rows between pages that are read one after the other.

        Raises ``SourceError`` where a table is no longer what was planned.
        """
        with self._using, source_errors(self.login, "exporting a snapshot"):
            try:
                self._connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
                for table in tables:
                    with source_errors(self.login, f"looking at {table.name} once more"):
                        found = self._connection.execute(readings_sql.shape(schema, table)).description or ()
                    _refuse_other_shape(table, [_kind(column.type_code) for column in found])
                row = self._connection.execute("SELECT pg_export_snapshot()").fetchone()
            except BaseException:
                self._connection.rollback()
                raise
        snapshot = str(row[0]) if row else ""
        self._names.add(reader_of(snapshot))
        return snapshot

    def release(self) -> None:
        """Let go of the snapshot and its tables."""
        with self._using, source_errors(self.login, "ending a snapshot"):
            self._connection.rollback()

    def close(self) -> None:
        self._ended.set()
        self._connection.close()

    def _look_on(self) -> None:
        seen: set[int] = set()
        while not self._ended.wait(LOOK_SECONDS):
            try:
                with self._using:
                    seen = self._look(seen)
            except psycopg.Error as error:
                if not self._ended.is_set() and self.gave_way is None:
                    self.gave_way = f"the connection that holds the snapshot was lost: {in_words(error, self.login)}"
                return
            if self.gave_way:
                return

    def _look(self, seen: set[int]) -> set[int]:
        """Who waits now; whoever did so before too is given way to."""
        self._connection.execute("SELECT pg_stat_clear_snapshot()")
        names = sql.SQL(", ").join(map(sql.Literal, sorted(self._names)))
        found = self._connection.execute(sql.SQL(WAITING).format(names)).fetchall()
        if late := [(pid, what, mode) for pid, what, mode, _ in found if pid in seen]:
            pid, what, mode = late[0]
            self.gave_way = f"session {pid} waited for {what} ({mode}), which this run reads, so the run gave way"
            self._connection.execute(sql.SQL(END_OURS).format(names))
            self._connection.rollback()
        return {pid for pid, *_ in found}


def _refuse_other_shape(table: PartitionTable, kinds: Sequence[str]) -> None:
    for name, now in zip((*KEYS, *table.columns), kinds, strict=True):
        if (was := table.kind(name)) != now:
            raise SourceError(f"table {table.name} column {name} was {was} when planned and is {now} now: run again")


def _kind(oid: int) -> str:
    known = types.get(oid)
    return known.regtype if known else f"type {oid}"


@contextmanager
def watched(login: Login) -> Iterator[Watch]:
    """A ``Watch`` for as long as the block runs; where it gave way that is the failure, whatever failed for it."""
    watch = Watch(login)
    try:
        yield watch
    except Exception as error:
        if watch.gave_way:
            raise SourceError(f"historian {login.place}: {watch.gave_way}: run again when that is done") from error
        raise
    finally:
        watch.close()
