"""Connections that can only read, whose settings are what this project relies on, and failures in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql
from pydantic import SecretStr

from ..config.credentials import Login, asked_again, login
from ..config.settings import Config
from ..errors import SourceError
from .tls import why_not_trusted

APPLICATION = "sensorstream"
CONNECT_SECONDS = 10
REFUSED = "authentication failed"  # libpq gives no SQLSTATE for a login that fails
STATEMENT_SECONDS = 3600
LOCK_SECONDS = 2  # whoever changes a table is waited for so long, and then let be
KEEPALIVE_SECONDS, KEEPALIVES_LOST = 30, 3  # a machine that is gone is missed after two minutes, at either end
GONE_MS = KEEPALIVE_SECONDS * (KEEPALIVES_LOST + 1) * 1000
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

# Made after connecting and read back: what is said while connecting may stay with a pooler, and a role or a database
# may say something else. Policies that would hide rows become errors, as pg_dump has it.
SETTINGS = {
    "default_transaction_read_only": "on",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "row_security": "off",
}
# Upper bounds: what a role was given that is shorter stays.
LIMITS_MS = {
    "statement_timeout": STATEMENT_SECONDS * 1000,
    "lock_timeout": LOCK_SECONDS * 1000,
    "idle_in_transaction_session_timeout": 4 * STATEMENT_SECONDS * 1000,
}
# Likewise, for servers that know of them: what a session is at ends with its client, be that killed (which a query is
# told every two seconds) or cut off. On Windows the first would be refused.
CLIENT_CHECKS = {
    "client_connection_check_interval": 2000,  # ms
    "tcp_keepalives_idle": KEEPALIVE_SECONDS,
    "tcp_keepalives_interval": KEEPALIVE_SECONDS,
    "tcp_keepalives_count": KEEPALIVES_LOST,
    "tcp_user_timeout": GONE_MS,
}

# A packed slice takes tens of MB, which the server's allocator (glibc's) gives back to the kernel after each, to take
# them again page by page: a fifth of all that packing costs. After a piece of this size it keeps up to twice as much,
# as long as the connection lives. The piece costs 18 ms: made of single letters it would be 150, and a constant, which
# the planner works out and copies, 35.
KEEP_MEMORY = f"SELECT octet_length(repeat(rpad(version(), 1024), {31 << 10}))"

# What PostgreSQL says when it ends a connection or a query, and what to do.
ROW_SECURITY = "row-level security"
NEEDS_PATIENCE = "run again"
STANDBY = 'run again, or set "hot_standby_feedback" on this standby, or read from the primary'
TOO_FEW = (
    'lower "jdbc_num_partitions", the {}connections that a run may hold, or raise the limit of the role or the server'
)
REMEDIES: tuple[tuple[type[psycopg.Error], str], ...] = (
    (errors.LockNotAvailable, "another session is changing it or waits to: run again when that is done"),
    (errors.SerializationFailure, STANDBY),
    (errors.DeadlockDetected, STANDBY),  # a reader's are with what a standby replays
    (errors.TransactionTimeout, "raise transaction_timeout of the role, which covers a whole run"),
    (errors.IdleInTransactionSessionTimeout, "raise idle_in_transaction_session_timeout of the role"),
    (errors.IdleSessionTimeout, "raise idle_session_timeout of the role"),
    (errors.ProgramLimitExceeded, 'lower "readings_per_slice"'),  # above all an answer of more than 1 GB
    (errors.ConfigurationLimitExceeded, 'lower "readings_per_slice", or raise temp_file_limit of the role'),
    (errors.OutOfMemory, 'the historian is short of memory: lower "readings_per_slice" or "jdbc_num_partitions"'),
    (errors.DiskFull, "the historian's own disk is full: tell whoever runs it"),
)
IN_TEXT = {
    "statement timeout": "choose a shorter window, or raise statement_timeout of the role",
    "lock timeout": REMEDIES[0][1],
    "conflict with recovery": STANDBY,
    "query_wait_timeout": f"the pool has no connection left: {TOO_FEW.format('')} or the pool",
    "too many connections": TOO_FEW.format(""),
    "connection slots": TOO_FEW.format(""),
    "terminating connection": NEEDS_PATIENCE,
    "user request": NEEDS_PATIENCE,
}
# Ways in which a connection ends, whatever was asked of it.
LOST = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.TransactionTimeout,
    errors.IdleInTransactionSessionTimeout,
    errors.IdleSessionTimeout,
)

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(login: Login, name: str = APPLICATION) -> Connection:
    """A read-only connection with time-outs and UTC, outside any transaction, that PostgreSQL shows as ``name``.

    A login that is refused and came from a secret is asked for again: it may have been rotated since.

    Raises
    ------
    SourceError
        It says which of host, login or database failed, or that the connection does not keep its settings.
    """
    try:
        connection = plain_connection(login)
    except SourceError as failure:
        if REFUSED in str(failure.__cause__) and (now := asked_again(login)) != login:
            return connect(now, name)
        raise
    try:
        with source_errors(login, "making the settings of a connection"):
            if connection.info.backend_pid != _backend(connection):
                _refuse_lent_backends(login, connection)
            connection.execute(settings_query(name))
            _refuse_other_settings(login, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def plain_connection(login: Login, **other: Any) -> Connection:
    """What libpq makes of a login, without any settings; ``SourceError`` says why there is no connection."""
    words: dict[str, Any] = dict(
        host=login.host,
        port=login.port,
        dbname=login.dbname,
        user=login.user,
        password=login.password,
        sslmode=login.sslmode,
        sslrootcert=login.sslrootcert,
        connect_timeout=CONNECT_SECONDS,
        keepalives_idle=KEEPALIVE_SECONDS,
        keepalives_interval=KEEPALIVE_SECONDS,
        keepalives_count=KEEPALIVES_LOST,
        tcp_user_timeout=GONE_MS,
        application_name=APPLICATION,
        target_session_attrs="prefer-standby" if "," in login.host else None,
        client_encoding="UTF8",
        autocommit=True,
        prepare_threshold=None,  # a pooler may not keep what was prepared
    )
    try:
        return psycopg.connect(**words | other)
    except psycopg.OperationalError as error:
        raise SourceError(f"historian {login.place} {why_not(str(error), login)}") from error


def of_one_server(login: Login) -> Login:
    """``login`` with the one host of several that is read: a standby if one answers. A snapshot is of one server."""
    if "," not in login.host:
        return login
    with closing(connect(login)) as connection:
        return replace(login, host=connection.info.host)


def for_workers(config: Config, host: str) -> Config:
    """``config`` for workers on other machines, and drivers that look elsewhere: with the ``host`` that the run is at,
    and the password that libpq finds here where it names none (``PGPASSWORD``, ``PGPASSFILE``, ``~/.pgpass``)."""
    config = config.model_copy(update={"db": config.db.model_copy(update={"host": host})})
    if config.db.password or config.db_secret_id:
        return config
    with closing(plain_connection(login(config))) as connection:
        found = connection.info.password
    return config.model_copy(update={"db": config.db.model_copy(update={"password": SecretStr(found)})})


def settings_query(name: str = APPLICATION) -> sql.Composed:
    """The query that makes the settings of a session. A time-out that is shorter already stays as it is. Pure."""
    settings = SETTINGS | {"application_name": name}
    made = [sql.SQL("set_config({}, {}, false)").format(key, value) for key, value in settings.items()]
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join([*made, shortened(LIMITS_MS | CLIENT_CHECKS)]))


def shortened(limits: Mapping[str, int], *, local: bool = False) -> sql.Composed:
    """The call that makes each limit what it says, in its own unit, or leaves it where it is shorter."""
    rows = sql.SQL(", ").join(sql.SQL("({}, {}::int8)").format(name, most) for name, most in limits.items())
    return sql.SQL(
        "(SELECT count(set_config(name, CASE WHEN setting::int8 BETWEEN 1 AND most THEN setting ELSE most::text END,"
        " {})) FROM pg_catalog.pg_settings JOIN (VALUES {}) limits(name, most) USING (name)"
        " WHERE name <> ALL({}::text[]) OR version() LIKE '%linux%')"
    ).format(local, rows, [*CLIENT_CHECKS])


def _refuse_other_settings(login: Login, connection: Connection) -> None:
    for name, value in connection.execute("SELECT n, current_setting(n) FROM unnest(%s::text[]) n", [list(SETTINGS)]):
        if value != (wanted := SETTINGS[name]):
            raise SourceError(
                f'historian {login.place} does not keep the settings of a connection ({name} is "{value}", not'
                f' "{wanted}"): connect to PostgreSQL itself, or to a pool in session mode'
            )


def scalar(connection: Connection, query: LiteralString | sql.Composed, parameters: Sequence[Any] | None = None) -> Any:
    """The one value that a query answers; ``None`` where there is no row."""
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def _backend(connection: Connection) -> int:
    return int(scalar(connection, "SELECT pg_backend_pid()"))


_keep_sessions: set[tuple[str, int, str, str]] = set()  # poolers that were found to


def _refuse_lent_backends(login: Login, connection: Connection) -> None:
    """``SourceError`` where a pooler stands between that lends a backend for one transaction: neither settings nor a
    snapshot would hold.

    Two connections take turns: one that is lent a backend does not find the one it had when the other has had it, or
    holds it, whether the pool hands out what came back last or first.
    """
    where = login.host, login.port, login.dbname, login.user
    if where in _keep_sessions:
        return
    try:
        with closing(plain_connection(login)) as other:
            connection.execute("BEGIN READ ONLY")
            first = _backend(connection)
            other.execute("BEGIN READ ONLY")
            connection.execute("COMMIT")
            seen = [_backend(connection)]
            for step in ("COMMIT", "BEGIN READ ONLY", "COMMIT"):
                other.execute(step)
                seen += [_backend(connection), _backend(connection)]
    except errors.ProtocolViolation as error:
        if "statement pooling" not in str(error):  # where there are no transactions
            raise
        seen, first = [], -1
    if set(seen) != {first}:
        raise SourceError(
            f"historian {login.place} is a pooler that lends a connection for each transaction or statement, where"
            " neither settings nor a snapshot hold: connect to PostgreSQL itself, or to a pool in session mode"
        )
    _keep_sessions.add(where)


def why_not(message: str, login: Login) -> str:
    """libpq's message, which may list several addresses, as one clause with a remedy."""
    if REFUSED in message or "no password supplied" in message:
        return 'refused the login: check "user" and "password" under "db", or the secret'
    if "does not exist" in message and "database" in message:
        return 'has no such database: check "dbname" under "db"'
    if "Connection refused" in message or "timeout" in message or "resolve host" in message:
        return 'cannot be reached: is the server running, and are "host" and "port" under "db" right?'
    if untrusted := why_not_trusted(message, login):
        return untrusted
    last = message.strip().splitlines()[-1].removeprefix("connection failed: ")
    if "too many" in message or "connection slots" in message:
        last = last.rpartition("FATAL:")[2].strip()
        return f"has no connection left ({last}): {TOO_FEW.format(f'{login.connections} ')}"
    return f"cannot be used: {last}"


@contextmanager
def source_errors(login: Login, doing: str) -> Iterator[None]:
    """Turn what PostgreSQL says while ``doing`` into a ``SourceError``; a connection that is lost is no fault of it."""
    try:
        yield
    except psycopg.Error as error:
        at = "" if _lost(error) else f", {doing}"
        raise SourceError(f"historian {login.place}{at}: {in_words(error, login)}") from error


def in_words(error: psycopg.Error, login: Login) -> str:
    """What PostgreSQL says, and what to do about it. Pure."""
    message = (error.diag.message_primary or str(error)).strip().rstrip(".")
    if isinstance(error, errors.InsufficientPrivilege) and ROW_SECURITY not in message:
        return f"{message}: grant {login.user} what it needs to read"
    remedy = next((text for kind, text in REMEDIES if isinstance(error, kind)), None)
    if _lost(error):
        return f"the connection was lost ({message}): {remedy or NEEDS_PATIENCE}"
    return f"{message}: {remedy}" if remedy else with_remedy(message, login.user)


def with_remedy(message: str, user: str) -> str:
    """The same of what only the text of is known. Pure."""
    if ROW_SECURITY in message:
        return (
            f"{message}, and rows that it hides would be taken for gone: let {user} see all of them (ALTER ROLE ..."
            " BYPASSRLS), or give it a view to read whose owner does"
        )
    remedy = next((text for said, text in IN_TEXT.items() if said in message), None)
    return f"{message}: {remedy}" if remedy else message


def _lost(error: psycopg.Error) -> bool:
    return isinstance(error, LOST) or (error.sqlstate is None and isinstance(error, psycopg.OperationalError))


@contextmanager
def snapshot_connection(login: Login, snapshot: str | None, settings: Mapping[str, str]) -> Iterator[Connection]:
    """A connection inside one REPEATABLE READ, READ ONLY transaction that sees the exported ``snapshot``, else its own.

    Time-outs among ``settings`` are in ms, and upper bounds. Connections are kept from slice to slice, one for each
    thread that reads, until ``let_go``; between slices they are in no transaction, so that they hold back no VACUUM.
    """
    connection = _opened(login, _opening(snapshot, tuple(settings.items())))
    _at_work.add(connection)
    try:
        yield connection
        connection.execute("ROLLBACK")
    except BaseException:
        connection.close()  # whatever it was at ends with it
        raise
    finally:
        _at_work.discard(connection)
    _idle.setdefault(login, []).append(connection)


@lru_cache(maxsize=8)
def _opening(snapshot: str | None, settings: tuple[tuple[str, str], ...]) -> sql.SQL:
    """What begins such a transaction: the same for all slices of a run."""
    steps: list[sql.Composable] = [sql.SQL(BEGIN)]
    if snapshot:
        steps.append(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
        steps.append(sql.SQL("SET LOCAL application_name = {}").format(sql.Literal(reader_of(snapshot))))
    for key, value in settings:
        if key in LIMITS_MS:
            steps.append(sql.SQL("SELECT {}").format(shortened({key: int(value)}, local=True)))
        else:
            steps.append(sql.SQL("SET LOCAL {} = {}").format(sql.SQL(key), sql.Literal(value)))
    return sql.SQL(sql.SQL("; ").join(steps).as_string())


def reader_of(snapshot: str) -> str:
    """The name under which whoever reads a slice in ``snapshot`` is seen, so that a run knows its own readers."""
    return f"{APPLICATION} {snapshot}"


# Connections of this process that no thread uses; lists are changed by one atomic step each.
_idle: dict[Login, list[Connection]] = {}
_at_work: set[Connection] = set()


def cancel() -> None:
    """End what the connections of this process are reading: nobody wants it any more."""
    for connection in list(_at_work):
        with suppress(psycopg.Error):  # it has ended meanwhile
            connection.cancel()


def let_go() -> None:
    """Close the connections that no thread of this process uses."""
    for idle in list(_idle.values()):
        while idle:
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
        with source_errors(login, "opening a snapshot"):
            connection.execute(KEEP_MEMORY)
            connection.execute(opening, prepare=False)
    except BaseException:
        connection.close()
        raise
    return connection
