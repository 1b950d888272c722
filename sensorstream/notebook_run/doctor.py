"""Whatever a night needs, tried one by one, so that what is missing is said before it is night."""

from __future__ import annotations

import platform
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from ipaddress import ip_address

from ..config.credentials import login
from ..config.settings import Config
from ..errors import LakeError, SensorStreamError
from ..extras import needs
from ..formatting import size
from ..historian import Historian, open_historian
from ..historian.connection import source_errors
from ..lake.manifest import read_manifest
from ..lake.stores import reached_store
from ..lake.stores.store import Store
from ..pipeline.preview import plan
from ..report.storage import open_storage
from ..windows import day_window, zone
from .run import NEEDED

CLOCK_SECONDS = 5.0  # further apart, the last seconds of a day may be missed
ROOM_BYTES = 2 << 30  # for staged files and executed notebooks

# The role's limit, the server's less what it keeps for superusers, connections of all, and tables that it may change.
ABOUT = """
SELECT r.rolconnlimit,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       (SELECT count(*) FROM pg_tables WHERE schemaname = %s
            AND has_table_privilege(format('%%I.%%I', schemaname, tablename), 'INSERT, UPDATE, DELETE, TRUNCATE')),
       extract(epoch FROM clock_timestamp())::float8
FROM pg_roles r WHERE r.rolname = current_user
"""


@dataclass(frozen=True)
class Tried:
    """One thing that a night needs: what was found, or the failure that says what is missing and what to do.

    A ``doubt`` lets a run go on, and should be looked at.
    """

    name: str
    found: str
    doubt: bool = False
    failure: SensorStreamError | None = None

    @property
    def verdict(self) -> str:
        """``fine``, ``doubt`` or ``missing``."""
        return "missing" if self.failure else "doubt" if self.doubt else "fine"


def examine(config: Config) -> Iterator[Tried]:
    """Try login, historian, its rights and clock, readings of yesterday, lake, reports, disk and libraries, in turn.

    Writes a probe into lake and reports and removes it again; reads no reading.
    """
    yield Tried("this machine", f"sensorstream {version('sensorstream')}, Python {platform.python_version()}")
    yield from _tried("libraries", lambda: [_libraries()])
    yield from _tried("historian", lambda: _historian(config))
    yield from _tried("readings", lambda: [_readings(config)])
    yield from _tried("lake", lambda: [_lake(config)])
    yield from _tried("reports", lambda: [_reports(config)])
    free = shutil.disk_usage(tempfile.gettempdir()).free
    few = free < ROOM_BYTES
    remedy = f": make room, {size(ROOM_BYTES)} at least, or set TMPDIR to where there is some" if few else ""
    yield Tried("disk", f"{size(free)} free in {tempfile.gettempdir()}{remedy}", doubt=few)


def _tried(name: str, look: Callable[[], Iterator[Tried] | list[Tried]]) -> Iterator[Tried]:
    try:
        yield from look()
    except SensorStreamError as error:
        yield Tried(name, str(error), failure=error)


def _libraries() -> Tried:
    needs("sensorstream run", **NEEDED)
    return Tried("libraries", "notebooks, checks and report are installed")


def _historian(config: Config) -> Iterator[Tried]:
    where = login(config)
    with open_historian(config) as historian:
        info = historian.connection.info
        secret = f", login of secret {config.db_secret_id}" if config.db_secret_id else ""
        major = info.server_version // 10_000
        yield Tried("historian", f"{where.place}, PostgreSQL {major}, {historian.layout.name} layout{secret}")
        open_line = not info.pgconn.ssl_in_use and not _loopback(where.host)
        yield Tried(
            "encryption",
            f'the line to {where.host} is not encrypted: set "sslmode" of "db" to "verify-full"'
            if open_line
            else "TLS" if info.pgconn.ssl_in_use else "none, on this machine",
            doubt=open_line,
        )  # fmt: skip
        yield from _rights(config, historian)


def _rights(config: Config, historian: Historian) -> Iterator[Tried]:
    before = time.time()
    with source_errors(historian.login, "looking at its rights"):
        row = historian.connection.execute(ABOUT, [config.db_schema]).fetchone()
    after = time.time()
    assert row is not None
    of_role, of_server, used, writable, now = row
    yield Tried(
        "rights",
        f"{historian.login.user} may change {writable:,} tables: give it a role that can only read" if writable
        else f"{historian.login.user} can only read",
        doubt=bool(writable),
    )  # fmt: skip
    most, left = of_role if of_role >= 0 else of_server, of_server - used
    few = min(most, left + 1) < config.jdbc_num_partitions
    yield Tried(
        "connections",
        f"{'the role' if of_role >= 0 else 'the server'} allows {most:,}, {left:,} of the server's are free"
        + (f': lower "jdbc_num_partitions" ({config.jdbc_num_partitions}), or raise the limit' if few else ""),
        doubt=few,
    )
    apart = max(before - now, now - after, 0.0)
    late = apart > CLOCK_SECONDS
    yield Tried(
        "clock",
        f"{apart:.0f} s apart from the historian's: set both by NTP" if late else "as the historian's",
        doubt=late,
    )


def _readings(config: Config) -> Tried:
    day = datetime.now(UTC).astimezone(zone(config.timezone)).date() - timedelta(days=1)
    found = plan(config, day_window(day, config.timezone))
    tables = ", ".join(table.name for table in found.tables) or "no table"
    told = f"about {found.estimated_readings:,} readings of {len(found.tags):,} tags on {day}, in {tables}"
    few = found.estimated_readings < len(found.tags)  # the planner never says that there is none
    doubt = ": a run of yesterday would end with a failed check; is the historian written to?" if few else ""
    return Tried("readings", f"{told}{doubt}", doubt=few)


def _lake(config: Config) -> Tried:
    store = reached_store(config)
    read_manifest(store).held_to(config.timezone)
    store.probe()
    _write(store)
    return Tried("lake", f"{config.lake}: can be listed, written, read, and removed from; conditional writes hold")


def _reports(config: Config) -> Tried:
    store = open_storage(config)
    _write(store)
    return Tried("reports", f"{config.reports_path} can be written")


def _write(store: Store) -> None:
    key = f"_sensorstream-doctor-{uuid.uuid4().hex}"
    store.put(key, b"probe")
    try:
        if store.get(key) != b"probe":
            raise LakeError(f"{store.place}: what was written to {key} is not what is read: this store cannot be used")
    finally:
        store.delete([key])


def _loopback(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
