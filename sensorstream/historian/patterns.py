"""Patterns of tag paths, which PostgreSQL compiles and matches: refused by name where it cannot, or takes too long."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg
from psycopg import errors, sql

from ..errors import ConfigError
from .connection import Connection, shortened

MATCH_SECONDS = 30  # for all tag paths; ten patterns and a million of paths take twenty

# Escapes but of signs and digits, classes, options, bounds, of which others make something else or nothing.
POSTGRESQL_ALONE = re.compile(r"\\[^\Wd]|\[[:.=]|\(\?(?!:)|^\*\*\*|\{(?!\d+(,\d*)?\})|\n")

Answer = TypeVar("Answer")


def read_alike(patterns: Sequence[str]) -> bool:
    """Whether other regular expressions, Python's and DuckDB's, mean the same by ``patterns``; false where in doubt."""
    try:
        return all(not POSTGRESQL_ALONE.search(pattern) and re.compile(pattern) for pattern in patterns)
    except re.error:
        return False


def refuse_bad_patterns(connection: Connection, patterns: Sequence[str]) -> None:
    """``ConfigError`` that names the first pattern that PostgreSQL does not compile."""
    for pattern in patterns:
        try:
            connection.execute("SELECT '' ~ %s", [pattern])
        except psycopg.DataError as error:
            why = error.diag.message_primary or error
            raise ConfigError(f'pattern "{pattern}" is not a PostgreSQL regular expression: {why}') from None
        except UnicodeEncodeError:
            raise ConfigError(f"pattern {pattern!a} is no text: write it in UTF-8") from None


def matched(connection: Connection, patterns: Sequence[str], ask: Callable[[Sequence[str]], Answer]) -> Answer:
    """What ``ask``, a query, finds by ``patterns``, within a time-out of its own.

    Raises ``ConfigError`` that names the pattern that takes longer: one with back references may try every way to cut a
    path into pieces.
    """
    begin = time.monotonic()
    try:
        with connection.transaction(force_rollback=True):  # with which the time-out goes
            limit = shortened({"statement_timeout": MATCH_SECONDS * 1000}, local=True)
            connection.execute(sql.SQL("SELECT {}").format(limit))
            return ask(patterns)
    except errors.QueryCanceled as error:
        if "statement timeout" not in str(error):
            raise
    if len(patterns) > 1:
        for pattern in patterns:
            matched(connection, [pattern], ask)
    shown = ", ".join(f'"{pattern}"' for pattern in patterns)
    raise ConfigError(
        f"pattern {shown} takes PostgreSQL too long over the tag paths (stopped after"
        f" {time.monotonic() - begin:.0f} s): write it without back references, or with fewer repetitions"
    )
