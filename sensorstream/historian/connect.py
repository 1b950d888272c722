"""Connections that can only read, and failures in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql

from ..credentials import Login, asked_again
from ..errors import SourceError
from .model import PartitionTable

APPLICATION = "sensorstream"
CONNECT_SECONDS = 10
REFUSED = "authentication failed"  # libpq gives no SQLSTATE for a login that fails
STATEMENT_SECONDS = 3600
KEEPALIVE_SECONDS, KEEPALIVES_LOST = 30, 3  # a machine that is gone is missed after two minutes
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

# A packed slice takes tens of MB, which the server's allocator (glibc's) gives back to the kernel after each, to take
# them again page by page: a fifth of all that packing costs. After a piece of this size it keeps up to twice as much,
# as long as the connection lives. The piece costs 18 ms: made of single letters it would be 150, and a constant, which
# the planner works out and copies, 35.
KEEP_MEMORY = f"SELECT octet_length(repeat(rpad(version(), 1024), {31 << 10}))"

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(login: Login) -> Connection:
    """A read-only connection with time-outs and UTC. ``SourceError`` says which of host, login or database failed.

    A login that is refused and came from a secret is asked for again: it may have been rotated since.
    """
    try:
        return _connect(login)
    except psycopg.OperationalError as error:
        if REFUSED in str(error) and (now := asked_again(login)) != login:
            return connect(now)
        raise SourceError(f"historian {login.place} {why_not(str(error))}") from None


def _connect(login: Login) -> Connection:
    options = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{4 * STATEMENT_SECONDS}s",
        "timezone": "UTC",
        "client_encoding": "UTF8",
        "extra_float_digits": "1",
    }
    return psycopg.connect(
        host=login.host,
        port=login.port,
        dbname=login.dbname,
        user=login.user,
        password=login.password,
        sslmode=login.sslmode,
        connect_timeout=CONNECT_SECONDS,
        keepalives_idle=KEEPALIVE_SECONDS,
        keepalives_interval=KEEPALIVE_SECONDS,
        keepalives_count=KEEPALIVES_LOST,
        tcp_user_timeout=KEEPALIVE_SECONDS * (KEEPALIVES_LOST + 1) * 1000,
        application_name=APPLICATION,
        options=" ".join(f"-c {name}={value}" for name, value in options.items()),
    )


def why_not(message: str) -> str:
    """libpq's message, which may list several addresses, as one clause with a remedy."""
    if REFUSED in message or "no password supplied" in message:
        return 'refused the login: check "user" and "password" under "db", or the secret'
    if "does not exist" in message and "database" in message:
        return 'has no such database: check "dbname" under "db"'
    if "Connection refused" in message or "timeout" in message or "resolve host" in message:
        return 'cannot be reached: is the server running, and are "host" and "port" under "db" right?'
    last = message.strip().splitlines()[-1].removeprefix("connection failed: ")
    return f"cannot be used: {last}"


@contextmanager
def source_errors(login: Login, doing: str) -> Iterator[None]:
    """Turn what PostgreSQL says while ``doing`` into a ``SourceError``."""
    try:
        yield
    except psycopg.Error as error:
        message = (error.diag.message_primary or str(error)).strip()
        if isinstance(error, psycopg.errors.ProgramLimitExceeded):  # above all an answer of more than 1 GB
            message += ': lower "readings_per_slice"'
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            message += f": grant {login.user} what it needs to read"
        raise SourceError(f"historian {login.place}, {doing}: {message}") from error


@contextmanager
def snapshot_connection(login: Login, snapshot: str | None, settings: Mapping[str, str]) -> Iterator[Connection]:
    """A connection inside one REPEATABLE READ, READ ONLY transaction that sees the exported ``snapshot``, else its own.

    Connections are kept from slice to slice, one for each thread that reads, until ``let_go``; between slices they are
    in no transaction, so that they hold back no VACUUM.
    """
    connection = _opened(login, _opening(snapshot, tuple(settings.items())))
    try:
        yield connection
        connection.execute("ROLLBACK")
    except BaseException:
        connection.close()  # whatever it was at ends with it
        raise
    _idle.setdefault(login, []).append(connection)


@lru_cache(maxsize=8)
def _opening(snapshot: str | None, settings: tuple[tuple[str, str], ...]) -> sql.SQL:
    """What begins such a transaction: the same for all slices of a run."""
    steps: list[sql.Composable] = [sql.SQL(BEGIN)]
    steps += [sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot))] if snapshot else []
    steps += [sql.SQL("SET LOCAL {} = {}").format(sql.SQL(key), sql.Literal(value)) for key, value in settings]
    return sql.SQL(sql.SQL("; ").join(steps).as_string())


# Connections of this process that no thread uses; lists are changed by one atomic step each.
_idle: dict[Login, list[Connection]] = {}


@contextmanager
def exported_snapshot(login: Login, schema: str, tables: Iterable[PartitionTable]) -> Iterator[str]:
    """The name of a snapshot that ``snapshot_connection`` can see while the block runs; ``tables`` are held against
    being dropped or rewritten, which would move rows between pages that are read one after the other."""
    connection = _opened(login, sql.SQL(BEGIN))
    try:
        with source_errors(login, "exporting a snapshot"):
            for table in tables:
                connection.execute(sql.SQL("SELECT FROM {} LIMIT 0").format(sql.Identifier(schema, table.name)))
            row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        yield str(row[0]) if row else ""
    finally:
        connection.close()


def let_go(login: Login, kept: int) -> None:
    """Close what no thread of this process uses: of ``login`` all connections but ``kept``, of any other all."""
    for of, idle in list(_idle.items()):
        while len(idle) > (kept if of == login else 0):
            idle.pop().close()


def _opened(login: Login, opening: sql.SQL) -> Connection:
    """A connection left by an earlier slice that still answers, else a new one, and ``opening`` done in one journey."""
    while kept := _idle.get(login):
        try:
            connection = kept.pop()
        except IndexError:  # another thread was faster
            break
        try:
            connection.execute(opening, prepare=False)
            return connection
        except psycopg.Error:
            connection.close()
    connection = connect(login)
    try:
        connection.autocommit = True
        with source_errors(login, "opening a snapshot"):
            connection.execute(KEEP_MEMORY)
            connection.execute(opening, prepare=False)
    except BaseException:
        connection.close()
        raise
    return connection
