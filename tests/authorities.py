"""A private certificate authority, and certificates of servers that it has signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """``bundle`` is the file that clients are to trust."""

    def __init__(self, folder: Path, name: str = "plant") -> None:
        self._folder, self._name = folder, _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.bundle = folder / f"{name}.pem"
        self.bundle.write_bytes(self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)))

    def certificate(self, address: str, days: int = 1) -> Path:
        """A file with a certificate for the address, good from ``days`` - 2 to ``days`` from now, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self._folder / f"{address}.{days}.pem"
        file.write_bytes(self._sign(_named(address), key, names, days) + secret)
        return file

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, what: x509.ExtensionType, days: int = 1) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now + (days - 2) * DAY).not_valid_after(now + days * DAY)
        signed = builder.add_extension(what, critical=True).sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
