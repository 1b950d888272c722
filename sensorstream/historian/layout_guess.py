"""A description of a historian that nobody has described yet, proposed by what its tables look like: to be edited."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from ..config.credentials import login
from ..config.layouts.known import known, names
from ..config.settings import Config
from ..errors import SourceError
from .connection import connect, of_one_server, source_errors
from .layout import INTEGERS, needs
from .model import unit_of
from .tables import existing_tables

TEXTS = ("text", "character varying", "character", "uuid")
VALUES = ("real", "double precision", "numeric", "boolean", *INTEGERS)
LOOKED_AT = 100  # times of a table
TIME = re.compile(r"at|ts|t|t_?stamp|.*_(at|ts)|.*(time|date|clock|stamp).*", re.IGNORECASE)
ID = re.compile(r".*(id|key|tag|name|sensor|channel|cnl|point|signal|code|num)s?", re.IGNORECASE)
QUALITY = re.compile(r".*(quality|status|stat|severity|integrity|good|valid).*", re.IGNORECASE)
PATH = re.compile(r".*(path|name|tag|label|key).*", re.IGNORECASE)
DIGITS = re.compile(r"_(?P<year>(19|20)\d\d)(?P<rest>(_?\d\d?)?(_?\d\d?)?)$")

COLUMNS = """
SELECT c.relname::text, attname::text, regexp_replace(format_type(atttypid, atttypmod), '\\(.*?\\)', ''),
    greatest(reltuples, 0)::int8, coalesce(indisprimary, false)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_index ON indrelid = c.oid AND indisprimary AND attnum = ANY(indkey::int2[])
WHERE nspname = %s AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relispartition
    AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, attnum
"""


@dataclass
class Found:
    """A table, or several of one shape whose names tell the time."""

    name: str  # or the form of the names
    one: str  # table to look into
    columns: dict[str, str]
    rows: int
    primary: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Guess:
    """A description to be edited, and what to look at in it."""

    layout: dict[str, Any]
    remarks: tuple[str, ...]


def guess_layout(config: Config) -> Guess:
    """Look at the tables of the schema and propose a description; ``SourceError`` where none looks like readings."""
    where = of_one_server(login(config))
    with connect(where) as connection, source_errors(where, "looking for readings"):
        there = existing_tables(connection, config.db_schema)
        for name in names():
            layout = known(name)
            fitting = any(kind.tables.form(table) for table in there for kind in layout.readings)
            if fitting and {*needs(layout, config.tags_table)} <= {*there}:
                said = layout.model_dump(mode="json", exclude_defaults=True)
                return Guess(said, (f'the tables of layout "{name}" are there: "layout": "{name}" is enough',))
        found = _tables(connection.execute(COLUMNS, [config.db_schema]).fetchall())
        readings = [(table, time) for table in found if (time := _time(connection, config.db_schema, table))]
        readings = [(table, time) for table, time in readings if _values(table, time)]
        if not readings:
            raise SourceError(
                f'schema "{config.db_schema}" has no table with a column of time and one of numbers that the reader may'
                ' see: check "db_schema", or describe it by hand (docs/layouts.md)'
            )
        table, time = max(readings, key=lambda one: one[0].rows)
        return _described(connection, config, found, table, time)


def _tables(rows: Sequence[tuple[str, str, str, int, bool]]) -> list[Found]:
    """Every table; those of one shape whose names differ in the time alone are one. Pure."""
    columns: dict[str, dict[str, str]] = defaultdict(dict)
    sizes: dict[str, int] = {}
    primary: dict[str, set[str]] = defaultdict(set)
    for name, column, kind, size, key in rows:
        columns[name][column] = kind
        sizes[name] = size
        primary[name] |= {column} if key else set()
    together: dict[tuple[str, tuple[tuple[str, str], ...]], Found] = {}
    for name, mine in columns.items():
        form = _form(name)
        one = together.setdefault((form, tuple(mine.items())), Found(form, name, mine, 0, primary[name]))
        one.rows += sizes[name]
        one.one = name if sizes[name] >= sizes.get(one.one, 0) else one.one
    return list(together.values())


def _form(name: str) -> str:
    """``log_2026_10`` as ``log_{year}_{month}``. Pure."""
    found = DIGITS.search(name)
    if not found:
        return name
    places = iter(("month", "day"))
    rest = re.sub(r"\d\d?", lambda _: f"{{{next(places)}}}", found["rest"])
    return f"{name[: found.start()]}_{{year}}{rest}"


def _time(connection: Any, schema: str, table: Found) -> dict[str, str] | None:
    """The column of time and its unit: one of a type of time, else of numbers that are times of our days."""
    for kind, unit in (("timestamp with time zone", "timestamptz"), ("timestamp without time zone", "timestamp")):
        if mine := [name for name, type_ in table.columns.items() if type_ == kind]:
            column = next((name for name in mine if name in table.primary or TIME.fullmatch(name)), mine[0])
            return {"column": column, "unit": unit, **({"zone": "UTC"} if unit == "timestamp" else {})}
    for column, kind in table.columns.items():
        if kind in (*INTEGERS[1:], "double precision", "numeric") and TIME.fullmatch(column):
            query = sql.SQL("SELECT {0}::int8 FROM {1} WHERE {0} IS NOT NULL LIMIT {2}").format(
                sql.Identifier(column), sql.Identifier(schema, table.one), LOOKED_AT
            )
            units = {unit_of(stamp, None) for (stamp,) in connection.execute(query)} - {None}
            if len(units) == 1:
                return {"column": column, "unit": str(units.pop())}
    return None


def _values(table: Found, time: Mapping[str, str]) -> list[str]:
    """Columns of numbers that are no key and no time."""
    return [
        name
        for name, kind in table.columns.items()
        if kind in VALUES and name != time["column"] and name not in table.primary and not _is_id(table, name)
        and not QUALITY.fullmatch(name) and not TIME.fullmatch(name)
    ]  # fmt: skip


def _is_id(table: Found, name: str) -> bool:
    return bool(ID.fullmatch(name)) and table.columns[name] in (*INTEGERS, *TEXTS)


def _described(connection: Any, config: Config, found: Sequence[Found], table: Found, time: dict[str, str]) -> Guess:
    numbers = _values(table, time)
    ids = [name for name in table.columns if _is_id(table, name) and name in table.primary and name != time["column"]]
    ids = ids or [name for name in table.columns if _is_id(table, name) and name != time["column"]][:1]
    remarks = [f"{table.name} has the most rows of tables with a time and numbers, {table.rows:,}"]
    if time["unit"] == "timestamp":
        remarks.append(f'{time["column"]} says no zone: is "UTC" right?')
    readings: dict[str, Any] = {"tables": table.name, "time": time}
    quality = [name for name, kind in table.columns.items() if QUALITY.fullmatch(name) and kind in INTEGERS]
    if quality:
        readings["quality"] = quality[0]
        remarks.append(f'which codes of {quality[0]} are good? Name them under "good_quality" or "bad_quality"')
    if not ids:
        readings["wide"] = {"path": f"{table.name.split('_{')[0]}/{{column}}"}
        readings["wide"] |= {"without": keys} if (keys := sorted(table.primary - {time["column"]})) else {}
        return Guess(
            {"readings": readings}, (*remarks, "no column tells a tag: each column of numbers is taken for one")
        )
    readings |= {"id": ids, "numbers": numbers[:3]}
    if texts := [name for name, kind in table.columns.items() if kind in TEXTS[:3] and name not in ids]:
        readings["texts"] = texts
    tags, more = _tags(config, found, table, ids)
    return Guess({"readings": readings, "tags": tags}, (*remarks, *more))


def _tags(config: Config, found: Sequence[Found], table: Found, ids: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Where tags are: a table whose key has the type of the one id, and that has a text like a path; else the ids."""
    if len(ids) == 1:
        kind = table.columns[ids[0]]
        for other in found:
            keys = [name for name in other.primary if (other.columns[name] in INTEGERS) == (kind in INTEGERS)]
            paths = [name for name, type_ in other.columns.items() if type_ in TEXTS and PATH.fullmatch(name)]
            paths = [name for name in paths if name not in keys] or paths
            if other is not table and len(other.primary) == 1 and keys and paths and "{year}" not in other.name:
                tags: dict[str, Any] = {"table": other.name, "path": paths[0], "id": keys}
                for name in ("description", "unit"):
                    if name in other.columns:
                        tags[name] = name
                return tags, [f"{other.name}.{paths[0]} is taken for the path of a tag, {keys[0]} for its id"]
    names_ = ", ".join(f'"{name}"' for name in ids)
    path = " || '/' || ".join(f'"{name}"::text' for name in ids)
    source = f'"{config.db_schema}"."{table.one}"'
    query = f"SELECT DISTINCT {path} AS path, {names_} FROM {source}"
    return {"query": query, "id": list(ids)}, ["no table of tags was found: a tag is what its id says"]
