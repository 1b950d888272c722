"""A mail server and a webhook on the loopback that keep what they are told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def _serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class MailHandler(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client without extensions speaks; refuses recipients at ``nowhere.example``."""

    def handle(self) -> None:
        self._say(220, "test")
        while words := self.rfile.readline().decode().strip():
            verb = words.upper()
            if verb == "QUIT":
                return self._say(221, "bye")
            if verb.startswith("RCPT") and "nowhere.example" in words:
                self._say(550, "no such mailbox")
            elif verb == "DATA":
                self._say(354, "go on")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b"."))
                self.server.kept.append(message_from_bytes(b"".join(lines)))  # type: ignore[attr-defined]
                self._say(250, "kept")
            else:
                self._say(250, "fine")

    def _say(self, code: int, text: str) -> None:
        self.wfile.write(f"{code} {text}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[tuple[int, list[Message]]]:
    """Its port, and the messages that it took."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler)
    server.daemon_threads = True
    server.kept = []  # type: ignore[attr-defined]
    with _serving(server):
        yield server.server_address[1], server.kept  # type: ignore[attr-defined]


@contextmanager
def http_server(answers: dict[str, Any] | None = None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and the JSON bodies posted to it; GET gives what ``answers`` has for the path, as JSON or bytes."""
    kept: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(200 if self.path != "/refused" else 403, b"{}")

        def do_GET(self) -> None:
            found = (answers or {}).get(self.path)
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self._answer(404 if found is None else 200, body)

        def _answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}", kept
