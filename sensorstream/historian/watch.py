"""A run that is in nobody's way: it holds one snapshot, looks whether anybody waits for it, and then gives way.

A session that asks for a table alone (DROP, ALTER, TRUNCATE, VACUUM FULL, REINDEX) waits until every reader has done,
and everybody else, the historian's INSERTs too, waits behind it. So would a run's own next query: for a session that
waits for the run, which PostgreSQL cannot see since the run has several connections.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from threading import Event, Lock, Thread
from typing import LiteralString
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.postgres import types

from ..config.credentials import Login
from ..errors import SourceError
from . import readings_sql
from .connection import APPLICATION, CONNECT_SECONDS, connect, in_words, reader_of, source_errors
from .model import KEYS, PartitionTable

LOOK_SECONDS = 0.5  # who waits when looked at twice is given way to
AGAIN_SECONDS = 0.2  # the same once a run gives way: Spark may have sent another of its readers by then

# Who waits for a session of ours; statistics of sessions are kept within a transaction until cleared.
WAITING = """
SELECT waits.pid, coalesce(coalesce(indrelid, waits.relation)::regclass::text, 'the end of a snapshot'), waits.mode
FROM pg_locks waits LEFT JOIN pg_index ON indexrelid = waits.relation,
    unnest(pg_blocking_pids(waits.pid)) blocking(pid), pg_stat_activity ours
WHERE NOT waits.granted AND ours.pid = blocking.pid AND ours.usename = session_user AND ours.application_name IN ({})
    AND coalesce(waits.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())), true)
"""

END_OURS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = session_user AND application_name IN ({}) AND pid <> pg_backend_pid()
"""


class Watch:
    """A connection of its own, which holds the snapshot of a run and sees who waits for it.

    ``name`` is what the run's other connections are called by; those that read in the snapshot, and ``readers``, have
    names of their own.
    """

    def __init__(self, login: Login, readers: Iterable[str] = ()) -> None:
        self.login = login
        self.name = f"{APPLICATION} {uuid4().hex[:8]}"
        self.gave_way: str | None = None  # why the run ends, and what to do
        self._names = {self.name, *readers}
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
                    _refuse_other_shape(table, [kind_of(column.type_code) for column in found])
                ((snapshot,),) = self._connection.execute("SELECT pg_export_snapshot()")
            except BaseException:
                with suppress(psycopg.Error):
                    self._connection.rollback()
                raise
            self._names.add(reader_of(snapshot))
        return str(snapshot)

    def release(self) -> None:
        """Let go of the snapshot and its tables, and watch no longer: what fails from now on is nobody's way given.

        Raises ``SourceError`` if they were not held until now.
        """
        with self._using, source_errors(self.login, "ending a snapshot"):
            self._connection.rollback()
        self.close()
        self.gave_way = None

    def close(self) -> None:
        self._ended.set()
        self._thread.join(CONNECT_SECONDS)  # what it asks for takes milliseconds, unless the server is gone
        self._connection.close()

    def _look_on(self) -> None:
        seen: Collection[int] = ()
        while not self._ended.wait(AGAIN_SECONDS if self.gave_way else LOOK_SECONDS):
            seen = self.look(seen)

    def look(self, seen: Collection[int] = ()) -> set[int]:
        """Give way to those among ``seen`` who wait still, and say who waits now; where this connection is gone, so are
        those that it watched."""
        with self._using:
            if self._ended.is_set() or self._connection.closed:
                return set()
            try:
                return self._look(seen)
            except psycopg.Error as error:
                why = in_words(error, self.login)
                self.gave_way = self.gave_way or f"the connection that holds the snapshot is gone: {why}"
                self._connection.close()
        with suppress(SourceError, psycopg.Error), closing(connect(self.login)) as other:
            other.execute(self._naming(END_OURS))
        return set()

    def _naming(self, query: LiteralString) -> sql.Composed:
        return sql.SQL(query).format(sql.SQL(", ").join(map(sql.Literal, sorted(self._names))))

    def _look(self, seen: Collection[int]) -> set[int]:
        """Who waits now; whoever did so before too is given way to, and again if a reader has come in between."""
        self._connection.execute("SELECT pg_stat_clear_snapshot()")
        found = self._connection.execute(self._naming(WAITING)).fetchall()
        if late := [(pid, what, mode) for pid, what, mode in found if pid in seen]:
            pid, what, mode = late[0]
            self.gave_way = self.gave_way or (
                f"session {pid} waited for {what} ({mode}) behind this run, which gave way: run again when that is done"
            )
            self._connection.execute(self._naming(END_OURS))
            self._connection.rollback()
        return {pid for pid, *_ in found}


def _refuse_other_shape(table: PartitionTable, kinds: Sequence[str]) -> None:
    for name, now in zip((*KEYS, *table.columns), kinds, strict=True):
        if (was := table.kind(name)) != now:
            raise SourceError(f"table {table.name} column {name} was {was} when planned and is {now} now: run again")


def kind_of(oid: int) -> str:
    """A type as PostgreSQL calls it, without its modifiers."""
    known = types.get(oid)
    return known.regtype if known else f"type {oid}"


@contextmanager
def watched(login: Login, readers: Iterable[str] = ()) -> Iterator[Watch]:
    """A ``Watch`` for as long as the block runs; where it gave way that is the failure, whatever failed for it."""
    watch = Watch(login, readers)
    try:
        yield watch
    except Exception as error:
        watch.look()  # it may be the first to know that all connections were ended
        if watch.gave_way:
            raise SourceError(f"historian {login.place}: {watch.gave_way}") from error
        raise
    finally:
        watch.close()
