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
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from hashlib import blake2b

# Run, phase, what was worked on, then readings read, readings finished, bytes.
MESSAGE = struct.Struct("!8s16s8sQQQ")
EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class WorkerProgress:
    """Readings read, those of them that are finished, and the bytes that they became."""

    read: int = 0
    finished: int = 0
    size: int = 0


@dataclass(frozen=True)
class ProgressSender:
    """Where to say it; goes along to the workers."""

    host: str
    port: int
    run: bytes

    def about(self, phase: str, *what: object) -> TaskProgress:
        """Say what becomes of one piece of work; said again from the start, it replaces what was said before."""
        return TaskProgress(self, phase, blake2b(repr(what).encode(), digest_size=8).digest())


class TaskProgress:
    """Totals of one piece of work; any of a worker's threads may add."""

    def __init__(self, sender: ProgressSender, phase: str, key: bytes) -> None:
        self._head = sender.run, phase.encode(), key
        self._where = sender.host, sender.port
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
        if receiver := _receivers.get(self._head[0]):  # in this process
            receiver.receive(message)
            return
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
                wire.setblocking(False)
                wire.sendto(message, self._where)
        except OSError:
            return  # the driver cannot be reached this way: the run is none the worse


_receivers: dict[bytes, ProgressReceiver] = {}  # of this process, by run


class ProgressReceiver:
    """Keeps what was said last of each piece of work."""

    def __init__(self, host: str, bind: str) -> None:
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._wire.bind((bind, 0))
        self._wire.settimeout(EVERY_SECONDS)
        self.sender = ProgressSender(host, self._wire.getsockname()[1], secrets.token_bytes(8))
        self._said: dict[tuple[bytes, bytes], WorkerProgress] = {}
        _receivers[self.sender.run] = self
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def received(self, phase: str) -> WorkerProgress:
        """The sum of what was said of a phase."""
        name = phase.encode().ljust(16, b"\0")
        said = [totals for (of, _), totals in list(self._said.items()) if of == name]
        return WorkerProgress(sum(h.read for h in said), sum(h.finished for h in said), sum(h.size for h in said))

    def receive(self, message: bytes) -> None:
        """Take what is said of this run."""
        run, phase, key, *totals = MESSAGE.unpack(message)
        if run == self.sender.run:
            self._said[phase, key] = WorkerProgress(*totals)

    def close(self) -> None:
        _receivers.pop(self.sender.run, None)
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
                self.receive(message)


@contextmanager
def listening(host: str, bind: str, wanted: bool) -> Iterator[ProgressReceiver | None]:
    """A receiver in this process while the block runs; None where nobody wants to know or none can be had."""
    receiver = None
    with suppress(OSError):
        receiver = ProgressReceiver(host, bind) if wanted else None
    with closing(receiver) if receiver else nullcontext():
        yield receiver
