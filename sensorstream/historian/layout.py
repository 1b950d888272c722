"""Which layout a historian has, and whether its tables have the columns that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config.layouts.description import Description, Readings, Tags
from ..config.layouts.known import FIRST, known, names
from ..config.settings import Config
from ..errors import SourceError
from .time_sql import INTEGERS

NUMERIC_TYPES = (*INTEGERS, "real", "double precision", "numeric")
ANY: tuple[str, ...] = ()  # whatever PostgreSQL shows as text
# Of columns that are called as queries call them.
TYPES: dict[str, tuple[str, ...]] = {
    "tagid": INTEGERS,
    "t_stamp": ("bigint",),
    "dataintegrity": INTEGERS,
    "floatvalue": NUMERIC_TYPES,
    "value": NUMERIC_TYPES,
    "intvalue": INTEGERS,
    "stringvalue": ("character varying", "text", "character"),
    "datevalue": ("timestamp without time zone", "timestamp with time zone"),
}


def layout_of(config: Config, there: Sequence[str]) -> Description:
    """The layout that is configured, or that fits the tables that are ``there``; ``SourceError`` for none."""
    if config.layout != "auto":
        layout = known(config.layout) if isinstance(config.layout, str) else config.layout
        for needed in needs(layout, config.tags_table):
            if needed not in there:
                raise SourceError(
                    f'schema "{config.db_schema}" has no table {needed}, which layout "{layout.name}" needs:'
                    ' check "db_schema" and "layout", and that the reader may see it'
                )
        return layout
    for layout in map(known, names()):
        if {*needs(layout, config.tags_table)} <= {*there}:
            return layout
    first, second = ("".join(needs(known(name), config.tags_table)) for name in FIRST)
    raise SourceError(
        f'schema "{config.db_schema}" holds neither {first} (Ignition) nor {second} (generic), nor tables of another'
        ' layout that is known: check "dbname", "db_schema" and "tags_table", or describe it (docs/layouts.md)'
    )


def needs(layout: Description, tags_table: str) -> list[str]:
    """Tables without which it is not this layout."""
    return [*layout.needs] or ([layout.tags.table or tags_table] if layout.tags and not layout.tags.query else [])


def wanted_of(kind: Readings) -> dict[str, tuple[str, ...]]:
    """The columns of a table of readings that are called as queries call them, and their types."""
    return {name: TYPES[name] for name in (*kind.id, kind.time.column, str(kind.quality), *kind.numbers, *kind.texts)}


def wanted_of_tags(tags: Tags, *, whole: bool) -> dict[str, tuple[str, ...]]:
    """The columns of the tags; ``whole`` tells that ids are whole numbers."""
    found = {tags.path: ANY, **dict.fromkeys(tags.id, INTEGERS if whole else ANY)}
    found |= {name: INTEGERS for name in (tags.datatype, tags.created, tags.retired) if name}
    return found | {name: ANY for name in (tags.description, tags.unit) if name}


def refuse_other_shape(
    table: str, columns: Mapping[str, str], wanted: Mapping[str, Sequence[str]], layout: str
) -> None:
    """``SourceError`` where a table, of ``columns`` with their types, lacks one that is ``wanted``, or has it of none
    of its types."""
    for column, types in wanted.items():
        if column not in columns:
            raise SourceError(
                f'table {table} has no column {column} (it has {", ".join(columns)}): is "layout" ({layout}) right?'
            )
        if types and columns[column] not in types:
            raise SourceError(
                f"table {table} column {column} is of type {columns[column]}, not {' or '.join(types)}:"
                " cast it in a view"
            )
