"""Names of objects in the lake. Pure.

::

    <prefix>readings/tagpath=<percent-encoded>/month=YYYY-MM/<start>_<end>.parquet
    <prefix>readings/tagpath=…/month=…/<start>_<end>-<8 hex of the digest>.parquet     of an Iceberg table
    <prefix>iceberg/metadata/...                 its metadata, see ``lake.iceberg``
    <prefix>tags/tags.parquet
    <prefix>rejected/run_id=<run id>/part.parquet
    <prefix>_sensorstream/...                    bookkeeping, see ``manifest``
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from ..errors import ConfigError
from ..windows import Window, from_name

READINGS = "readings/"
TAGS = "tags/tags.parquet"
BOOKS = "_sensorstream/"
ICEBERG = "iceberg/"  # what readers of the table are pointed at
STAGED = f"{BOOKS}staged/"
PROBES = f"{BOOKS}probe/"  # tell whether a store honours conditional writes; gone at once

FOLDER_BYTES, KEY_BYTES = 255, 1024  # longest name of a file system, longest key of S3
AFTER_TAGPATH = len("/month=2026-10/20261014T000000Z_20261015T000000Z.parquet")
DIGEST = re.compile(r"-[0-9a-f]{8}$")  # of a file that is an Iceberg table's: what replaces one has another name
NO_TAGPATH = ("", "__HIVE_DEFAULT_PARTITION__")  # what Hive and its heirs read as no value, encoded or not
NO_XML = "\ufffe\uffff"
SPELLED = re.compile(rf"{READINGS}tagpath=([^/]*)/month=(\d{{4}}-(?:0[1-9]|1[0-2]))/(?:([^/]*)\.parquet|[^/]*)")
ENCODED = re.compile(r"[^A-Za-z0-9_.~\x80-\U0010ffff-]")


@dataclass(frozen=True)
class Foreign:
    """An object among the readings that nobody committed; what its key spells, if it does."""

    key: str
    tagpath: str | None = None
    month: str | None = None
    interval: Window | None = None


def encode_tagpath(path: str) -> str:
    """Percent-encode a tag path so that every Hive-aware reader decodes it to the same text.

    ASCII letters, digits and ``-_.~`` stay, every other ASCII character becomes ``%XX``. What is not ASCII stays as
    it is: Spark decodes ``%XX`` to one character, not to a byte of UTF-8, so encoding it would garble the name there.
    Of a path that is ``null`` in any case the first letter is encoded: DuckDB before 2.0 takes the word for no value.
    Spark, DuckDB, Polars and pyarrow are held to this by ``tests/integration/lake/test_readers.py``.
    """
    if path.lower() == "null":
        return f"%{ord(path[0]):02X}{path[1:]}"
    return ENCODED.sub(lambda found: f"%{ord(found[0]):02X}", path)


def decode_tagpath(text: str) -> str:
    return unquote(text, errors="strict")


def storable(paths: Iterable[str], *, prefix: str | None, iceberg: bool = False) -> list[str]:
    """``paths``, where each can be the name of a folder that readers find.

    Parameters
    ----------
    prefix
        Of the lake in its bucket; ``None`` for a lake in a file system.
    iceberg
        Whether it is an Iceberg table as well, with longer names.

    Raises
    ------
    ConfigError
        Names the first path that cannot.
    """
    found = list(paths)
    for path in found:
        shown = f'tag path "{path[:40]}{"…" * (len(path) > 40)}"'
        remedy = 'leave it out ("sensor_patterns")'
        if path in NO_TAGPATH:
            raise ConfigError(f'tag path "{path}" reads as none in a folder\'s name: {remedy}')
        if set(NO_XML) & set(path):
            raise ConfigError(f"{shown} has a character (U+FFFE or U+FFFF) that a listing of S3 cannot hold: {remedy}")
        name = len(f"tagpath={encode_tagpath(path)}".encode())
        if prefix is None and name > FOLDER_BYTES:
            remedy += " or keep the lake on S3"
            raise ConfigError(
                f"{shown} would be a name of {name} bytes, and a folder holds names of {FOLDER_BYTES}: {remedy}"
            )
        key = len(f"{prefix}{READINGS}".encode()) + name + AFTER_TAGPATH + 9 * iceberg
        if prefix is not None and key > KEY_BYTES:
            raise ConfigError(f"{shown} would be a key of {key:,} bytes, and S3 holds keys of {KEY_BYTES:,}: {remedy}")
    return found


def folder(tagpath: str, month: str) -> str:
    return f"{READINGS}tagpath={encode_tagpath(tagpath)}/month={month}/"


def reading_key(tagpath: str, month: str, interval: Window, digest: str | None = None) -> str:
    return f"{folder(tagpath, month)}{interval.name}{f'-{digest[:8]}' if digest else ''}.parquet"


def parse_reading_key(key: str) -> tuple[str, str, Window]:
    """Tag path, month and interval of a key under ``readings/``; ``ValueError`` for a foreign object."""
    found = spelled(key)
    if found.tagpath is None or found.month is None or found.interval is None:
        raise ValueError(key)
    return found.tagpath, found.month, found.interval


def spelled(key: str) -> Foreign:
    """What a key among the readings says of itself. Pure."""
    if (found := SPELLED.fullmatch(key)) is None:
        return Foreign(key)
    try:
        path = decode_tagpath(found[1])
    except ValueError:
        return Foreign(key)
    try:
        return Foreign(key, path, found[2], from_name(DIGEST.sub("", found[3] or "")))
    except (ValueError, ConfigError):  # no interval, or one that ends before it starts
        return Foreign(key, path, found[2])


def rejected_key(run_id: str) -> str:
    return f"rejected/run_id={run_id}/part.parquet"


def late_rejected_key(run_id: str, data: bytes) -> str:
    """Rejected readings of the days that a run read again; those of an earlier execution stay."""
    return f"rejected/run_id={run_id}/late-{hashlib.sha256(data).hexdigest()[:12]}.parquet"


def staged_key(lease: str, digest: str) -> str:
    """Where a file that replaces others waits for the commit of its lease."""
    return f"{STAGED}{lease}/{digest}"
