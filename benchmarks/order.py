"""What a contender is told: where the historian and the lake are, and which readings to move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from sensorstream.sandbox import Sandbox
from sensorstream.windows import Window

from . import other_layouts

GOOD_QUALITY = 192


@dataclass(frozen=True)
class Order:
    """One piece of work in one historian database; ``expected`` counts the readings of good quality in it.

    ``column`` is the value column that the floor copies; ``ids`` is ``None`` where every tag is wanted.
    """

    sandbox: Sandbox = field(repr=False)
    dbname: str
    window: Window
    tables: tuple[str, ...]
    ids: tuple[int, ...] | None
    patterns: tuple[str, ...]
    column: str
    expected: int
    scratch: Path
    kind: str = "ignition"

    def to_json(self, options: Mapping[str, Any], spark: Mapping[str, str]) -> dict[str, Any]:
        """The order as a contender reads it, passwords in it: only ever written to a contender's standard input."""
        box = self.sandbox
        return {
            "db": {
                "host": box.host,
                "port": box.port,
                "dbname": self.dbname,
                "user": box.reader,
                "password": box.reader_password,
            },
            "s3": {
                "endpoint": box.s3_endpoint,
                "bucket": box.bucket,
                "region": box.region,
                "access_key": box.access_key,
                "secret_key": box.secret_key,
            },
            "window_ms": [self.window.start_ms, self.window.end_ms],
            "tables": list(self.tables),
            "ids": list(self.ids) if self.ids is not None else None,
            "patterns": list(self.patterns),
            "quality": GOOD_QUALITY,
            "column": self.column,
            "scratch": str(self.scratch),
            "layout": other_layouts.LAYOUTS.get(self.kind),
            "select": other_layouts.DUCKDB.get(self.kind),
            "options": dict(options),
            "spark": dict(spark),
        }


def make_order(
    sandbox: Sandbox,
    dbname: str,
    window: Window,
    *,
    patterns: tuple[str, ...] = (".*",),
    column: str = "floatvalue",
    scratch: Path,
    kind: str = "ignition",
) -> Order:
    """Look up the partition tables of a historian and count what there is to move."""
    dsn = psycopg.conninfo.make_conninfo(sandbox.reader_dsn, dbname=dbname)
    with psycopg.connect(dsn, autocommit=True) as connection:
        if kind in other_layouts.LAYOUTS:
            there = (other_layouts.TABLES[kind],), None, patterns, column, other_layouts.expected(connection, kind)
            return Order(sandbox, dbname, window, *there, scratch, kind)
        tables = tuple(
            row[0]
            for row in connection.execute(
                "SELECT DISTINCT pname FROM sqlth_partitions WHERE coalesce(blocksize, 0) = 0"
                " AND to_regclass(pname) IS NOT NULL AND start_time < %s AND end_time > %s ORDER BY 1",
                [window.end_ms, window.start_ms],
            )
        )
        ids = None
        if patterns != (".*",):
            query = "SELECT id FROM sqlth_te WHERE tagpath ~ ANY(%s) ORDER BY id"
            ids = tuple(row[0] for row in connection.execute(query, [list(patterns)]))
        expected = sum(_count(connection, table, window, ids) for table in tables)
    return Order(sandbox, dbname, window, tables, ids, patterns, column, expected, scratch)


def _count(connection: psycopg.Connection[Any], table: str, window: Window, ids: tuple[int, ...] | None) -> int:
    row = connection.execute(
        sql.SQL(
            "SELECT count(*) FROM {} WHERE t_stamp >= %s AND t_stamp < %s AND dataintegrity = %s"
            " AND (%s::int[] IS NULL OR tagid = ANY(%s::int[]))"
        ).format(sql.Identifier(table)),
        [window.start_ms, window.end_ms, GOOD_QUALITY, *([list(ids) if ids is not None else None] * 2)],
    ).fetchone()
    return int(row[0]) if row else 0
