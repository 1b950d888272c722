"""Poolers before the sandbox's PostgreSQL: the real PgBouncer, and a small one that lends a backend a transaction."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from sensorstream.sandbox.processes import HOST, answers, free_port, wait_until

PACKAGE = "pgbouncer"
APT_SECONDS = 120


def find_pgbouncer(folder: Path) -> tuple[Path, dict[str, str]] | None:
    """The program, and what its environment needs: that of the machine, else Debian's package unpacked in ``folder``;
    ``None`` where there is neither."""
    if program := shutil.which(PACKAGE, path=f"{os.defpath}:/usr/sbin:/usr/local/sbin"):
        return Path(program), {}
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    if not _quietly(["apt-get", "download", PACKAGE], folder) and os.geteuid() == 0:
        _quietly(["apt-get", "update"], folder)  # a fresh container has no package lists; making them needs root
    depends = subprocess.run(["apt-cache", "depends", "-i", PACKAGE], capture_output=True, text=True).stdout.split()
    wanted = [PACKAGE, *(name for name in depends if name.startswith(("libevent", "libc-ares")))]
    if not _quietly(["apt-get", "download", *wanted], folder):
        return None
    for package in folder.glob("*.deb"):
        _quietly(["dpkg", "-x", str(package), "."], folder)
    program = folder / "usr/sbin" / PACKAGE
    libraries = ":".join(str(path) for path in folder.glob("usr/lib/*-linux-*"))
    return (program, {"LD_LIBRARY_PATH": libraries}) if program.is_file() else None


def _quietly(command: list[str], folder: Path) -> bool:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, timeout=APT_SECONDS).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


@contextmanager
def pgbouncer(found: tuple[Path, dict[str, str]], server: str, mode: str, **settings: object) -> Iterator[int]:
    """The port on which PgBouncer pools connections to ``server``, a connection string, whoever asks."""
    program, environ = found
    known = psycopg.conninfo.conninfo_to_dict(server)
    folder, port = Path(tempfile.mkdtemp(prefix="sensorstream-pgbouncer-")), free_port()
    lines = {
        "listen_addr": HOST,
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": mode,
        "ignore_startup_parameters": "options, extra_float_digits",
        **settings,
    }
    target = " ".join(f"{name}={known[name]}" for name in ("host", "port", "user", "password"))
    file = folder / "pgbouncer.ini"
    file.write_text(
        f"[databases]\n* = {target}\n[pgbouncer]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())
    )
    file.chmod(0o600)
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # PgBouncer refuses to run as root
    if user:
        for path in (folder, file):
            os.chown(path, user.pw_uid, user.pw_gid)
    process = subprocess.Popen(
        [program, file],
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user and user.pw_uid,
        group=user and user.pw_gid,
    )
    try:
        assert wait_until(lambda: process.poll() is not None or answers(port), 10) and process.poll() is None
        yield port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


class Lender:
    """A pooler of two connections to ``server``, each lent for a transaction; ``port`` is where it listens."""

    def __init__(self, server: str) -> None:
        self._lent = [psycopg.connect(server, autocommit=True, sslmode="disable") for _ in range(2)]
        self._free = [socket.socket(fileno=os.dup(each.pgconn.socket)) for each in self._lent]
        for each in self._free:
            each.setblocking(True)
        self._turn = threading.Condition()
        self._listening = socket.create_server((HOST, 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()
        for each in (*self._free, *self._lent):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as said:
            while (size := struct.unpack("!i", said.read(4))[0]) and len(said.read(size - 4)) == 4:
                client.sendall(b"N")  # neither TLS nor GSS
            client.sendall(_message(b"R", struct.pack("!i", 0)))
            for pair in (b"client_encoding\0UTF8\0", b"server_encoding\0UTF8\0", b"server_version\x0016.0\0"):
                client.sendall(_message(b"S", pair))
            client.sendall(_message(b"K", struct.pack("!ii", 1, 1)) + _message(b"Z", b"I"))
            backend: socket.socket | None = None
            asked = b""
            while (kind := said.read(1)) not in (b"", b"X"):
                size = said.read(4)
                asked += kind + size + said.read(struct.unpack("!i", size)[0] - 4)
                if kind not in (b"Q", b"S"):
                    continue
                if backend is None:
                    with self._turn:
                        self._turn.wait_for(lambda: self._free)
                        backend = self._free.pop()
                backend.sendall(asked)
                asked = b""
                if self._answered(backend, client) == b"I":
                    with self._turn:
                        self._free.append(backend)
                        self._turn.notify()
                    backend = None

    def _answered(self, backend: socket.socket, client: socket.socket) -> bytes:
        """Hand on what the backend says; its state in the end."""
        while True:
            head = _exactly(backend, 5)
            body = _exactly(backend, struct.unpack("!i", head[1:])[0] - 4)
            client.sendall(head + body)
            if head[:1] == b"Z":
                return body


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _exactly(backend: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        found += backend.recv(count - len(found))
    return found
