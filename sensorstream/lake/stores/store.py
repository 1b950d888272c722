"""The interface of the lake's stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ...config.settings import Iceberg


class Conflict(Exception):
    """Somebody else changed the object first."""


class Store(Protocol):
    """Objects under the lake's prefix; keys are relative to it.

    Every failure is a ``LakeError``, after the patience that the configuration grants. All methods may be called from
    several threads at once.
    """

    place: str
    url: str  # what comes before a key for those who reach the objects by themselves
    iceberg: Iceberg | None  # the table that the lake is as well

    def check(self) -> None:
        """One cheap look, so that a run fails before it reads a single reading."""

    def probe(self) -> None:
        """Make sure that ``swap`` is what it says here; a ``LakeError`` if the store cannot do it.

        Once for each lake, before its first manifest: two runs on a store that ignores conditions lose a commit.
        """

    def get(self, key: str) -> bytes | None:
        """The object's bytes; ``None`` if there is none."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object, new or over the old one."""

    def copy(self, source: str, target: str) -> bool:
        """Make ``target`` the same bytes as ``source`` without moving them through here where the store can.

        Readers see the old object or the whole new one. ``False``, and nothing changed, if there is no ``source``.
        """

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is gone already is as good."""

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Keys that begin with ``prefix`` (whole path segments) with their sizes in bytes, in the store's order."""

    def versioned(self, key: str) -> tuple[bytes, str] | None:
        """The bytes and a token for ``swap``; ``None`` if there is no such object."""

    def swap(self, key: str, data: bytes, version: str | None) -> str:
        """Write ``key`` only if it still is ``version`` (``None``: does not exist).

        Where the store's answer is lost, the object tells whether the write was done, so ``data`` must not be what
        another writer could write as well: give it the run's id.

        Returns
        -------
        str
            The new version.

        Raises
        ------
        Conflict
            The object holds neither ``version`` nor ``data``.
        LakeError
            The store failed; whether it wrote may be open: read the object to know.
        """

    def sweep(self) -> int:
        """Remove what killed writers left unfinished, never what a living one is writing; how many were there."""
