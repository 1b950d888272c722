"""Whether PostgreSQL knows a clock as this machine does: both have time zone data of their own, and governments change
it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg import sql

from ..errors import SourceError
from ..windows import Window, zone
from .arrays import array
from .time_sql import ABOUT

if TYPE_CHECKING:
    from .catalog import Historian

A_YEAR, HOUR, DAY = timedelta(days=366), timedelta(hours=1), timedelta(days=1)
OFFSETS = "SELECT extract(epoch FROM at AT TIME ZONE {} - at AT TIME ZONE 'UTC')::int FROM unnest({}) at"


def refuse_other_zones(historian: Historian, window: Window) -> None:
    """``SourceError`` where, in ``window``, PostgreSQL has another offset for the zone of a layout's times than this
    machine: readings would be an hour off, and some of them in no window."""
    step = HOUR if window.end - window.start < A_YEAR else DAY
    count = (window.end - window.start + 2 * ABOUT) // step
    every = [window.start - ABOUT + n * step for n in range(count)]
    for name in sorted({kind.time.zone for kind in historian.layout.readings if kind.time.zone}):
        query = sql.SQL(OFFSETS).format(sql.Literal(name), array([at.isoformat() for at in every], "timestamptz"))
        theirs = [offset for (offset,) in historian.ask(f"looking at time zone {name}", query)]
        here = [round((at.astimezone(zone(name)).utcoffset() or timedelta()).total_seconds()) for at in every]
        for at, mine, other in zip(every, here, theirs, strict=True):
            if mine != other:
                raise SourceError(
                    f"on {at:%Y-%m-%d} {name} is {mine / 3600:+g} h from UTC by the time zone data of this machine, and"
                    f" {other / 3600:+g} h by PostgreSQL's: update the older (tzdata here, PostgreSQL's minor version"
                    ' there), or name under "zone" one on which both agree'
                )
