"""The layouts that are known: which tables and columns a historian has, and of which types."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
TAG_COLUMNS: dict[Layout, tuple[str, ...]] = {
    "ignition": ("tagpath", "id", "datatype", "created", "retired"),
    "generic": ("tagpath", "id", "description", "unit"),
}


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


def lacks(table: str, column: str, columns: Collection[str], layout: Layout) -> str:
    return f'table {table} has no column {column} (it has {", ".join(columns)}): is "layout" ({layout}) right?'


def refuse_other_type(table: str, column: str, found: str, allowed: Sequence[str]) -> None:
    if found not in allowed:
        raise SourceError(
            f"table {table} column {column} is of type {found}, not {' or '.join(allowed)}: cast it in a view"
        )
