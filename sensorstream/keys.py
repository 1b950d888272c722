"""Names of objects in the lake. Pure.

::

    <prefix>readings/tagpath=<percent-encoded>/month=YYYY-MM/<start>_<end>.parquet
    <prefix>tags/tags.parquet
    <prefix>rejected/run_id=<run id>/part.parquet
    <prefix>_sensorstream/...                    bookkeeping, see ``manifest``
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from .windows import Window, from_name

READINGS = "readings/"
TAGS = "tags/tags.parquet"
BOOKS = "_sensorstream/"


def encode_tagpath(path: str) -> str:
    """Percent-encode a tag path so that every Hive-aware reader decodes it to the same text.

    ASCII letters, digits and ``-_.~`` stay, every other ASCII character becomes ``%XX``. What is not ASCII stays as
    it is: Spark decodes ``%XX`` to one character, not to a byte of UTF-8, so encoding it would garble the name there.
    """
    return "".join(c if ord(c) > 127 else quote(c, safe="") for c in path)


def decode_tagpath(text: str) -> str:
    return unquote(text, errors="strict")


def folder(tagpath: str, month: str) -> str:
    return f"{READINGS}tagpath={encode_tagpath(tagpath)}/month={month}/"


def reading_key(tagpath: str, month: str, interval: Window) -> str:
    return f"{folder(tagpath, month)}{interval.name}.parquet"


def parse_reading_key(key: str) -> tuple[str, str, Window]:
    """Tag path, month and interval of a key under ``readings/``; ``ValueError`` for a foreign object."""
    parts = key.removeprefix(READINGS).split("/")
    if len(parts) != 3 or not key.startswith(READINGS) or not parts[2].endswith(".parquet"):
        raise ValueError(key)
    tag, month, name = parts[0].removeprefix("tagpath="), parts[1].removeprefix("month="), parts[2][: -len(".parquet")]
    return decode_tagpath(tag), month, from_name(name)


def rejected_key(run_id: str) -> str:
    return f"rejected/run_id={run_id}/part.parquet"
