"""Whether a table of readings has the shape that its layout says, and how its rows are seen as readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from psycopg import sql

from ..config.layouts.description import Readings
from ..errors import SourceError
from . import view_sql
from .connection import scalar
from .layout import INTEGERS, NUMERIC_TYPES, refuse_other_shape, wanted_of
from .model import IN_MILLISECONDS, KEYS, YEAR_1990, YEAR_2100, PartitionTable, unit_of
from .tag_rows import keys_of
from .time_sql import BareTime, kinds_of
from .view_sql import View, relation

if TYPE_CHECKING:
    from .catalog import Historian

LOOKED_AT, MOST = 10, (1 << 63) - 1  # times of a table, to tell their unit, and the greatest of them
UNITS = {"ms": "milliseconds", "s": "seconds", "us": "microseconds", "ns": "nanoseconds"}
TO_MILLISECONDS = {"s": "* 1000", "us": "/ 1000", "ns": "/ 1000000"}
SYSTEM_COLUMNS = """
SELECT relkind IN ('r', 'm', 'p') FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = %s AND relname = %s
"""


def checked(historian: Historian, table: PartitionTable) -> PartitionTable:
    """The table with its columns and their types.

    Raises ``SourceError`` where it lacks a column or has one of another type, where PostgreSQL refuses an expression of
    its layout, and where its times are of another unit.
    """
    kind, columns = historian.layout.readings[table.family], historian.columns(table.name)
    if kind.plain:
        wanted = wanted_of(kind)
        refuse_other_shape(table.name, columns, wanted, historian.layout.name)
        kinds = tuple((column, columns[column]) for column in wanted)
        values = tuple(column for column in wanted if column not in KEYS)
        table = replace(table, columns=values, kinds=kinds, encoding=historian.encoding)
    else:
        table = _viewed(historian, table, kind, columns)
    if table.name not in historian.judged:
        _refuse_other_units(historian, table, kind, columns)
        historian.judged.add(table.name)
    return table


def wide_paths(historian: Historian) -> dict[str, None]:
    """The tag paths of wide tables, each once, in the order of tables and columns."""
    series: dict[str, str] = {}
    for table in historian.every_table():
        kind = historian.layout.readings[table.family]
        mine = kind.tables.series(table.name)
        for path in view_sql.paths_of(kind, historian.columns(table.name)).values():
            if (other := series.setdefault(path, mine)) != mine:
                raise SourceError(
                    f'layout "{historian.layout.name}": columns of tables {other} and {mine} are both tag {path}:'
                    ' describe each in an object of its own, with its path, in the list of "readings"'
                )
    return dict.fromkeys(series)


def _note_left_out(historian: Historian, table: str, kind: Readings, columns: Mapping[str, str]) -> None:
    """Say which columns of a wide table nobody has named are of no type that a tag has."""
    assert kind.wide is not None
    known = {*view_sql.paths_of(kind, columns), *view_sql.no_tags(kind), *kind.wide.without}
    if left_out := [f"{name} ({type_})" for name, type_ in columns.items() if name not in known and not kind.wide.of]:
        note = f"{table}: columns {', '.join(left_out)} hold neither numbers nor texts: left out,"
        note += ' name them under "without", or show them as text in a view'
        historian.notes.extend([] if note in historian.notes else [note])


def _viewed(historian: Historian, table: PartitionTable, kind: Readings, columns: Mapping[str, str]) -> PartitionTable:
    name, layout = table.name, historian.layout.name
    own = [kind.time.column, *([kind.time.nanoseconds] if kind.time.nanoseconds else [])]
    wanted = {kind.time.column: kinds_of(kind.time), **dict.fromkeys(own[1:], INTEGERS)}
    wanted |= {column: INTEGERS if historian.whole_ids else () for column in kind.id}
    wanted |= dict.fromkeys(kind.wide.of, ()) if kind.wide else {}
    refuse_other_shape(name, columns, wanted, layout)
    types = _types(historian, table, kind)
    system = bool(scalar(historian.connection, SYSTEM_COLUMNS, [historian.schema, name]))
    if kind.wide:
        tags = view_sql.paths_of(kind, columns)
        if not tags:
            raise SourceError(
                f'table {name} has no column of numbers or texts that is a tag: correct "wide" of layout "{layout}"'
            )
        _note_left_out(historian, name, kind, columns)
        shown, rest = view_sql.wide(kind, columns, tags, system=system)
        of_row, rest_of_row, wide = view_sql.wide_rows(kind, columns, tags, system=system)
        as_rows = of_row.as_string(historian.connection), rest_of_row.as_string(historian.connection)
        keys = None
    else:
        as_rows, wide = None, ()
        # Where tags' ids are no whole numbers, a hash here as well: of 7 that of '7'.
        of_readings, tags_id = [columns[name] for name in kind.id], historian.layout.tags and historian.layout.tags.id
        of_tags = [historian.tag_kinds[name] for name in tags_id] if tags_id else of_readings
        number = view_sql.id_of(kind.id, of_readings, of_tags, hashed=not historian.whole_ids)
        shown, rest = view_sql.narrow(kind, columns, types, number, system=system)
        keys = None if historian.whole_ids else keys_of(historian, columns, kind.id)
    time = BareTime(
        kind.time.column, kind.time.unit, columns[kind.time.column], kind.time.zone or "", bool(kind.time.nanoseconds)
    )
    whole = kind.id[0] if historian.whole_ids and not kind.wide else None
    columns_sql, rest_sql = (part.as_string(historian.connection) for part in (shown, rest))
    view = View(columns_sql, rest_sql, own=(*kind.id, *own), time=time, id=whole, keys=keys, row=as_rows, wide=wide)
    query = sql.SQL("SELECT * FROM {} LIMIT 0").format(relation(historian.schema, name, view))
    found = historian.types_of(f"readings.{table.family}", query)
    values = tuple(column for column in (*view_sql.NUMBERS, *view_sql.TEXTS) if column in found)
    kinds = tuple((column, found[column]) for column in (*KEYS, *values))
    return replace(table, columns=values, kinds=kinds, encoding=historian.encoding, view=view)


def _types(historian: Historian, table: PartitionTable, kind: Readings) -> dict[str, str]:
    """The type of each expression of the layout in this table; each is asked for by itself, so that PostgreSQL's
    sentence comes with its key."""
    found = {}
    named = [(f"numbers.{n}", text) for n, text in enumerate(kind.numbers)]
    named += [(f"texts.{n}", text) for n, text in enumerate(kind.texts)]
    named += [(key, text) for key, text in (("quality", kind.quality), ("where", kind.where)) if text]
    for key, text in named:
        key = f"readings.{table.family}.{key}"
        query = sql.Composed([
            sql.SQL(f"SELECT ({text}\n) AS given FROM "),
            sql.Identifier(historian.schema, table.name), sql.SQL(" own LIMIT 0"),
        ])  # fmt: skip
        found[text], *more = historian.types_of(key, query).values()
        if more:
            raise SourceError(
                f'layout "{historian.layout.name}": "{key}" is {1 + len(more)} columns of table {table.name}: name one'
            )
        wanted = {"numbers": (*NUMERIC_TYPES, "boolean"), "quality": INTEGERS, "where": ("boolean",)}
        allowed = wanted.get(key.split(".")[2])
        if allowed and found[text] not in allowed:
            raise SourceError(
                f'layout "{historian.layout.name}": "{key}" is of type {found[text]} in table {table.name}, not'
                f" {' or '.join(allowed)}: cast it"
            )
    return found


def _refuse_other_units(
    historian: Historian, table: PartitionTable, kind: Readings, columns: Mapping[str, str]
) -> None:
    """``SourceError`` where the times of a table are not of the unit that is said, as a few of them tell: such a table
    has no reading in any window."""
    said, column = kind.time.unit, sql.Identifier(kind.time.column)
    if said not in UNITS:
        return
    some = sql.SQL("SELECT {} FROM {} WHERE {} LIMIT {}")
    name = sql.Identifier(historian.schema, table.name)
    doing = f"looking at the times of {table.name}"
    there = sql.SQL("{} BETWEEN -{} AND {}").format(column, MOST, MOST)  # of a double no NaN
    stamps = historian.ask(doing, some.format(column, name, there, LOOKED_AT))
    units = {unit: stamp for (stamp,) in reversed(stamps) if (unit := unit_of(int(stamp), table.span))}
    if not units or said in units:
        return
    of_our_days = sql.SQL("{0} >= {1} AND {0} < {2}").format(
        column, *(sql.Literal(int(ms / IN_MILLISECONDS[said])) for ms in (YEAR_1990, YEAR_2100))
    )
    unit, stamp = next(iter(units.items()))
    if historian.ask(doing, some.format(column, name, of_our_days, 1)):
        historian.notes.append(
            f"{table.name} has times that are no {UNITS[said]}, {stamp} for one: no window holds them"
        )
        return
    remedy = (
        f"show it in a view with t_stamp {TO_MILLISECONDS[unit]}"
        if kind.plain
        else f'say "unit": "{unit}" in the layout'
    )
    raise SourceError(
        f"table {table.name} has times in {UNITS[unit]}, {kind.time.column} {stamp} for one, where {UNITS[said]} since"
        f" 1970 are read: {remedy}"
    )
