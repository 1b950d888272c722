"""From when to when the historian has readings, for who asks for no time, or for one that has none."""

from __future__ import annotations

from datetime import UTC, date, datetime

from psycopg import sql

from ..config.settings import Config
from ..errors import SourceError
from ..windows import YEARS, Window, day_window, zone
from .catalog import Historian, open_historian
from .connection import source_errors
from .model import PartitionTable
from .readings_sql import table_name
from .time_sql import in_order

SECONDS = 5  # a table without an index on its times is not gone through for a hint
EVER = datetime(1970, 1, 1, tzinfo=UTC)


def newest_day(config: Config) -> Window:
    """The newest day of which the historian holds a reading, by its oldest and newest table.

    Parameters
    ----------
    config
        Where the historian is, see ``load``.

    Returns
    -------
    Window
        That day of the configured time zone.

    Raises
    ------
    SourceError
        The historian cannot be used, has no reading, or does not tell within seconds.
    """
    with open_historian(config) as historian:
        if (days := _days(historian)) is None:
            raise SourceError(f"historian {historian.login.place}: which days have readings cannot be told: name a day")
    return day_window(days[1], config.timezone)


def has_readings_of(historian: Historian) -> str:
    """``the historian has readings of 2026-10-01 to 2026-11-01``, days of its time zone; empty where not known."""
    try:
        days = _days(historian)
    except SourceError:
        return ""
    return f"the historian has readings of {days[0]} to {days[1]}" if days else ""


def always() -> Window:
    """From 1970 until now."""
    return Window(EVER, datetime.now(UTC).replace(microsecond=0))


def _days(historian: Historian) -> tuple[date, date] | None:
    """The first and the last day; ``None`` where there is no reading, or one whose time is in no calendar."""
    tables = historian.partition_tables(always())
    if not tables:
        return None
    each = sql.SQL(" UNION ALL ").join(
        _ends(historian, table)
        for table in dict.fromkeys((tables[0], tables[-1]))  # of the oldest and newest time
    )
    query = sql.SQL("SELECT min(lo), max(hi) FROM ({}) each(lo, hi)").format(each)
    first, last = map(_moment, _soon(historian, "looking for its first and last reading", query))
    if first is None or last is None:
        return None
    here = zone(historian.timezone)
    return first.astimezone(here).date(), last.astimezone(here).date()


def ends_of(historian: Historian, table: PartitionTable) -> tuple[datetime | None, datetime | None]:
    """The first and the last time of a table; ``None`` where it has none, or one of no calendar.

    Raises ``SourceError`` where that takes longer than some seconds.
    """
    first, last = _soon(historian, f"looking at the times of {table.name}", _ends(historian, table))
    return _moment(first), _moment(last)


def _soon(historian: Historian, doing: str, query: sql.Composed) -> tuple[int | None, int | None]:
    """The two times that a query answers, within ``SECONDS``."""
    with source_errors(historian.login, doing), historian.connection.transaction():
        historian.connection.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
        first, last = historian.connection.execute(query).fetchone() or (None, None)
        return first, last


def _moment(ms: int | None) -> datetime | None:
    try:
        found = None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return found if found and found.year in YEARS else None


def _ends(historian: Historian, table: PartitionTable) -> sql.Composed:
    """The first and the last time, a look into an index on it each."""
    name, time = table_name(historian.schema, table), in_order(table.time)
    one = "(SELECT t_stamp FROM {0} WHERE {1} IS NOT NULL ORDER BY {1} {2} LIMIT 1)"
    first, last = (sql.SQL(one).format(name, time, sql.SQL(way)) for way in ("ASC", "DESC"))
    return sql.SQL("SELECT {}, {}").format(first, last)
