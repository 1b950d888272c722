"""The time of a reading in SQL, whatever unit its column has: as milliseconds since 1970, and as a condition.

Times are cut to whole milliseconds, downwards. Conditions stand on the bare column, so that an index, a partition's
bounds or a chunk's serve; where its borders do not say it exactly they let in a little more, and the milliseconds
decide. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from psycopg import sql

from ..config.layouts.description import Time
from ..windows import zone

INTEGERS = ("smallint", "integer", "bigint")
DOUBLES = ("double precision", "real")
NUMBERS = (*INTEGERS, *DOUBLES, "numeric")
KINDS = {"timestamp": ("timestamp without time zone",), "timestamptz": ("timestamp with time zone",)}
PER_MS = {"us": 1_000, "ns": 1_000_000}
SOON = 9_000_000_000_000  # seconds or milliseconds; what lies beyond, either way, is a time of no calendar
REST_SECONDS = 3  # so far may nanoseconds reach, which are less than one: what an int4 holds
OWN_TIME = "own_time"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ABOUT = timedelta(days=2)  # the offset of a zone does not reach over so much


@dataclass(frozen=True, order=True)
class BareTime:
    """A table's own column of time, its unit and its type; a view shows it as ``own_time``."""

    column: str
    unit: str
    kind: str
    zone: str = ""
    nanoseconds: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is whole milliseconds as they are."""
        return self.unit == "ms" and self.kind in INTEGERS

    @property
    def exact(self) -> bool:
        """Whether no two times become one."""
        return self.kind in INTEGERS and self.unit in ("ms", "s") and not self.nanoseconds


def kinds_of(time: Time) -> tuple[str, ...]:
    """The types that a column of this unit may have."""
    return INTEGERS if time.nanoseconds else KINDS.get(time.unit, NUMBERS)


def in_order(time: BareTime | None) -> sql.Identifier:
    """The column that rows are in order of time by, for which an index may serve."""
    return sql.Identifier("t_stamp" if time is None else OWN_TIME)


def milliseconds(time: Time, kind: str) -> sql.Composable:
    """The time of a row as ``int8``; NULL where there is none, or one of no calendar."""
    column = sql.Identifier(time.column)
    if time.unit in KINDS:
        there = sql.SQL("{} AT TIME ZONE {}").format(column, time.zone) if time.zone else column
        return sql.SQL("CASE WHEN isfinite({}) THEN floor(extract(epoch FROM {}) * 1000)::int8 END").format(
            column, there
        )
    if time.unit == "ms" and kind in INTEGERS:
        return column if kind == "bigint" else sql.SQL("{}::int8").format(column)
    per_ms = PER_MS.get(time.unit, 1)
    if kind in INTEGERS and time.unit == "s":
        ms = sql.SQL("{}::int8 * 1000").format(column)
        if time.nanoseconds:
            rest = sql.Identifier(time.nanoseconds)
            ms = sql.SQL("CASE WHEN {0} BETWEEN -{1} AND {1} THEN {2} + floor({0} / 1e6)::int8 END").format(
                rest, sql.SQL(str(REST_SECONDS * 10**9)), ms
            )
    elif kind in INTEGERS:  # division cuts towards zero
        return sql.SQL("({0} / {1} - ({0} % {1} < 0)::int)::int8").format(column, sql.SQL(str(per_ms)))
    elif kind == "numeric":
        ms = sql.SQL("floor({} * {})::int8").format(column, Decimal(1000) if time.unit == "s" else Decimal(1) / per_ms)
    elif time.unit == "s":  # a double of seconds in our days tells microseconds apart
        ms = sql.SQL("floor(round({}::float8 * 1e6) / 1000)::int8").format(column)
    else:
        ms = sql.SQL("floor({}::float8 / {})::int8").format(column, sql.SQL(str(per_ms)))
    least = sql.SQL(str(SOON * per_ms))
    return sql.SQL("CASE WHEN {} BETWEEN -{} AND {} THEN {} END").format(column, least, least, ms)


def within(time: BareTime | None, start_ms: int, end_ms: int, *, about: bool = False) -> sql.Composable:
    """The condition that a row's time is in ``[start_ms, end_ms)``; ``None`` is a column ``t_stamp`` of ms.

    ``about`` leaves it at the bare column, of which the planner has statistics.
    """
    exact = sql.SQL("t_stamp >= {} AND t_stamp < {}").format(sql.Literal(start_ms), sql.Literal(end_ms))
    if time is None or time.plain:
        return exact
    column = sql.Identifier(OWN_TIME)
    if time.unit in KINDS:
        first, last, sure = _instants(time, start_ms, end_ms)
        kind = sql.SQL("timestamp" if time.zone else "timestamptz")
        borders = sql.SQL("{0} >= {1}::{3} AND {0} < {2}::{3}").format(column, first, last, kind)
        return borders if sure or about else sql.SQL("{} AND {}").format(borders, exact)
    per_ms = PER_MS.get(time.unit, 1)
    if time.kind in INTEGERS and time.unit == "s":
        beside = REST_SECONDS if time.nanoseconds else 0
        seconds = [-(-start_ms // 1000) - beside, -(-end_ms // 1000) + beside + time.nanoseconds]
        borders = sql.SQL("{0} >= {1} AND {0} < {2}").format(column, *map(sql.Literal, seconds))
        return sql.SQL("{} AND {}").format(borders, exact) if time.nanoseconds and not about else borders
    if time.kind in INTEGERS:
        whole = [sql.Literal(ms * per_ms) for ms in (start_ms, end_ms)]
        return sql.SQL("{0} >= {1} AND {0} < {2}").format(column, *whole)
    of = Decimal(1) / 1000 if time.unit == "s" else Decimal(per_ms)
    if time.kind == "numeric":
        numbers = [sql.Literal(ms * of) for ms in (start_ms, end_ms)]
        return sql.SQL("{0} >= {1} AND {0} < {2}").format(column, *numbers)
    doubles = [sql.Literal(str((ms + more) * of)) for ms, more in ((start_ms, -1), (end_ms, 1))]
    borders = sql.SQL("{0} >= {1}::float8 AND {0} <= {2}::float8").format(column, *doubles)
    return borders if about else sql.SQL("{} AND {}").format(borders, exact)


def _instants(time: BareTime, start_ms: int, end_ms: int) -> tuple[str, str, bool]:
    """The borders as PostgreSQL reads them, in the clock of the column, and whether they say it exactly."""
    first, last = (EPOCH + timedelta(milliseconds=ms) for ms in (start_ms, end_ms))
    if not time.zone:
        return first.isoformat(), last.isoformat(), True
    here = zone(time.zone)
    every = [
        first - ABOUT + timedelta(hours=n) for n in range(0, int((last - first + 2 * ABOUT).total_seconds() // 3600))
    ]
    offsets = {instant.astimezone(here).utcoffset() or timedelta() for instant in every}
    clock = [(first + min(offsets)).replace(tzinfo=None), (last + max(offsets)).replace(tzinfo=None)]
    return clock[0].isoformat(), clock[1].isoformat(), len(offsets) == 1
