"""The layouts that are known: which tables and columns a historian has, and of which types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config.settings import Config
from ..errors import SourceError
from .model import Layout

NUMERIC_TYPES = ("smallint", "integer", "bigint", "real", "double precision", "numeric")
INTEGERS = ("smallint", "integer", "bigint")
REQUIRED = {"tagid": INTEGERS, "t_stamp": ("bigint",), "dataintegrity": INTEGERS}
VALUES: dict[Layout, dict[str, tuple[str, ...]]] = {
    "ignition": {
        "floatvalue": NUMERIC_TYPES,
        "intvalue": INTEGERS,
        "stringvalue": ("character varying", "text", "character"),
        "datevalue": ("timestamp without time zone", "timestamp with time zone"),
    },
    "generic": {"value": NUMERIC_TYPES},
}
ANY: tuple[str, ...] = ()  # whatever PostgreSQL shows as text
TAG_COLUMNS: dict[Layout, dict[str, tuple[str, ...]]] = {
    "ignition": {"tagpath": ANY, "id": INTEGERS, "datatype": INTEGERS, "created": INTEGERS, "retired": INTEGERS},
    "generic": {"tagpath": ANY, "id": INTEGERS, "description": ANY, "unit": ANY},
}
PARTITION_COLUMNS = {"pname": ANY, **dict.fromkeys(("start_time", "end_time", "blocksize"), (*INTEGERS, "numeric"))}


def layout_of(config: Config, names: Sequence[str]) -> Layout:
    if config.layout != "auto":
        needed = "sqlth_te" if config.layout == "ignition" else config.tags_table
        if needed not in names:
            raise SourceError(
                f'schema "{config.db_schema}" has no table {needed}, which layout "{config.layout}" needs:'
                ' check "db_schema" and "layout", and that the reader may see it'
            )
        return config.layout
    if "sqlth_te" in names:
        return "ignition"
    if config.tags_table in names:
        return "generic"
    raise SourceError(
        f'schema "{config.db_schema}" holds neither sqlth_te (Ignition) nor {config.tags_table} (generic):'
        ' check "dbname", "db_schema" and "tags_table"'
    )


def refuse_other_shape(
    table: str, columns: Mapping[str, str], wanted: Mapping[str, Sequence[str]], layout: Layout
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
