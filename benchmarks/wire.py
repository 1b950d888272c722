"""A proxy on the loopback that counts what goes over a PostgreSQL connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sensorstream.sandbox.processes import HOST

BUFFER_BYTES = 1 << 18


class Counter:
    """Bytes that the server sent, over all connections, and the port to connect to."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        with self._lock:
            self.received += size


@contextmanager
def counting(server_port: int) -> Iterator[Counter]:
    """Forward connections to ``server_port`` and count. Meant for a pass that is not timed: it costs CPU."""
    with socket.create_server((HOST, 0)) as listener:
        counter = Counter(listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection((HOST, server_port))
                    _forward(client, server, None)
                    _forward(server, client, counter)

        threading.Thread(target=accept, daemon=True).start()
        yield counter
        listener.shutdown(socket.SHUT_RDWR)


def _forward(source: socket.socket, target: socket.socket, counter: Counter | None) -> None:
    def pump() -> None:
        buffer = bytearray(BUFFER_BYTES)
        view = memoryview(buffer)
        with suppress(OSError):
            while size := source.recv_into(buffer):
                if counter is not None:
                    counter.add(size)
                target.sendall(view[:size])
        # The other direction may still have bytes to send: only this one is closed.
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            source.shutdown(socket.SHUT_RD)

    threading.Thread(target=pump, daemon=True).start()
