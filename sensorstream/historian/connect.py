"""Connections that can only read, and failures in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from ..credentials import Login
from ..errors import SourceError

APPLICATION = "sensorstream"
CONNECT_SECONDS = 10
STATEMENT_SECONDS = 3600

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(login: Login) -> Connection:
    """A read-only connection with time-outs and UTC. ``SourceError`` says which of host, login or database failed."""
    options = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{4 * STATEMENT_SECONDS}s",
        "timezone": "UTC",
        "client_encoding": "UTF8",
        "extra_float_digits": "1",
    }
    try:
        return psycopg.connect(
            host=login.host,
            port=login.port,
            dbname=login.dbname,
            user=login.user,
            password=login.password,
            sslmode=login.sslmode,
            connect_timeout=CONNECT_SECONDS,
            application_name=APPLICATION,
            options=" ".join(f"-c {name}={value}" for name, value in options.items()),
        )
    except psycopg.OperationalError as error:
        raise SourceError(f"historian {login.place} {_why(str(error))}") from None


def _why(message: str) -> str:
    """libpq's message, which may list several addresses, as one clause with a remedy."""
    if "authentication failed" in message or "no password supplied" in message:
        return 'refused the login: check "user" and "password" under "db", or the secret'
    if "does not exist" in message and "database" in message:
        return 'has no such database: check "dbname" under "db"'
    if "Connection refused" in message or "timeout" in message or "could not translate" in message:
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
        raise SourceError(f"historian {login.place}, {doing}: {message}") from error


@contextmanager
def snapshot_connection(login: Login, snapshot: str | None = None) -> Iterator[Connection]:
    """A connection inside one REPEATABLE READ, READ ONLY transaction; with ``snapshot``, that exported one."""
    with connect(login) as connection:
        connection.autocommit = True
        with source_errors(login, "opening a snapshot"):
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if snapshot:
                connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        yield connection
        if not connection.broken:
            connection.execute("ROLLBACK")
