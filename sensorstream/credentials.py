"""The historian's login: from the configuration, or by reference from AWS Secrets Manager.

A task on another machine resolves the reference itself, so the password need not travel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from .config import Config
from .errors import ConfigError


@dataclass(frozen=True)
class Login:
    """All that a connection needs. ``repr`` shows no password."""

    host: str
    port: int
    dbname: str
    user: str
    password: str | None = field(repr=False)
    sslmode: str

    @property
    def place(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.dbname}"


def login(config: Config) -> Login:
    """The login that ``config`` names.

    Where ``db_secret_id`` is set, the secret (a JSON object as RDS writes it: ``username``, ``password``, and
    optionally ``host``, ``port``, ``dbname``) wins over ``db``. Raises ``ConfigError`` if it cannot be had.
    """
    db = config.db
    password = db.password.get_secret_value() if db.password else None
    if config.db_secret_id is None:
        return Login(db.host, db.port, db.dbname, db.user, password, db.sslmode)
    secret = _secret(config.db_secret_id, config.s3_region)
    return Login(
        host=secret.get("host", db.host),
        port=int(secret.get("port", db.port)),
        dbname=secret.get("dbname", db.dbname),
        user=secret.get("username", db.user),
        password=secret.get("password", password),
        sslmode=db.sslmode,
    )


def _secret(secret_id: str, region: str | None) -> dict[str, str]:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = boto3.client("secretsmanager", region_name=region).get_secret_value(SecretId=secret_id)
        secret = json.loads(answer["SecretString"])
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(f'secret "{secret_id}" cannot be read from Secrets Manager: {error}') from None
    except (KeyError, ValueError):
        raise ConfigError(f'secret "{secret_id}" is not a JSON object with username and password') from None
    if not isinstance(secret, dict):
        raise ConfigError(f'secret "{secret_id}" is not a JSON object with username and password')
    return secret
