"""A new password for the historian every week, and at no moment a pipeline without a login.

Two roles take turns, both members of the group that may read. The secret's current version names the one in use; a
rotation gives the other a new password and then makes it the current one. The role that was in use keeps its password
until the next rotation, so whoever read the secret before goes on. The four steps are those that AWS documents: create,
set, test, finish. Each finds by itself how far the rotation is, so that one that died is finished by the next.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from psycopg import sql

from ..config.aws import Aws
from ..config.credentials import Login, asked, login, secret_object, with_secret
from ..config.settings import Config, Rotation
from ..errors import ConfigError, SourceError, WindowBusy
from .connection import REFUSED, Connection, connect, plain_connection, scalar, source_errors

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
PASSWORD_BYTES = 32
LOCK = 0x5E4504  # of the advisory lock that keeps two rotations of one historian apart


@dataclass(frozen=True)
class Rotated:
    """How a rotation stands. ``version`` names the secret's new version; neither is secret."""

    version: str
    role: str


class Rotating:
    """The four steps, in order, for the secret that ``config`` names.

    Raises
    ------
    ConfigError
        ``db_rotation`` is not set, a secret cannot be used, or there is no version to go on with.
    SourceError
        The historian cannot be reached, or refuses a role.
    WindowBusy
        Another rotation changes a role right now.
    """

    def __init__(self, config: Config) -> None:
        if config.db_rotation is None or config.db_secret_id is None:
            raise ConfigError('there is no "db_rotation": name the administrator\'s secret, the group and two roles')
        self.rotation: Rotation = config.db_rotation
        self.store = SecretVersions(config.db_secret_id, config.aws)
        self.login = login(config)
        self.administrator = login(
            config.model_copy(update={"db_secret_id": self.rotation.admin_secret_id, "db_rotation": None})
        )

    def create(self) -> Rotated:
        """Keep a new password for the role that is not in use as the pending version; one that is there is kept."""
        versions = self.store.versions()
        version = versions.get(PENDING)
        current = self.store.value(CURRENT)
        used = current.get("username")
        if version:
            role = self.store.value(PENDING).get("username", "")
            if version == versions.get(CURRENT) or (role in self.rotation.roles and role != used):
                return Rotated(version, role)
            self.store.move(PENDING, away_from=version)  # something else took its role into use
        role = next(role for role in self.rotation.roles if role != used)
        version = self.store.put_pending(
            {**current, "username": role, "password": secrets.token_urlsafe(PASSWORD_BYTES)}
        )
        return Rotated(version, role)

    def set(self) -> Rotated:
        """Give the pending role its password, and make it if it is not there; nothing is done twice."""
        rotated, pending = self._pending()
        if rotated.role == self.store.value(CURRENT).get("username"):
            return rotated
        with self._administration() as admin:
            there = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [rotated.role]).fetchone()
            # Only the verifier travels: neither the server's log nor a statistics view ever holds the password.
            verifier = admin.pgconn.encrypt_password(
                (pending.password or "").encode(), rotated.role.encode(), b"scram-sha-256"
            ).decode()
            admin.execute(
                sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                    sql.SQL("ALTER" if there else "CREATE"), sql.Identifier(rotated.role), sql.Literal(verifier)
                )
            )
            admin.execute(
                sql.SQL("GRANT {} TO {}").format(sql.Identifier(self.rotation.group), sql.Identifier(rotated.role))
            )
        return rotated

    def test(self) -> Rotated:
        """Log in with the pending version, and see that the role may read what the group may."""
        rotated, pending = self._pending()
        with connect(replace(pending, secret=None)) as connection, source_errors(pending, "testing the new login"):
            member = scalar(connection, "SELECT pg_has_role(%s, 'USAGE')", [self.rotation.group])
        if not member:
            raise SourceError(f'role "{rotated.role}" does not inherit from "{self.rotation.group}": grant it that')
        return rotated

    def finish(self) -> Rotated:
        """Make the pending version the current one; the one before becomes the previous."""
        rotated, _ = self._pending()
        current = self.store.versions()[CURRENT]
        if current != rotated.version:
            self.store.move(CURRENT, to=rotated.version, away_from=current)
        self.store.move(PENDING, away_from=rotated.version)
        return rotated

    def _pending(self) -> tuple[Rotated, Login]:
        version = self.store.versions().get(PENDING)
        if version is None:
            raise ConfigError(f'secret "{self.store.secret_id}" has no pending version: begin with the step "create"')
        value = self.store.value(PENDING)
        return Rotated(version, value["username"]), with_secret(self.login, value)

    @contextmanager
    def _administration(self) -> Iterator[Connection]:
        admin = self.administrator
        try:
            writable = "read-write" if "," in admin.host else None
            connection = plain_connection(admin, autocommit=False, target_session_attrs=writable)
        except SourceError as failure:
            if REFUSED not in str(failure.__cause__):
                raise
            raise SourceError(
                f"historian {admin.place} refused the administrator: check the secret of db_rotation.admin_secret_id"
            ) from None
        with connection, source_errors(admin, "changing a role's password"):
            if not scalar(connection, "SELECT pg_try_advisory_xact_lock(%s)", [LOCK]):
                raise WindowBusy(f"another rotation changes a role of {admin.place}: try again when it is done")
            yield connection


def rotate(config: Config) -> Rotated:
    """All four steps: begin a rotation, or finish one that died."""
    rotating = Rotating(config)
    rotating.create()
    rotating.set()
    rotating.test()
    return rotating.finish()


class SecretVersions:
    """The versions of one secret in Secrets Manager, by their stage."""

    def __init__(self, secret_id: str, aws: Aws) -> None:
        self.secret_id, self._ask = secret_id, partial(asked, secret_id, aws)

    def versions(self) -> dict[str, str]:
        """Stage to version."""
        stages = self._ask("describe_secret").get("VersionIdsToStages", {})
        return {stage: version for version, named in stages.items() for stage in named}

    def value(self, stage: str) -> dict[str, Any]:
        """The JSON object of a stage; it holds a password."""
        return secret_object(self.secret_id, self._ask("get_secret_value", VersionStage=stage))

    def put_pending(self, value: Mapping[str, Any]) -> str:
        """Keep ``value`` as the pending version."""
        version = str(uuid.uuid4())
        self._ask(
            "put_secret_value", ClientRequestToken=version, SecretString=json.dumps(value), VersionStages=[PENDING]
        )
        return version

    def move(self, stage: str, *, away_from: str, to: str | None = None) -> None:
        """Move a stage from a version to another, or away."""
        target = {"MoveToVersionId": to} if to else {}
        self._ask("update_secret_version_stage", VersionStage=stage, RemoveFromVersionId=away_from, **target)
