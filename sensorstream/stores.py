"""Where the lake's objects are: an S3 bucket or a local folder, one interface.

Every write is of one whole object: readers see the old bytes or the new ones. ``swap`` is compare-and-swap.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import obstore
from obstore import exceptions as refusals
from obstore.store import LocalStore, S3Store

from .config import Config
from .errors import LakeError

# What S3 and servers like it answer to a key, a signature or a policy that does not fit.
REFUSED = "InvalidAccessKey|SignatureDoesNotMatch|AccessDenied|ExpiredToken|403 Forbidden"
RETRIES: Any = {"max_retries": 6, "retry_timeout": timedelta(seconds=60)}
CLIENT: Any = {"timeout": "60s", "connect_timeout": "5s"}


class Conflict(Exception):
    """Somebody else changed the object first."""


class Store(Protocol):
    """Objects under the lake's prefix; keys are relative to it. Every failure is a ``LakeError``."""

    place: str

    def check(self) -> None: ...
    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, data: bytes) -> None: ...
    def delete(self, keys: Sequence[str]) -> None: ...
    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]: ...
    def versioned(self, key: str) -> tuple[bytes, str] | None: ...
    def swap(self, key: str, data: bytes, version: str | None) -> str: ...
    def copy(self, source: str, target: str) -> None: ...


class Objects:
    """What both stores do alike, through obstore."""

    def __init__(self, store: LocalStore | S3Store, place: str) -> None:
        self.store = store
        self.place = place

    def check(self) -> None:
        """One cheap look, so that a run fails before it reads a single reading."""
        with self._errors("listing"):
            next(iter(obstore.list(self.store, chunk_size=1)), None)

    def get(self, key: str) -> bytes | None:
        found = self.versioned(key)
        return found[0] if found else None

    def put(self, key: str, data: bytes) -> None:
        with self._errors(f"writing {key}"):
            obstore.put(self.store, key, data, use_multipart=len(data) > (64 << 20))

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is gone already is no failure."""
        with self._errors(f"removing {len(keys)} objects"):
            for first in range(0, len(keys), 1000):
                some = keys[first : first + 1000]
                try:
                    obstore.delete(self.store, some)
                except (FileNotFoundError, refusals.NotFoundError):
                    # A folder's removal ends at the first that is gone.
                    for key in some:
                        with suppress(FileNotFoundError, refusals.NotFoundError):
                            obstore.delete(self.store, key)

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Keys that begin with ``prefix`` (whole path segments) with their sizes in bytes."""
        with self._errors(f"listing {prefix}"):
            for page in obstore.list(self.store, prefix or None):
                for found in page:
                    yield found["path"], found["size"]

    def versioned(self, key: str) -> tuple[bytes, str] | None:
        """The bytes and a token for ``swap``; ``None`` if there is no such object."""
        with self._errors(f"reading {key}"):
            try:
                answer = obstore.get(self.store, key)
                return bytes(answer.bytes()), str(answer.meta["e_tag"])
            except (FileNotFoundError, refusals.NotFoundError):
                return None

    def copy(self, source: str, target: str) -> None:
        with self._errors(f"copying {source} to {target}"):
            obstore.copy(self.store, source, target)

    def swap(self, key: str, data: bytes, version: str | None) -> str:
        """Write ``key`` only if it still is ``version`` (``None``: does not exist); else ``Conflict``."""
        mode: Any = {"e_tag": version} if version else "create"
        with self._errors(f"writing {key}"):
            try:
                return str(obstore.put(self.store, key, data, mode=mode, use_multipart=False)["e_tag"])
            except (refusals.PreconditionError, refusals.AlreadyExistsError):
                raise Conflict(key) from None

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (refusals.BaseError, OSError, NotImplementedError) as error:
            raise LakeError(f"lake {self.place}, {doing}: {_why(error)}") from error


class Folder(Objects):
    """A local folder; compare-and-swap holds a lock on the folder itself, since a file system has no such write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            store = LocalStore(str(path.resolve()), mkdir=True, automatic_cleanup=True)
        except (refusals.BaseError, OSError) as error:
            raise LakeError(f'lake folder {path} cannot be made: {_why(error)}: check "local_path"') from error
        super().__init__(store, str(path))

    def versioned(self, key: str) -> tuple[bytes, str] | None:
        found = super().versioned(key)
        return (found[0], hashlib.sha256(found[0]).hexdigest()) if found else None

    def swap(self, key: str, data: bytes, version: str | None) -> str:
        import fcntl

        lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            now = self.versioned(key)
            if (now[1] if now else None) != version:
                raise Conflict(key)
            self.put(key, data)
            return hashlib.sha256(data).hexdigest()
        finally:
            os.close(lock)


class Bucket(Objects):
    """A prefix of an S3 bucket, with credentials from the usual AWS chain."""

    def __init__(self, config: Config) -> None:
        place = config.lake
        provider, region = _credentials(place)
        secure = not (config.s3_endpoint_url or "").startswith("http://")
        store = S3Store(
            str(config.bucket_name),
            prefix=config.s3_directory.rstrip("/") or None,
            region=config.s3_region or region or "us-east-1",
            endpoint=config.s3_endpoint_url,
            virtual_hosted_style_request=config.s3_endpoint_url is None,
            client_options={**CLIENT, "allow_http": not secure},
            retry_config=RETRIES,
            credential_provider=provider,
        )
        super().__init__(store, place)


@lru_cache
def _credentials(place: str) -> tuple[Any, str | None]:
    import boto3
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session()
        return Boto3CredentialProvider(session), session.region_name
    except (ValueError, BotoCoreError):
        raise LakeError(
            f"lake {place}: no AWS credentials found: use an IAM role, a profile or the AWS_ environment variables"
        ) from None


def open_store(config: Config) -> Objects:
    """The lake's store; touches nothing yet."""
    return Bucket(config) if config.bucket_name else Folder(Path(str(config.local_path)))


def _why(error: BaseException) -> str:
    """The store's own words, cut to the clause that helps, with the remedy."""
    text = str(error)
    if "NoSuchBucket" in text:
        return 'there is no such bucket: check "bucket_name" or create it'
    if isinstance(error, refusals.PermissionDeniedError | refusals.UnauthenticatedError) or re.search(REFUSED, text):
        return "the credentials are refused: check the role or profile and its policy"
    if "Connect" in text or "error sending request" in text:
        return 'the store cannot be reached: check "s3_endpoint_url" and the network'
    return text.split("\n\nDebug source")[0].strip()
