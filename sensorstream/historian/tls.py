"""Why the historian's certificate was not accepted, as libpq says it, in words with a remedy. Pure."""

from __future__ import annotations

import re

from ..config.credentials import Login

ROOTS = 'name the file of its CA in "sslrootcert" under "db"'
MISSING = re.compile(r'root certificate file "(.*?)" does not exist')
UNREADABLE = re.compile(r'could not read root certificate file "(.*?)": (.*)')
OTHER_HOST = re.compile(r"server certificate for .*? does not match host name .*")

OTHER_CA = re.compile("certificate verify failed|signature failure")  # of another name; of another key with its name


def why_not_trusted(message: str, login: Login) -> str | None:
    """What was wrong with the server's certificate, or with the file that it is held against; ``None`` if nothing."""
    if found := MISSING.search(message):
        return f'cannot be verified, since there is no root certificate file "{found[1]}": {ROOTS}'
    if found := UNREADABLE.search(message):
        return f'cannot be verified, since root certificate file "{found[1]}" holds none ({found[2]}): {ROOTS}'
    if found := OTHER_HOST.search(message):
        return f'cannot be verified, since {found[0]}: write a name that stands in the certificate as "host" under "db"'
    if OTHER_CA.search(message):
        of = f'"{login.sslrootcert}"' if login.sslrootcert else "the root certificate file of this user"
        return f"cannot be verified, since its certificate is of no CA in {of}, or not valid now: {ROOTS}"
    if "does not support SSL" in message:
        return f'offers no TLS, which "sslmode": "{login.sslmode}" asks for: switch it on there (ssl = on)'
    return None
