"""The historian's login: from the configuration, or by reference from AWS Secrets Manager.

A task on another machine resolves the reference itself, so the password need not travel.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ConfigError, SecretsAway
from .aws import Aws
from .settings import Config
from .strict_json import parsed

# As RDS names it, and as a login does.
KEYS = {"host": "host", "port": "port", "dbname": "dbname", "username": "user", "password": "password"}

UNTRUSTED = "name the file of its certificate authority in AWS_CA_BUNDLE, and the host that its certificate is for"


@dataclass(frozen=True)
class Login:
    """All that a connection needs. ``repr`` shows no password.

    ``secret`` is the config's ``db_secret_id`` and the account it is in; ``of_secret`` names what the secret decided.
    ``connections`` are those that a run may hold, told where the server has no room for them.
    """

    host: str
    port: int
    dbname: str
    user: str
    password: str | None = field(repr=False)
    sslmode: str
    sslrootcert: str | None = None
    secret: tuple[str, Aws] | None = None
    of_secret: tuple[str, ...] = ()
    connections: int = Config.model_fields["jdbc_num_partitions"].default

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
    roots = os.path.abspath(os.path.expanduser(db.sslrootcert)) if db.sslrootcert else None
    secret = (config.db_secret_id, config.aws) if config.db_secret_id else None
    plain = Login(db.host, db.port, db.dbname, db.user, password, db.sslmode, roots, secret)
    return asked_again(replace(plain, connections=config.jdbc_num_partitions))


def without_password(config: Config) -> Config:
    """``config`` for tasks that put or read the lake's files alone: those of thousands of files are so large that Spark
    hands them on through files on disk."""
    return config.model_copy(update={"db": config.db.model_copy(update={"password": None}), "iceberg": None})


def asked_again(login: Login) -> Login:
    """``login`` with what its secret says now: a password that was changed since is the new one."""
    if login.secret is None:
        return login
    secret_id, aws = login.secret
    answer = asked(secret_id, aws, "get_secret_value", VersionStage="AWSCURRENT")
    return with_secret(login, secret_object(secret_id, answer))


def with_secret(login: Login, secret: Mapping[str, Any]) -> Login:
    """``login`` with what ``secret`` says of it. Pure."""
    told = {name: secret[key] for key, name in KEYS.items() if secret.get(key) is not None}
    of = f'secret "{login.secret[0]}"' if login.secret else "the secret"
    for key, name in KEYS.items():
        if name in told and name != "port" and not _is_text(told[name]):
            raise ConfigError(f'{of}: "{key}" is no text: correct the secret')
    if "port" in told:
        port = str(told["port"])
        if not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
            raise ConfigError(f'{of}: "port" {port[:40]!r} is no number from 1 to 65535: correct the secret')
        told["port"] = int(port)
    return replace(login, **told, of_secret=tuple(told))


def _is_text(value: object) -> bool:
    """Whether a value can go to PostgreSQL as text."""
    return isinstance(value, str) and "\0" not in value and value == value.encode(errors="ignore").decode()


def secret_object(secret_id: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object that a version of a secret is; ``ConfigError`` if it is none. It holds a password."""
    try:
        secret = parsed(answer["SecretString"])
    except (KeyError, ValueError):
        secret = None
    if not isinstance(secret, dict):
        raise ConfigError(f'secret "{secret_id}" is not a JSON object with username and password')
    return secret


def asked(secret_id: str, aws: Aws, action: str, **words: Any) -> dict[str, Any]:
    """What Secrets Manager answers to ``action``.

    Raises
    ------
    SecretsAway
        It cannot be reached, or is too busy.
    ConfigError
        It refuses: no such secret, no right to it, no credentials.
    """
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError
    from botocore.exceptions import ConnectionError as NoConnection

    doing = action.replace("_", " ")
    try:
        client = aws.client("secretsmanager")
        return dict(getattr(client, action)(SecretId=secret_id, **words))
    except SSLError as error:
        raise ConfigError(f'secret "{secret_id}": {error}: {UNTRUSTED}') from None
    except (HTTPClientError, NoConnection) as error:
        raise SecretsAway(f'secret "{secret_id}": Secrets Manager does not answer to "{doing}": {error}') from None
    except (ClientError, BotoCoreError) as error:
        answer = error.response if isinstance(error, ClientError) else {}
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or "Throttling" in answer.get("Error", {}).get("Code", ""):
            raise SecretsAway(f'secret "{secret_id}": Secrets Manager cannot "{doing}" now: {error}') from None
        raise ConfigError(f'secret "{secret_id}" cannot be used in Secrets Manager ("{doing}"): {error}') from None
