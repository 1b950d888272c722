"""TLS before a PostgreSQL that has none: a port with a certificate of a private CA that leads to the server."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ASKS_FOR_TLS = bytes.fromhex("0000000804d2162f")


class PrivateCA:
    """A CA in a folder: ``roots`` is the file that a client trusts."""

    def __init__(self, folder: Path, name: str = "plant CA") -> None:
        self.folder = folder
        folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.roots = folder / "root.crt"
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self.roots.write_bytes(_pem(self._signed(self._name, self._key, ca)))

    def certificate(self, host: str) -> tuple[Path, Path]:
        """Files of a certificate for ``host`` and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate, secret = self.folder / f"{host}.crt", self.folder / f"{host}.key"
        certificate.write_bytes(_pem(self._signed(_name(host), key, names)))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, secret

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self._name, subject_name=name, public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(days=1), not_valid_after=now + timedelta(days=1),
        )  # fmt: skip
        return builder.add_extension(extension, critical=True).sign(self._key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@contextmanager
def tls_before(port: int, certificate: tuple[Path, Path]) -> Iterator[int]:
    """A port of this machine where PostgreSQL's clients find the server of another, with TLS; nobody goes without."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    listening = socket.create_server(("127.0.0.1", 0))

    def hand_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket) -> None:
        with suppress(OSError):
            if client.recv(len(ASKS_FOR_TLS), socket.MSG_WAITALL) != ASKS_FOR_TLS:
                client.close()
                return
            client.sendall(b"S")
            inside = context.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", port))
            Thread(target=hand_on, args=(inside, server), daemon=True).start()
            hand_on(server, inside)

    def accept() -> None:
        with suppress(OSError):
            while True:
                Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()
