"""The tags of a historian as SQL sees them, whatever layout it has: a row a tag id, in columns of the same names.

``tagpath, stored, id, datatype, description, unit, created, retired``: ``stored`` is the path without the prefix of a
gateway; NULL stands for what a layout does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from psycopg import sql

from ..config.layouts.description import Tags
from .arrays import array
from .connection import source_errors
from .gateways import with_prefix
from .patterns import matched
from .view_sql import Keys, id_of, number_of

if TYPE_CHECKING:
    from .catalog import Historian

OPTIONAL = {"datatype": "int4", "description": "text", "unit": "text", "created": "int8", "retired": "int8"}


def tag_rows(historian: Historian) -> sql.Composable:
    """What to select tags from.

    Raises ``ConfigError`` for a prefix of a gateway that there is not.
    """
    tags = historian.layout.tags
    if tags is None:
        return _columns_as_tags(list(historian.wide_paths()))
    path = sql.Identifier("own", tags.path)
    source, prefixed = with_prefix(historian, _source(historian, tags), path)
    columns = {
        "tagpath": prefixed,
        "stored": path,
        "id": _id(historian, tags),
        **{name: _optional(tags, name, kind) for name, kind in OPTIONAL.items()},
    }
    shown = sql.SQL(", ").join(sql.SQL("{} AS {}").format(what, sql.Identifier(name)) for name, what in columns.items())
    return sql.SQL("(SELECT {} FROM {})").format(shown, source)


def matches(historian: Historian, rows: sql.Composable, patterns: Sequence[str]) -> sql.Composable:
    """The condition that a row of ``rows`` (``tag_rows``) is of a tag that any of ``patterns`` selects, by its path or
    by the one that an id of it is stored under."""
    wanted = array(patterns, "text")
    if not historian.gateway_prefixes:
        return sql.SQL("tagpath ~ ANY({})").format(wanted)
    query = "tagpath IN (SELECT tagpath FROM {} AS every WHERE tagpath ~ ANY({}) OR stored ~ ANY({}))"
    return sql.SQL(query).format(rows, wanted, wanted)


def unmatched(historian: Historian, patterns: Sequence[str]) -> list[str]:
    """Those of ``patterns`` that select no tag."""
    query = sql.SQL(
        "SELECT pattern FROM unnest({}) pattern WHERE NOT EXISTS"
        " (SELECT FROM {} tags WHERE tagpath ~ pattern OR stored ~ pattern)"
    )

    def found_by(some: Sequence[str]) -> list[str]:
        asked = query.format(array(some, "text"), tag_rows(historian))
        return [pattern for (pattern,) in historian.connection.execute(asked)]

    with source_errors(historian.login, "looking for the tags"):
        return matched(historian.connection, patterns, found_by)


def keys_of(historian: Historian, kinds: Mapping[str, str], columns: Sequence[str]) -> Keys | None:
    """How rows of a table, of ``kinds``, are told by the columns that tell their tag, where tags have the same types:
    an index serves, and no hash is computed."""
    tags = historian.layout.tags
    assert tags is not None
    if [kinds[column] for column in columns] != [historian.tag_kinds[name] for name in tags.id]:
        return None
    shown = [
        sql.SQL("{} AS {}").format(sql.Identifier("own", name), sql.Identifier(f"key_{n}"))
        for n, name in enumerate(tags.id)
    ]
    query = sql.SQL("SELECT {}, {} AS tagid FROM {}").format(
        sql.SQL(", ").join(shown), _id(historian, tags), _source(historian, tags)
    )
    return Keys(tuple(f"key_{n}" for n in range(len(columns))), query.as_string(historian.connection))


def tag_kinds(historian: Historian) -> dict[str, str]:
    """The columns of the tags' table or query, and their types.

    Raises ``SourceError`` with PostgreSQL's sentence for a query that it does not take.
    """
    tags = historian.layout.tags
    if tags is None:
        return {}
    if not tags.query:
        return historian.columns(historian.tags_name)
    return historian.types_of("tags.query", sql.SQL("SELECT * FROM {} LIMIT 0").format(_source(historian, tags)))


def _source(historian: Historian, tags: Tags) -> sql.Composable:
    if tags.query:
        return sql.SQL(f"({tags.query}\n) own")
    return sql.SQL("{} own").format(sql.Identifier(historian.schema, historian.tags_name))


def _id(historian: Historian, tags: Tags) -> sql.Composable:
    kinds = [historian.tag_kinds[name] for name in tags.id]
    return id_of(tags.id, kinds, kinds)


def _optional(tags: Tags, name: str, kind: str) -> sql.Composable:
    column = getattr(tags, name)
    return sql.Identifier("own", column) if column else sql.SQL(f"NULL::{kind}")


def _columns_as_tags(paths: Sequence[str]) -> sql.Composable:
    ids = sql.SQL(", ").join(map(number_of, paths))
    nothing = sql.SQL(", ").join(sql.SQL(f"NULL::{kind} AS {name}") for name, kind in OPTIONAL.items())
    return sql.SQL(
        "(SELECT path AS tagpath, path AS stored, id, {} FROM unnest({}, ARRAY[{}]::int8[]) own(path, id))"
    ).format(nothing, array(paths, "text"), ids)
