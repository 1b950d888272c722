"""Load anyone's CSV of sensor readings into the tables of an Ignition historian.

The historian's key is (tagid, t_stamp), so a time that stands twice for one tag cannot stand under one id. The k-th
occurrence of a time, in the order of the file, goes under the k-th id of the same path: nothing is lost, and the
reader of the historian sees what a real one shows after a clock went back or a failover.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

import psycopg
from psycopg import Connection, sql

from . import ignition_schema
from .ignition_values import moment, months
from .replay_csv import Recording, Series
from .replay_numbers import Value

# Below these stand the drivers and tags of the simulated plant, so that either can come first.
FIRST_DRIVER, FIRST_TAG, FIRST_SCAN = 101, 1_000_001, 1_000_001

STAGE = """
CREATE TEMPORARY TABLE replayed (
    tagid integer, intvalue bigint, floatvalue double precision, stringvalue text, dataintegrity integer, t_stamp bigint
) ON COMMIT DROP
"""
# Rows that stand there already are not touched: the same file twice writes nothing.
MERGE = """
INSERT INTO {table} AS kept (tagid, intvalue, floatvalue, stringvalue, dataintegrity, t_stamp)
SELECT * FROM replayed WHERE t_stamp >= %s AND t_stamp < %s ORDER BY t_stamp, tagid
ON CONFLICT (tagid, t_stamp) DO UPDATE SET
    intvalue = excluded.intvalue, floatvalue = excluded.floatvalue, stringvalue = excluded.stringvalue,
    dataintegrity = excluded.dataintegrity
WHERE (kept.intvalue, kept.floatvalue, kept.stringvalue, kept.dataintegrity)
    IS DISTINCT FROM (excluded.intvalue, excluded.floatvalue, excluded.stringvalue, excluded.dataintegrity)
"""


@dataclass(frozen=True)
class ReplaySummary:
    """What was loaded. ``tags`` counts paths; ``doubled`` the readings whose time stood before; ``end`` is the last.

    ``remarks`` say how the file was read where somebody might have meant it otherwise.
    """

    tags: int
    tag_ids: int
    readings: int
    doubled: int
    tables: tuple[str, ...]
    start: datetime
    end: datetime
    seconds: float
    remarks: tuple[str, ...]


def replay(dsn: str, recording: Recording) -> ReplaySummary:
    """Load what a wide or long CSV or Parquet file holds; see ``replay_csv`` for what it may look like.

    One transaction: all of the file or nothing. The same file again changes nothing; a corrected file corrects its
    readings, and one with later times adds to them.
    """
    started = time.perf_counter()
    series = recording.series
    ranks = [occurrences(each.t_stamp) for each in series]
    start_ms = min(min(each.t_stamp) for each in series)
    end_ms = max(max(each.t_stamp) for each in series)
    spans = months_with_readings(series)
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('sensorstream replay'))")
        ignition_schema.create_catalog(connection)
        driver_id, scan_id = _driver(connection)
        _extend_scan(connection, scan_id, start_ms, end_ms)
        connection.execute(STAGE)
        ids_used = 0
        for each, rank in zip(series, ranks, strict=True):
            ids = _tag_ids(connection, each, scan_id, max(rank) + 1)
            ids_used += len(ids)
            _stage(connection, each, [ids[k] for k in rank])
        tables = _merge(connection, driver_id, spans)
        ignition_schema.advance_ids(connection)
        connection.commit()
        for table in tables:
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
    return ReplaySummary(
        tags=len(series),
        tag_ids=ids_used,
        readings=sum(len(rank) for rank in ranks),
        doubled=sum(k > 0 for rank in ranks for k in rank),
        tables=tuple(tables),
        start=moment(start_ms),
        end=moment(end_ms),
        seconds=time.perf_counter() - started,
        remarks=tuple(recording.remarks),
    )


def patterns(recording: Recording) -> list[str]:
    """Patterns that find these tags: by the folder that they share, else one by one."""
    paths = [each.path for each in recording.series]
    folder = os.path.commonprefix(paths).rpartition("/")[0]  # noqa: RUF071 (cut at a slash)
    return [f"^{re.escape(folder)}/"] if folder else [f"^{re.escape(path)}$" for path in paths]


def months_with_readings(series: list[Series]) -> list[tuple[str, int, int]]:
    """Name, start and end in epoch ms of the months that hold a reading: a century between two costs nothing."""
    found: list[tuple[str, int, int]] = []
    for t in sorted({t for each in series for t in each.t_stamp}):
        if not found or t >= found[-1][2]:
            found += months(t, t + 1)
    return found


def occurrences(times: list[int]) -> list[int]:
    """How often each time stood before in the list: 0 for the first, 1 for the second."""
    before: defaultdict[int, count[int]] = defaultdict(count)
    return [next(before[t]) for t in times]


def _driver(connection: Connection[Any]) -> tuple[int, int]:
    """Ids of the driver and of its one scan class, made where they are missing."""
    ((driver_id,),) = connection.execute("SELECT min(id) FROM sqlth_drv WHERE name = 'replay'")
    if driver_id is None:
        driver_id = _next_id(connection, "sqlth_drv", FIRST_DRIVER)
        connection.execute("INSERT INTO sqlth_drv VALUES (%s, 'replay', 'default')", [driver_id])
    ((scan_id,),) = connection.execute("SELECT min(id) FROM sqlth_scinfo WHERE drvid = %s", [driver_id])
    if scan_id is None:
        scan_id = _next_id(connection, "sqlth_scinfo", FIRST_SCAN)
        connection.execute("INSERT INTO sqlth_scinfo VALUES (%s, '_exempt_', %s)", [scan_id, driver_id])
    return int(driver_id), int(scan_id)


def _next_id(connection: Connection[Any], table: str, first: int) -> int:
    query = sql.SQL("SELECT greatest(max(id) + 1, %s) FROM {}").format(sql.Identifier(table))
    ((number,),) = connection.execute(query, [first])
    return int(number)


def _extend_scan(connection: Connection[Any], scan_id: int, start_ms: int, end_ms: int) -> None:
    wider = "UPDATE sqlth_sce SET start_time = least(start_time, %s), end_time = greatest(end_time, %s) WHERE scid = %s"
    if not connection.execute(wider, [start_ms, end_ms, scan_id]).rowcount:
        connection.execute("INSERT INTO sqlth_sce VALUES (%s, %s, %s, 0)", [scan_id, start_ms, end_ms])


def _tag_ids(connection: Connection[Any], series: Series, scan_id: int, number: int) -> list[int]:
    """The first ``number`` ids of a path, in order; a column of another type gets ids of its own, as in a gateway."""
    known = connection.execute(
        "SELECT id FROM sqlth_te WHERE tagpath = %s AND scid = %s AND datatype = %s ORDER BY id",
        [series.path, scan_id, series.datatype],
    )
    ids = [id_ for (id_,) in known]
    while len(ids) < number:
        ids.append(_next_id(connection, "sqlth_te", FIRST_TAG))
        connection.execute(
            "INSERT INTO sqlth_te VALUES (%s, %s, %s, %s, 0, %s, NULL)",
            [ids[-1], series.path, scan_id, series.datatype, min(series.t_stamp)],
        )
    return ids[:number]


def _stage(connection: Connection[Any], series: Series, ids: list[int]) -> None:
    values: list[Value | None] = [None, None, None]  # by datatype: whole number, number, text
    with connection.cursor() as cursor, cursor.copy("COPY replayed FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4", "int8", "float8", "text", "int4", "int8"])
        for id_, value, quality, t_stamp in zip(ids, series.values, series.quality, series.t_stamp, strict=True):
            values[series.datatype] = value
            copy.write_row((id_, *values, quality, t_stamp))


def _merge(connection: Connection[Any], driver_id: int, spans: list[tuple[str, int, int]]) -> list[str]:
    """Move the staged rows into their months' tables."""
    made = []
    for month, *span in spans:
        table = f"sqlt_data_{driver_id}_{month}"
        if not ignition_schema.reading_tables(connection, f"^{table}$"):
            # Text without a limit, as on sites that had overflows: no cell of a CSV file is cut.
            ignition_schema.create_partition(connection, table, text="text")
            ignition_schema.index_partition(connection, table)
            connection.execute("INSERT INTO sqlth_partitions VALUES (%s, %s, %s, %s, 0, 0)", [table, driver_id, *span])
        connection.execute(sql.SQL(MERGE).format(table=sql.Identifier(table)), span)
        made.append(table)
    return made
