"""The days on which a simulated plant goes on: those before today, added as they go by.

A day has the same rows whenever it is added. One place, whose gateway is cut off every evening, hands in the end of a
day a day later.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg import Connection, sql

from . import ignition_schema
from .ignition_values import epoch_ms, moment
from .plant import Table, copy_readings, create, mark, marked, plant_tables
from .plant_tags import DAY_MS, LATE_MS, PlantOptions, hands_in_late, plant_tags, tags_of_day

# Before today: so many days are added where they are missing, and of so many what came late. Older ones stay.
FRESH_DAYS, LATE_DAYS = 2, 14


def grow(dsn: str, options: PlantOptions | None = None, *, today: date | None = None, late: bool = False) -> int:
    """Add what the plant of ``options`` has measured since: of the last days before ``today`` those that are missing.

    Parameters
    ----------
    options
        The demo's plant when not given. Where another stands, or none, nothing is added.
    today
        Today in UTC when not given; of it nothing is added.
    late
        The readings of yesterday that would come tomorrow come now.

    Returns
    -------
    int
        How many readings were added.
    """
    options = options or PlantOptions(goes_on=True)
    today_ms = epoch_ms(datetime.combine(today or datetime.now(UTC).date(), datetime.min.time(), UTC))
    first_ms = max(options.end_ms, today_ms - LATE_DAYS * DAY_MS)
    tags = plant_tags(options)
    added = 0
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('sensorstream plant'))")
        stands = [marked(connection, options, table.name) is not None for table in plant_tables(options, tags)]
        if not (options.goes_on and all(stands)):
            return 0
        changed = set()
        for day_ms in range(first_ms, today_ms, DAY_MS):
            of_day = replace(options, days=1, end=moment(day_ms + DAY_MS).date())
            for table in plant_tables(of_day, tags_of_day(tags, options, day_ms)):
                begun = _holds(connection, table, table.start_ms, table.end_ms - LATE_MS)
                if not begun and day_ms < today_ms - FRESH_DAYS * DAY_MS:
                    continue
                pieces = [] if begun else [_at_once(table)]
                if late or day_ms + DAY_MS < today_ms:
                    pieces += _late(connection, table)
                for piece in pieces:
                    added += _append(connection, options, piece)
                    changed.add(table.name)
        connection.commit()
        connection.autocommit = True
        for name in sorted(changed):
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(name)))
    return added


def _at_once(table: Table) -> Table:
    """What is read of a table's day while it goes by."""
    late_from = table.end_ms - LATE_MS
    tags = (replace(tag, last_ms=late_from) if hands_in_late(tag) else tag for tag in table.tags)
    return replace(table, tags=tuple(tags))


def _late(connection: Connection[Any], table: Table) -> list[Table]:
    """What comes of a table's day a day later, where it is missing."""
    held = tuple(tag for tag in table.tags if hands_in_late(tag))
    late_from = table.end_ms - LATE_MS
    if not held or _holds(connection, table, late_from, table.end_ms, [tag.id for tag in held]):
        return []
    return [replace(table, start_ms=late_from, tags=held)]


def _holds(connection: Connection[Any], table: Table, start_ms: int, end_ms: int, ids: list[int] | None = None) -> bool:
    """Whether the table is there and has a reading of that time, of one of ``ids`` or of any tag."""
    if not ignition_schema.reading_tables(connection, f"^{table.name}$"):
        return False
    some = sql.SQL(
        "SELECT FROM {} WHERE t_stamp >= %s AND t_stamp < %s AND (%s::int[] IS NULL OR tagid = ANY(%s)) LIMIT 1"
    )
    query = some.format(sql.Identifier(table.name))
    return connection.execute(query, [start_ms, end_ms, ids, ids]).fetchone() is not None


def _append(connection: Connection[Any], options: PlantOptions, piece: Table) -> int:
    """Put a piece of a day behind what its month's table holds; the first piece of a month makes the table."""
    before = marked(connection, options, piece.name)
    if before is None:
        ignition_schema.drop_tables(connection, [piece.name])
        create(connection, options, piece)
        ignition_schema.index_partition(connection, piece.name)
        if options.layout == "ignition":
            row = [piece.name, piece.driver, *piece.month]
            connection.execute("INSERT INTO sqlth_partitions VALUES (%s, %s, %s, %s, 0, 0)", row)
    count = copy_readings(connection, options, piece, lambda _: None, "FORMAT binary")
    mark(connection, options, piece.name, (before or 0) + count)
    return count
