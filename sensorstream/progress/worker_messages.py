"""What workers say of their work while it goes on: Spark itself tells only when a task is over.

A datagram each, with totals and not with steps, so that one that is lost is made up for by the next; where nothing
comes through (a firewall between driver and workers) a run only shows less of itself.
"""

from __future__ import annotations

import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b

# Run, phase, what was worked on, then readings read, readings finished, bytes.
MESSAGE = struct.Struct("!8s16s8sQQQ")
EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Heard:
    """Readings read, those of them that are finished, and the bytes that they became."""

    read: int = 0
    finished: int = 0
    size: int = 0


@dataclass(frozen=True)
class Mouth:
    """Where to say it; goes along to the workers."""

    host: str
    port: int
    run: bytes

    def about(self, phase: str, *what: object) -> Saying:
        """Say what becomes of one piece of work; said again from the start, it replaces what was said before."""
        return Saying(self, phase, blake2b(repr(what).encode(), digest_size=8).digest())


class Saying:
    """Totals of one piece of work; any of a worker's threads may add."""

    def __init__(self, mouth: Mouth, phase: str, key: bytes) -> None:
        self._head = mouth.run, phase.encode(), key
        self._where = mouth.host, mouth.port
        self._lock = threading.Lock()
        self._read = self._finished = self._size = 0
        self._next = 0.0

    def add(self, *, read: int = 0, finished: int = 0, size: int = 0) -> None:
        with self._lock:
            self._read += read
            self._finished += finished
            self._size += size
            if time.monotonic() >= self._next:
                self._say()

    def done(self) -> None:
        with self._lock:
            self._say()

    def _say(self) -> None:
        self._next = time.monotonic() + EVERY_SECONDS
        message = MESSAGE.pack(*self._head, self._read, self._finished, self._size)
        if ear := _ears.get(self._head[0]):  # in this process
            ear.hear(message)
            return
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
                wire.setblocking(False)
                wire.sendto(message, self._where)
        except OSError:
            return  # the driver cannot be reached this way: the run is none the worse


_ears: dict[bytes, Ear] = {}  # of this process, by run


class Ear:
    """Keeps what was said last of each piece of work."""

    def __init__(self, host: str, bind: str) -> None:
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._wire.bind((bind, 0))
        self._wire.settimeout(EVERY_SECONDS)
        self.mouth = Mouth(host, self._wire.getsockname()[1], secrets.token_bytes(8))
        self._said: dict[tuple[bytes, bytes], Heard] = {}
        _ears[self.mouth.run] = self
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def heard(self, phase: str) -> Heard:
        """The sum of what was said of a phase."""
        name = phase.encode().ljust(16, b"\0")
        said = [heard for (of, _), heard in list(self._said.items()) if of == name]
        return Heard(sum(h.read for h in said), sum(h.finished for h in said), sum(h.size for h in said))

    def hear(self, message: bytes) -> None:
        """Take what is said of this run."""
        run, phase, key, *totals = MESSAGE.unpack(message)
        if run == self.mouth.run:
            self._said[phase, key] = Heard(*totals)

    def close(self) -> None:
        _ears.pop(self.mouth.run, None)
        self._wire.close()

    def _listen(self) -> None:
        while True:
            try:
                message = self._wire.recv(256)
            except TimeoutError:
                continue
            except OSError:
                return  # closed
            if len(message) == MESSAGE.size:
                self.hear(message)


@contextmanager
def listening(host: str, bind: str, wanted: bool) -> Iterator[Ear | None]:
    """An ear at an address of this process while the block runs; None where nobody wants to know or none can be had."""
    ear = None
    if wanted:
        try:
            ear = Ear(host, bind)
        except OSError:
            ear = None
    try:
        yield ear
    finally:
        if ear:
            ear.close()
