"""From when to when the historian has readings, for who asked for a time that has none."""

from __future__ import annotations

from datetime import UTC, datetime

from psycopg import sql

from ..errors import SourceError
from ..windows import Window, zone
from .catalog import Historian
from .connection import source_errors

SECONDS = 5  # a table without an index on its times is not gone through for a hint
EVER = datetime(1970, 1, 1, tzinfo=UTC)


def has_readings_of(historian: Historian) -> str:
    """``the historian has readings of 2026-10-01 to 2026-11-01``, days of its time zone; empty where not known."""
    here = zone(historian.timezone)
    try:
        tables = historian.partition_tables(Window(EVER, datetime.now(UTC).replace(microsecond=0)))
        if not tables:
            return "the historian has no table of readings"
        names = [tables[0], tables[-1]]  # of the oldest and of the newest time
        each = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT min(t_stamp), max(t_stamp) FROM {}").format(sql.Identifier(historian.schema, table.name))
            for table in dict.fromkeys(names)
        )
        with (
            source_errors(historian.login, "looking for its first and last reading"),
            historian.connection.transaction(),
        ):
            historian.connection.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
            first, last = historian.connection.execute(
                sql.SQL("SELECT min(lo), max(hi) FROM ({}) each(lo, hi)").format(each)
            ).fetchone() or (None, None)
    except SourceError:
        return ""
    if first is None:
        return f"{tables[0].name} and {tables[-1].name} hold no reading"
    try:
        days = [datetime.fromtimestamp(ms / 1000, UTC).astimezone(here).date() for ms in (first, last)]
    except (OverflowError, ValueError, OSError):  # beyond the calendar: no hint
        return ""
    return f"the historian has readings of {days[0]} to {days[1]}"
