"""A proxy before an S3 server that fails on purpose.

::

    with Proxy(sandbox.s3_endpoint) as proxy:
        config = make_config(lake="s3", s3_endpoint_url=proxy.url, s3_patience_seconds=3)
        proxy.fail(Kind.SWAP, Fault.LOST, times=1)        # the next conditional write is done, its answer never comes
        proxy.fail(Kind.PUT, Fault.SLOW_DOWN)             # every plain write, until proxy.heal()
        ...
        assert proxy.seen[Kind.SWAP] == 2                 # what clients sent, failed ones too

It listens on 127.0.0.1 and hands requests on with the headers they came with, ``Host`` too, so their signatures stay
valid. Rules apply in the order they were given; one that is used up is passed over. Threads of a run and its
worker processes may use one proxy at once.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

HOST = "127.0.0.1"
STALL_SECONDS = 60  # at most; it ends when the client gives up
CONDITIONS = ("if-match", "if-none-match")
OF_A_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "content-length")


class Kind(Enum):
    """What a request does."""

    PUT = "put"  # of an object, or a part of one
    SWAP = "conditional put"
    COPY = "copy"
    GET = "get"
    HEAD = "head"
    LIST = "list"
    DELETE = "delete"  # of one key or many
    OTHER = "other"


class Fault(Enum):
    """How it fails."""

    SLOW_DOWN = "503 SlowDown"
    PRECONDITION = "412 PreconditionFailed"
    CONFLICT = "409 ConditionalRequestConflict"
    RESET = "connection reset, request not handed on"
    LOST = "connection reset after the request was carried out"
    STALL = "no answer, request not handed on"
    HANG = "no answer after the request was carried out"
    TRUNCATED = "half an answer"
    UNCONDITIONAL = "conditions dropped from the request"  # breaks signatures: for servers that do not check them


@dataclass(frozen=True)
class Answer:
    """A failure in the server's words, in place of a ``Fault``."""

    status: int
    code: str
    message: str = ""


ANSWERS = {
    Fault.SLOW_DOWN: Answer(503, "SlowDown", "Please reduce your request rate."),
    Fault.PRECONDITION: Answer(412, "PreconditionFailed", "At least one of the pre-conditions did not hold"),
    Fault.CONFLICT: Answer(409, "ConditionalRequestConflict", "A conflicting operation occurred during the request"),
}
DIGESTS = ("content-md5", "x-amz-checksum-")
NO_DIGEST = Answer(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required with Object Lock")
CARRIED_OUT = (Fault.LOST, Fault.HANG, Fault.TRUNCATED, Fault.UNCONDITIONAL)


@dataclass
class Rule:
    kind: Kind
    fault: Fault | Answer
    left: float
    skip: int
    key: str


class Proxy:
    """Listens from when it is made; ``with`` ends it. ``tls`` is a file with a certificate and its key."""

    def __init__(self, endpoint: str, tls: Path | None = None) -> None:
        self.upstream = urlsplit(endpoint).netloc
        self.seen: Counter[Kind] = Counter()
        self.failed: Counter[Kind] = Counter()
        self.at_once = self.most_at_once = 0
        self.closing = threading.Event()
        self.locked = False  # as a bucket with object lock: nothing is put without a digest
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._server = _Server((HOST, 0), type("Handler", (_Handler,), {"proxy": self}))
        if tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(tls)
            # The handshake is left to the thread that serves the connection.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{'https' if tls else 'http'}://{HOST}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def fail(
        self, kind: Kind, fault: Fault | Answer, *, times: float = float("inf"), skip: int = 0, key: str = ""
    ) -> None:
        """Let ``times`` requests of ``kind`` fail, after ``skip`` that pass, if their decoded path holds ``key``."""
        with self._lock:
            self._rules.append(Rule(kind, fault, times, skip, key))

    def heal(self) -> None:
        """Forget rules and counts."""
        with self._lock:
            self._rules.clear()
            self.seen.clear()
            self.failed.clear()

    def fault_of(self, kind: Kind, path: str) -> Fault | Answer | None:
        """Count a request, and say how it fails."""
        with self._lock:
            self.seen[kind] += 1
            for rule in self._rules:
                if rule.kind is kind and rule.left > 0 and rule.key in unquote(path):
                    if rule.skip > 0:
                        rule.skip -= 1
                        continue
                    rule.left -= 1
                    self.failed[kind] += 1
                    return rule.fault
        return None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """While a request is at the server; over before its answer can reach the client."""
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            yield
        finally:
            with self._lock:
                self.at_once -= 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


def kind_of(method: str, query: str, headers: http.client.HTTPMessage) -> Kind:
    asked = parse_qs(query, keep_blank_values=True)
    if method == "PUT":
        if "x-amz-copy-source" in headers:
            return Kind.COPY
        return Kind.SWAP if any(name in headers for name in CONDITIONS) else Kind.PUT
    if method == "GET":
        return Kind.LIST if "list-type" in asked else Kind.GET
    if method == "DELETE" or (method == "POST" and "delete" in asked):
        return Kind.DELETE
    return Kind.HEAD if method == "HEAD" else Kind.OTHER


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hung up, or was hung up on


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def handle_request(self) -> None:
        parts = urlsplit(self.path)
        fault = self.proxy.fault_of(kind_of(self.command, parts.query, self.headers), parts.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.proxy.locked and not any(name.lower().startswith(DIGESTS) for name in self.headers):
            fault = fault or (NO_DIGEST if self.command == "PUT" and body else None)
        if answer := fault if isinstance(fault, Answer) else ANSWERS.get(fault):
            return self._refuse(answer)
        if fault is None or fault in CARRIED_OUT:
            with self.proxy.counted():
                status, headers, data = self._hand_on(body, drop=CONDITIONS if fault is Fault.UNCONDITIONAL else ())
        if fault in (Fault.STALL, Fault.HANG):
            self._wait()
        if fault in (Fault.RESET, Fault.LOST, Fault.STALL, Fault.HANG):
            return self._reset()
        return self._answer(status, headers, data, whole=fault is not Fault.TRUNCATED)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request

    def _hand_on(self, body: bytes, drop: tuple[str, ...]) -> tuple[int, list[tuple[str, str]], bytes]:
        server = http.client.HTTPConnection(self.proxy.upstream, timeout=STALL_SECONDS)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in (*drop, "connection", "expect"):
                    server.putheader(name, value)
            server.endheaders(body or None)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, whole: bool = True) -> None:
        # A HEAD's length is that of what is not sent.
        length = next((v for k, v in headers if self.command == "HEAD" and k.lower() == "content-length"), len(body))
        kept = [(name, value) for name, value in headers if name.lower() not in OF_A_CONNECTION]
        head = "".join(f"{k}: {v}\r\n" for k, v in [*kept, ("Content-Length", length), ("Connection", "close")])
        data = f"HTTP/1.1 {status} {http.client.responses.get(status, '')}\r\n{head}\r\n".encode("latin-1")
        # Of an answer without a body, half of its head.
        self.wfile.write(data + body if whole else data + body[: len(body) // 2] if body else data[: len(data) // 2])
        self.close_connection = True

    def _refuse(self, answer: Answer) -> None:
        said = f"<Error><Code>{answer.code}</Code><Message>{answer.message}</Message></Error>".encode()
        self._answer(answer.status, [("Content-Type", "application/xml")], b"" if self.command == "HEAD" else said)

    def _wait(self) -> None:
        """Until the client hangs up."""
        end = time.monotonic() + STALL_SECONDS
        while time.monotonic() < end and not self.proxy.closing.is_set():
            ready, _, _ = select.select([self.connection], [], [], 0.05)
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for end in (self.rfile, self.wfile, self.connection):
            end.close()
        raise ConnectionAbortedError

    def log_message(self, *_: object) -> None:
        pass
