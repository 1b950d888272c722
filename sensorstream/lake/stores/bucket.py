"""A lake under a prefix of an S3 bucket, through obstore."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, TypeVar

import obstore
from obstore.store import S3Store

from ...config.settings import Config
from ...errors import LakeError
from ..keys import PROBES
from .aws_credentials import Chain, chain
from .retry import FAILURES, LOST, absent, patiently, why
from .store import Conflict

LARGE_BYTES = 8 << 20  # from here on an object travels with the longer time-out
MULTIPART_BYTES = 64 << 20
MULTIPART_AT_ONCE = 4
KEYS_OF_A_DELETE = 1000  # what S3 takes in one request
CONNECT_SECONDS = 5.0
LONGEST_REQUEST_SECONDS = 900.0

Result = TypeVar("Result")


class Bucket:
    """A prefix of an S3 bucket, with credentials from the usual AWS chain."""

    def __init__(self, config: Config) -> None:
        self.place = self.url = config.lake
        self.iceberg = config.iceberg
        self.patience = config.s3_patience_seconds
        self.assumed = config.s3_conditional_writes == "assumed"
        self._proven = False
        self._slots = threading.BoundedSemaphore(config.s3_connections)
        self._config, self._chain = config, chain(self.place, config.aws)
        self._store = self._client()

    @cached_property
    def _large(self) -> S3Store:
        """For objects that may take all of the patience to arrive."""
        return self._client(self.patience)

    @cached_property
    def _single(self) -> S3Store:
        """For keys that a bulk delete cannot remove: see ``_doubtful``."""
        return self._client(disable_bulk_delete=True)

    def _client(self, silence_seconds: float | None = None, **more: Any) -> S3Store:
        # Three silent requests fit into the patience.
        return _client(self._config, self._chain, silence_seconds or self.patience / 4, **more)

    def check(self) -> None:
        # A wrong address shall not cost a minute before it is named; nor shall a page of all that the lake holds.
        self._do("listing", lambda: next(iter(obstore.list(self._store, PROBES)), None), self.patience / 12)

    def probe(self) -> None:
        if self.assumed or self._proven:
            return
        key = f"{PROBES}{uuid.uuid4().hex}"
        try:
            version = self.swap(key, b"first", None)
            honoured = self._refuses(key, "create") and self._refuses(key, {"e_tag": '"0123456789abcdef"'})
            honoured = honoured and bool(self.swap(key, b"second", version))
        except Conflict:
            honoured = False
        finally:
            self.delete([key])
        if not honoured:
            raise LakeError(
                f"lake {self.place}: the store ignores conditional writes (If-None-Match, If-Match), so two runs could"
                ' undo each other: use one that honours them, or set "s3_conditional_writes" to "assumed" and let only'
                " one run at a time write"
            )
        self._proven = True

    def get(self, key: str) -> bytes | None:
        found = self.versioned(key)
        return found[0] if found else None

    def put(self, key: str, data: bytes) -> None:
        store = self._large if len(data) > LARGE_BYTES else self._store
        multipart = len(data) > MULTIPART_BYTES and not self._doubtful(key)
        # A browser shows a page only where the store says that it is one.
        about: Any = {"Content-Type": "text/html; charset=utf-8"} if key.endswith(".html") else None
        self._do(
            f"writing {key}",
            lambda: obstore.put(
                store, key, data, attributes=about, use_multipart=multipart, max_concurrency=MULTIPART_AT_ONCE
            ),
        )

    def copy(self, source: str, target: str) -> bool:
        def attempt() -> bool:
            obstore.copy(self._store, source, target)
            return True

        return self._do(f"copying to {target}", lambda: _where_there(attempt)) or False

    def delete(self, keys: Sequence[str]) -> None:
        for doubtful in (False, True):
            some = [key for key in keys if self._doubtful(key) == doubtful]
            for first in range(0, len(some), KEYS_OF_A_DELETE):
                store, part = self._single if doubtful else self._store, some[first : first + KEYS_OF_A_DELETE]
                delete = partial(obstore.delete, store, part)
                self._do(f"removing {len(part)} objects", partial(_where_there, delete))

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        def attempt() -> list[tuple[str, int]]:
            pages = obstore.list(self._store, prefix or None)
            return without_markers([(found["path"], found["size"]) for page in pages for found in page], prefix)

        # Whole before the first key is handed out: a listing that breaks off begins anew.
        yield from self._do(f"listing {prefix}".rstrip(), attempt)

    def versioned(self, key: str) -> tuple[bytes, str] | None:
        return self._do(f"reading {key}", lambda: self._versioned(key))

    def _versioned(self, key: str) -> tuple[bytes, str] | None:
        def attempt() -> tuple[bytes, str]:
            answer = obstore.get(self._store, key)
            return bytes(answer.bytes()), str(answer.meta["e_tag"])

        return _where_there(attempt)

    def swap(self, key: str, data: bytes, version: str | None) -> str:
        def attempt() -> str:
            try:
                return str(self._put_if(key, data, {"e_tag": version} if version else "create"))
            except FAILURES:
                # Done with its answer lost, overtaken, or never arrived: the object tells.
                now = self._versioned(key)
                if now is not None and now[0] == data:
                    return now[1]
                if (now[1] if now else None) != version:
                    raise Conflict(key) from None
                raise

        try:
            return self._do(f"writing {key}", attempt)
        except LakeError as error:
            if isinstance(error.__cause__, LOST):
                raise Conflict(key) from error
            raise

    def sweep(self) -> int:
        """Nothing to do: of a write that was cut off, S3 shows nothing.

        Parts of a multipart upload stay stored unseen; a lifecycle rule of the bucket (AbortIncompleteMultipartUpload)
        removes them.
        """
        return 0

    def _doubtful(self, key: str) -> bool:
        """Whether an answer that repeats the key is taken for a failure: the client looks for two words, anywhere."""
        return any(word in f"{self.place}{key}" for word in ("SlowDown", "InternalError"))

    def _put_if(self, key: str, data: bytes, condition: Any) -> str | None:
        return obstore.put(self._store, key, data, mode=condition, use_multipart=False)["e_tag"]

    def _refuses(self, key: str, condition: Any) -> bool:
        def attempt() -> bool:
            try:
                self._put_if(key, b"ignored", condition)
                return False
            except LOST:
                return True

        return self._do("probing conditional writes", attempt)

    def _do(self, doing: str, action: Callable[[], Result], seconds: float | None = None) -> Result:
        """``action`` within the limit of connections, tried again within the patience."""

        def attempt() -> Result:
            with self._slots:
                return action()

        try:
            return patiently(attempt, seconds or self.patience)
        except FAILURES as error:
            raise LakeError(f"lake {self.place}, {doing}: {why(error, self.patience, self._chain.bundle)}") from error


def without_markers(found: list[tuple[str, int]], prefix: str) -> list[tuple[str, int]]:
    """Leave out the empty objects that consoles make for folders; the client has cut the slash off their keys. Pure."""
    if all(size for _, size in found):
        return found
    folders = {"", prefix.rstrip("/")}
    for key, _ in found:
        while key := key.rpartition("/")[0]:
            folders.add(key)
    return [(key, size) for key, size in found if size or key not in folders]


def address(config: Config) -> tuple[str | None, bool]:
    """Endpoint (``None``: AWS itself) and whether the bucket is part of the host's name. Pure.

    On AWS it is, unless the bucket's name has points, for which the certificate does not hold; behind an endpoint of
    one's own it is part of the path. ``s3_path_style`` overrules both.
    """
    endpoint, bucket = config.s3_endpoint_url, str(config.bucket_name)
    path_style = config.s3_path_style
    if path_style is None:
        path_style = endpoint is not None or "." in bucket
    if endpoint is not None and not path_style:
        scheme, _, host = endpoint.partition("://")
        endpoint = f"{scheme}://{bucket}.{host}"
    return endpoint, not path_style


def _where_there(action: Callable[[], Result]) -> Result | None:
    """What ``action`` returns; ``None`` where there is no such object."""
    try:
        return action()
    except FAILURES as error:
        if absent(error):
            return None
        raise


def _client(config: Config, chain: Chain, silence_seconds: float, **more: Any) -> S3Store:
    """A client that gives a request up after ``silence_seconds`` without a byte of the answer."""
    endpoint, virtual_hosted = address(config)
    patience = config.s3_patience_seconds
    optional: dict[str, Any] = {
        "endpoint": endpoint,
        "server_side_encryption": config.s3_encryption,
        "sse_kms_key_id": config.s3_kms_key_id,
        # The digest that the signature needs anyway: a bucket with object lock takes nothing without one.
        "checksum_algorithm": "SHA256",
    }
    client: Any = {
        "allow_http": (endpoint or "").startswith("http://"),
        "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, patience / 4)),
        "read_timeout": timedelta(seconds=silence_seconds),
        "timeout": timedelta(seconds=max(LONGEST_REQUEST_SECONDS, patience)),
        "pool_max_idle_per_host": str(config.s3_connections),
    }
    if authorities := chain.authorities():
        client["root_certificate"] = authorities
    # Near to the request and brief; ``patiently`` goes on where this ends.
    retries: Any = {
        "max_retries": 5,
        "retry_timeout": timedelta(seconds=patience / 4),
        "backoff": {
            "init_backoff": timedelta(seconds=min(0.1, patience / 60)),
            "max_backoff": timedelta(seconds=patience / 12),
        },
    }
    return S3Store(
        str(config.bucket_name),
        prefix=config.s3_directory.rstrip("/") or None,
        region=config.s3_region or chain.region or "us-east-1",
        virtual_hosted_style_request=virtual_hosted,
        client_options=client,
        retry_config=retries,
        credential_provider=chain.provide,
        **{key: value for key, value in optional.items() if value is not None},
        **more,
    )
