"""Fill a PostgreSQL with a simulated plant: a real historian's tables, and everything odd that real ones hold.

What to expect: daily cycles and noise, a stuck sensor, gaps of hours, about 1.5 % bad quality (0, 500, 600, 256, and
777, which no list names; 600 and 777 hold no value), tag paths with spaces, ``%``, ``#``, an umlaut and a provider, a
path with two ids in one driver and a path that moved to the other driver, both with overlapping and partly equal
times, a retired tag without readings, a listed partition that is gone, one that is listed twice, and a pre-processed
one whose readings are all -9999.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection, sql

from ..errors import ConfigError
from . import copy_rows, ignition_schema
from .ignition_schema import count_rows, drop_tables, reading_tables
from .ignition_values import moment, months
from .plant_signals import readings
from .plant_tags import DAY_MS, DRIVERS, UNITS, PlantOptions, Tag, description, plant_tags

__all__ = ["PlantOptions", "SeedSummary", "seed"]

# Part of every table's mark; raise it when the same options make other rows than before.
GENERATION = 2
CONNECTIONS = 2
READINGS_PER_BLOCK = 500_000  # about 100 MB of memory a connection
BLOCKS_MS = [DAY_MS // parts for parts in (1, 2, 4, 8, 24, 96, 288, 1440, 8640, 86400)]
PLANT_TABLES = {
    "ignition": r"^sqlt_data_[12]_[0-9_]+$",
    "generic": r"^sensor_data_[0-9]{4}_[0-9]{2}$",
}
PREPROCESSED_SECONDS, PREPROCESSED_VALUE = 60, -9999.0
GENERIC_TABLE = """
CREATE TABLE {table} (
    tagid integer NOT NULL, t_stamp bigint NOT NULL, value double precision, dataintegrity integer)
"""


@dataclass(frozen=True)
class SeedSummary:
    """What stands in the database after seeding. ``tags`` and ``tag_ids`` are counts; times are UTC, end exclusive.

    ``start`` and ``end`` are those of the options: a plant that goes on has readings behind them.
    """

    tags: int
    tag_ids: int
    readings: int
    tables: tuple[str, ...]
    start: datetime
    end: datetime
    seconds: float


@dataclass(frozen=True)
class Table:
    """A partition table of the plant: one month of one driver (generic: of all)."""

    name: str
    driver: int
    start_ms: int
    end_ms: int
    month: tuple[int, int]
    tags: tuple[Tag, ...]


def seed(dsn: str, options: PlantOptions, progress: Callable[[int], None] | None = None) -> SeedSummary:
    """Put the plant that ``options`` describe into the database, in place of the plant that stands there.

    Replayed files stay, unless ``options.fresh``. A table that holds exactly these readings already is kept as it is
    (its mark and its count of rows say so), so seeding again is quick and disturbs nobody.

    Parameters
    ----------
    dsn
        Connection string of a role that may create tables in its schema.
    progress
        Called with how many readings were stored since the last call; from several threads.
    """
    started = time.perf_counter()
    _check(options)
    tags = plant_tags(options)
    tables = plant_tables(options, tags)
    with psycopg.connect(dsn) as connection:
        grown = _grown(connection, options, tags)
        _prepare(connection, options, [*tables, *grown])
        if options.layout == "ignition":
            _write_ignition_catalog(connection, options, tags, tables, grown)
        else:
            _write_generic_tags(connection, tags)
    report = progress or (lambda count: None)
    # The biggest table first: the others fill the second connection's time.
    biggest_first = sorted(tables, key=_weight, reverse=True)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        counts = list(pool.map(lambda table: _load(dsn, options, table, report), [*biggest_first, *grown]))
    return summary(options, sum(counts), [table.name for table in [*tables, *grown]], started)


def summary(options: PlantOptions, readings: int, tables: Sequence[str], started: float) -> SeedSummary:
    """What stands in the database after a seeding that ``started`` then, by ``time.perf_counter``."""
    tags = plant_tags(options)
    return SeedSummary(
        tags=len({tag.path for tag in tags if tag.step_ms}),
        tag_ids=len(tags),
        readings=readings,
        tables=tuple(tables),
        start=moment(options.start_ms),
        end=moment(options.end_ms),
        seconds=time.perf_counter() - started,
    )


def plant_tables(options: PlantOptions, tags: list[Tag]) -> list[Table]:
    drivers = sorted(set(DRIVERS.values())) if options.layout == "ignition" else [0]
    tables = []
    for driver in drivers:
        own = tuple(tag for tag in tags if tag.step_ms and driver in (0, tag.driver))
        for month, start_ms, end_ms in months(options.start_ms, options.end_ms):
            name = f"sqlt_data_{driver}_{month}" if driver else f"sensor_data_{month}"
            span = max(start_ms, options.start_ms), min(end_ms, options.end_ms)
            tables.append(Table(name, driver, *span, (start_ms, end_ms), own))
    return tables


def blocks(options: PlantOptions, table: Table) -> Iterator[tuple[int, int]]:
    """Pieces of the table's time span, none across midnight, small enough for memory."""
    per_ms = sum(1 / tag.step_ms for tag in table.tags)
    length = next((ms for ms in BLOCKS_MS if ms * per_ms <= READINGS_PER_BLOCK), BLOCKS_MS[-1])
    for start_ms in range(table.start_ms, table.end_ms, length):
        yield start_ms, start_ms + length


def _check(options: PlantOptions) -> None:
    for name, low, high in (("tags", 1, 999_000), ("days", 1, 36_600), ("rate_seconds", 0.001, 86_400)):
        value = getattr(options, name)
        if not low <= value <= high:
            raise ConfigError(f"{name} of the simulated plant is {value}: choose from {low} to {high}")
    if options.layout not in PLANT_TABLES:
        raise ConfigError(f'layout of the simulated plant is "{options.layout}": choose "ignition" or "generic"')


def _weight(table: Table) -> float:
    return sum((table.end_ms - table.start_ms) / tag.step_ms for tag in table.tags)


def _prepare(connection: Connection[Any], options: PlantOptions, tables: list[Table]) -> None:
    """Drop what is to go: everything of the layout, or what an earlier plant with other options left."""
    if options.fresh and options.layout == "ignition":
        drop_tables(connection, [*reading_tables(connection), *ignition_schema.CATALOG_TABLES])
    elif options.fresh:
        drop_tables(connection, [*reading_tables(connection, PLANT_TABLES["generic"]), "tags"])
    else:
        kept = {table.name for table in tables}
        stale = [name for name in reading_tables(connection, PLANT_TABLES[options.layout]) if name not in kept]
        drop_tables(connection, stale)


def _load(dsn: str, options: PlantOptions, table: Table, report: Callable[[int], None]) -> int:
    """Make one table whole, in one transaction; returns its number of readings."""
    with psycopg.connect(dsn) as connection:
        count = standing(connection, options, [table.name])
        if count is not None:
            report(count)
            return count
        connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        connection.execute("SET LOCAL synchronous_commit = off")
        drop_tables(connection, [table.name])
        create(connection, options, table)
        # FREEZE is allowed because the table is new in this transaction; it saves VACUUM a second pass.
        count = copy_readings(connection, options, table, report, "FORMAT binary, FREEZE")
        ignition_schema.index_partition(connection, table.name)
        mark(connection, options, table.name, count)
        connection.commit()
        connection.autocommit = True
        connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table.name)))
    return count


def create(connection: Connection[Any], options: PlantOptions, table: Table) -> None:
    """The table alone, without its indexes."""
    if options.layout == "ignition":
        ignition_schema.create_partition(connection, table.name)
    else:
        connection.execute(sql.SQL(GENERIC_TABLE).format(table=sql.Identifier(table.name)))


def copy_readings(
    connection: Connection[Any], options: PlantOptions, table: Table, report: Callable[[int], None], how: str
) -> int:
    """Copy the readings of the table's tags and span into it; returns their number."""
    count = 0
    columns = sql.SQL(copy_rows.COLUMNS[options.layout])
    statement = sql.SQL(f"COPY {{}} ({{}}) FROM STDIN ({how})").format(sql.Identifier(table.name), columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(copy_rows.HEADER)
        for start_ms, end_ms in blocks(options, table):
            made = [(tag, readings(tag, start_ms, end_ms, options.seed)) for tag in table.tags]
            copy.write(copy_rows.block(options.layout, made))
            stored = sum(len(read.t_stamp) for _, read in made)
            count += stored
            report(stored)
        copy.write(copy_rows.TRAILER)
    return count


def _mark_of(options: PlantOptions, table: str) -> str:
    made = repr((GENERATION, replace(options, fresh=False), table)).encode()
    return f"simulated plant {hashlib.sha256(made).hexdigest()[:16]}: "


def mark(connection: Connection[Any], options: PlantOptions, table: str, count: int) -> None:
    """Say on the table for which plant it was made, and how many readings it was left with."""
    comment = sql.Literal(f"{_mark_of(options, table)}{count} readings")
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(table), comment))


def marked(connection: Connection[Any], options: PlantOptions, table: str) -> int | None:
    """How many readings the table was left with, if it was made for this plant; else None."""
    row = connection.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [table]).fetchone()
    start, told = _mark_of(options, table), (row and row[0]) or ""
    return int(told.removeprefix(start).split()[0]) if told.startswith(start) else None


def standing(connection: Connection[Any], options: PlantOptions, tables: Sequence[str]) -> int | None:
    """Number of readings of tables that were made for this plant, as the first is marked, if it has not changed."""
    told = marked(connection, options, tables[0]) if tables else None
    return told if told is not None and told == count_rows(connection, tables) else None


def _grown(connection: Connection[Any], options: PlantOptions, tags: list[Tag]) -> list[Table]:
    """Tables behind the plant's own months that stand and hold days which were added as they went by."""
    today = datetime.now(UTC).date()
    if not options.goes_on or options.fresh or today <= options.end:
        return []
    own = {table.name for table in plant_tables(options, tags)}
    until_today = replace(options, end=today, days=options.days + (today - options.end).days)
    later = [table for table in plant_tables(until_today, tags) if table.name not in own]
    return [table for table in later if standing(connection, options, [table.name]) is not None]


def _write_ignition_catalog(
    connection: Connection[Any], options: PlantOptions, tags: list[Tag], tables: list[Table], grown: list[Table]
) -> None:
    """Rewrite the plant's own rows of the catalog and its pre-processed partition; others' rows stay."""
    ignition_schema.create_catalog(connection)
    drivers = [[id_, f"gateway-{site}", "default"] for site, id_ in DRIVERS.items()]
    of_scans, of_drivers = "scid IN (SELECT id FROM sqlth_scinfo WHERE drvid = ANY(%s))", "drvid = ANY(%s)"
    own = {"te": of_scans, "sce": of_scans, "scinfo": of_drivers, "drv": "id = ANY(%s)", "partitions": of_drivers}
    for table, of_plant in own.items():
        connection.execute(f"DELETE FROM sqlth_{table} WHERE {of_plant}", [list(DRIVERS.values())])
    scans = {key: i + 1 for i, key in enumerate(sorted({(tag.driver, tag.step_ms) for tag in tags}))}
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO sqlth_drv VALUES (%s, %s, %s)", drivers)
        cursor.executemany(
            "INSERT INTO sqlth_scinfo VALUES (%s, %s, %s)",
            [[id_, f"every {step} ms" if step else "_exempt_", driver] for (driver, step), id_ in scans.items()],
        )
        cursor.executemany(
            "INSERT INTO sqlth_sce VALUES (%s, %s, %s, %s)",
            [[id_, options.start_ms, options.end_ms, step] for (_, step), id_ in scans.items() if step],
        )
        cursor.executemany(
            "INSERT INTO sqlth_te VALUES (%s, %s, %s, %s, 0, %s, %s)",
            [[t.id, t.path, scans[t.driver, t.step_ms], t.datatype, t.created_ms, t.retired_ms] for t in tags],
        )
        first, last = tables[0], [t for t in tables if t.driver == tables[0].driver][-1]
        preprocessed = f"{last.name}_{PREPROCESSED_SECONDS}"
        ((before, *span),) = months(first.month[0] - 1, first.month[0])
        rows: list[list[Any]] = [
            *([t.name, t.driver, *t.month, 0] for t in tables),
            [f"sqlt_data_{first.driver}_{before}", first.driver, *span, 0],  # pruned by hand, still listed
            [last.name, last.driver, last.month[0], options.end_ms, 0],  # listed twice, with another end
            [preprocessed, last.driver, *last.month, PREPROCESSED_SECONDS],
            *([t.name, t.driver, *t.month, 0] for t in grown),
        ]
        cursor.executemany("INSERT INTO sqlth_partitions VALUES (%s, %s, %s, %s, %s, 0)", rows)
    _write_preprocessed(connection, preprocessed, last, tags[0].id)
    ignition_schema.advance_ids(connection)


def _write_preprocessed(connection: Connection[Any], name: str, raw: Table, tagid: int) -> None:
    drop_tables(connection, [name])
    ignition_schema.create_partition(connection, name)
    connection.execute(
        sql.SQL(
            "INSERT INTO {} (tagid, floatvalue, dataintegrity, t_stamp)"
            " SELECT %s, %s, 192, t FROM generate_series(%s::bigint, %s::bigint, %s::bigint) t"
        ).format(sql.Identifier(name)),
        [tagid, PREPROCESSED_VALUE, raw.start_ms, raw.start_ms + 3_600_000, PREPROCESSED_SECONDS * 1000],
    )
    ignition_schema.index_partition(connection, name)


def _write_generic_tags(connection: Connection[Any], tags: list[Tag]) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS tags (id integer PRIMARY KEY, tagpath text NOT NULL, description text, unit text)"
    )
    connection.execute("DELETE FROM tags")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO tags VALUES (%s, %s, %s, %s)",
            [[tag.id, tag.path, description(tag), UNITS.get(tag.kind, "")] for tag in tags],
        )
