"""Fill a PostgreSQL with the simulated plant as any system that is known keeps it.

Ignition's tables are made in a schema of their own, which a script turns into those of the other system: the rows
follow from the options alone, wherever they are made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, conninfo, sql

from ...errors import ConfigError
from .. import plant
from ..ignition_schema import CATALOG_TABLES, count_rows, drop_tables, reading_tables
from ..plant_tags import UNITS, PlantOptions, description, plant_tags

SCRIPTS = Path(__file__).parent
BEING_SEEDED = "being_seeded"  # a schema
# Of each system the names of its tables of readings, as a regular expression, and its others.
SYSTEMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "thingsboard": ("^ts_kv$", ("ts_kv_latest", "key_dictionary", "device", "asset", "tenant")),
    "zabbix": ("^history(_uint|_str|_text)?$", ("items", "hosts")),
    "home_assistant": ("^states$", ("states_meta", "state_attributes")),
    "rapid_scada": ("^mincopy_historical$", ()),
    "rapid_scada_export": ("^cnl_data$", ()),
    "wincc_oa": ("^_event_[0-9]+_a$", ("elements", "segments", "archive_groups", "_alert_1_a")),
    "epics": ("^sample$", ("channel", "severity", "status", "num_metadata")),
    "timescale_ignition": ("^sqlth_[12]_data$", CATALOG_TABLES),
    "wide_logger": ("^plant_log_[0-9]{4}_[0-9]{2}$", ()),
}
PLANT = """
CREATE TEMPORARY TABLE plant_tag (
    id int PRIMARY KEY, path text, kind text, unit text, description text, ids int[]) ON COMMIT DROP;
CREATE TEMPORARY TABLE plant_reading (
    id int, t_stamp bigint, intvalue bigint, floatvalue double precision, stringvalue varchar(255),
    datevalue timestamp, dataintegrity int) ON COMMIT DROP
"""
# Of two ids of a path that were read at one time the younger's reading; in the order in which it was made.
READINGS = """
INSERT INTO plant_reading SELECT * FROM (
    SELECT DISTINCT ON (id, t_stamp) id, t_stamp, intvalue, floatvalue, stringvalue, datevalue, dataintegrity
    FROM ({every}) r JOIN (SELECT id, unnest(ids) AS tagid, ids FROM plant_tag) t USING (tagid)
    ORDER BY id, t_stamp, tagid = ids[1] DESC) r
ORDER BY t_stamp, id
"""


def seed(dsn: str, options: PlantOptions, progress: Callable[[int], None] | None = None) -> plant.SeedSummary:
    """Put the plant that ``options`` describe into the database, as ``options.layout`` keeps it; see ``plant.seed``.

    Raises ``ConfigError`` where tables of another system are there, which a configuration that says no layout may find
    first; ``options.fresh`` drops them.
    """
    if options.layout in plant.PLANT_TABLES:
        return plant.seed(dsn, options, progress)
    started = time.perf_counter()
    with psycopg.connect(dsn) as connection:
        _clear(connection, options)
        count = plant.standing(connection, options, _tables(connection, options.layout))
    if count is None:
        count = _fill(dsn, options, progress)
    elif progress:
        progress(count)
    with psycopg.connect(dsn) as connection:
        tables = _tables(connection, options.layout)
    return plant.summary(options, count, tables, started)


def _clear(connection: Connection[Any], options: PlantOptions) -> None:
    """Drop other systems' tables, if they may go."""
    theirs = [table for name in SYSTEMS if name != options.layout for table in _every_table(connection, name)]
    theirs += [*reading_tables(connection, plant.PLANT_TABLES["ignition"]), *_those(connection, ("sqlth_te", "tags"))]
    own = _every_table(connection, options.layout)
    if theirs := [table for table in theirs if table not in own]:
        if not options.fresh:
            raise ConfigError(
                f"the historian holds tables of another system, {theirs[0]} for one, which a configuration may find"
                f' before those of "{options.layout}": seed with --fresh, which drops them'
            )
        drop_tables(connection, theirs, cascade=True)


def _fill(dsn: str, options: PlantOptions, progress: Callable[[int], None] | None) -> int:
    apart = conninfo.make_conninfo(dsn, options=f"-c search_path={BEING_SEEDED}")
    ignition = replace(options, layout="ignition", fresh=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {BEING_SEEDED} CASCADE")
        connection.execute(f"CREATE SCHEMA {BEING_SEEDED}")
        try:
            plant.seed(apart, ignition, progress)
            with connection.transaction():
                drop_tables(connection, _every_table(connection, options.layout), cascade=True)
                _stage(connection, ignition)
                connection.execute((SCRIPTS / f"{options.layout}.sql").read_text(encoding="utf-8"))
                tables = _tables(connection, options.layout)
                count = count_rows(connection, tables)
                plant.mark(connection, options, tables[0], count)
        finally:
            connection.execute(f"DROP SCHEMA {BEING_SEEDED} CASCADE")
        for table in _every_table(connection, options.layout):
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
    return count


def _stage(connection: Connection[Any], ignition: PlantOptions) -> None:
    """The plant's tags, numbered by path, and its readings, for the scripts to make tables of."""
    connection.execute(PLANT)
    by_path: dict[str, list[Any]] = {}
    for tag in plant_tags(ignition):
        if tag.step_ms:
            by_path.setdefault(tag.path, []).append(tag)
    rows = [
        (number, path, tags[0].kind, UNITS.get(tags[0].kind, ""), description(tags[0]), [tag.id for tag in tags])
        for number, (path, tags) in enumerate(sorted(by_path.items()), 1)
    ]
    connection.cursor().executemany("INSERT INTO plant_tag VALUES (%s, %s, %s, %s, %s, %s)", rows)
    every = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT * FROM {}").format(sql.Identifier(BEING_SEEDED, table.name))
        for table in plant.plant_tables(ignition, plant_tags(ignition))
    )
    connection.execute(sql.SQL(READINGS).format(every=every))


def _tables(connection: Connection[Any], layout: str) -> list[str]:
    """The tables of readings of a system that are there."""
    return reading_tables(connection, SYSTEMS[layout][0])


def _every_table(connection: Connection[Any], layout: str) -> list[str]:
    return [*_tables(connection, layout), *_those(connection, SYSTEMS[layout][1])]


def _those(connection: Connection[Any], names: tuple[str, ...]) -> list[str]:
    return reading_tables(connection, f"^({'|'.join(names)})$")
