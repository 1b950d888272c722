"""A table of a description as SQL sees it: a row a reading, in columns of the names that all queries use. Pure.

PostgreSQL takes such a subquery apart, so an index of the table serves, and what is not asked for is not computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from ..config.layouts.description import NUMBERS, TEXTS, Readings
from .time_sql import DOUBLES, INTEGERS, OWN_TIME, BareTime, milliseconds

STRING, DATE = TEXTS
FRACTIONS = (*DOUBLES, "numeric")
# Of the columns of a wide table: as what each type is shown, and where.
WIDE: dict[str, tuple[str, tuple[str, ...]]] = {
    "floatvalue": ("float8", ("smallint", "integer", "real", "double precision", "boolean")),
    "intvalue": ("int8", ("bigint",)),
    "value": ("numeric", ("numeric",)),
    STRING: ("text", ("text", "character varying", "character")),
}
GOOD = 192  # OPC's code of a reading that is good, which nearly all have


@dataclass(frozen=True, order=True)
class Keys:
    """The columns that tell a row's tag, and a query of the same columns of all tags with their ids: ``…, tagid``."""

    columns: tuple[str, ...]
    tags: str


@dataclass(frozen=True, order=True)
class WideColumn:
    """A column that is a tag: SQL of the tag's number, its name in a row's view, and the column that it stands for."""

    id: str
    shown: str
    value: str


@dataclass(frozen=True, order=True)
class View:
    """How a table's rows are readings.

    ``columns`` and ``rest`` are what stands between SELECT and FROM, and behind it; ``own`` are its own columns that
    tell the tag and the time; ``id`` is that one of whole numbers that tells the tag, by which an index may find it;
    ``keys`` are others that do. Of a wide table ``wide`` are the columns that are tags, and ``row`` what a row of it is
    shown as in place of ``columns`` and ``rest``.
    """

    columns: str
    rest: str
    own: tuple[str, ...]
    time: BareTime
    id: str | None = None
    keys: Keys | None = None
    row: tuple[str, str] | None = None
    wide: tuple[WideColumn, ...] = ()

    @property
    def as_rows(self) -> View:
        """The view of a wide table's rows, each once."""
        return replace(self, columns=self.row[0], rest=self.row[1]) if self.row else self


def relation(
    schema: str, name: str, view: View | None, alias: str | None = None, *, only: bool = False
) -> sql.Composable:
    """What to select readings of a table from; ``only`` it and none of its heirs."""
    table: sql.Composable = sql.Identifier(schema, name)
    if only:
        table = sql.SQL("ONLY {}").format(table)
    if view is None:
        return sql.SQL("{} {}").format(table, sql.Identifier(alias)) if alias else table
    return sql.Composed([
        sql.SQL("(SELECT "), sql.SQL(view.columns), sql.SQL(" FROM "), table, sql.SQL(" own "), sql.SQL(view.rest),
        sql.SQL(") AS "), sql.Identifier(alias or "readings"),
    ])  # fmt: skip


def of_ids(view: View | None, ids: Sequence[int]) -> sql.Composable:
    """The condition that a row is of one of ``ids``.

    They are a literal without a type, which takes that of the column: PostgreSQL looks them up in a hash table only
    where both sides are of one type, and compares them one by one otherwise.
    """
    wanted = sql.Literal("{" + ",".join(map(str, ids)) + "}")
    if view is None or view.keys is None:
        return sql.SQL("tagid = ANY({})").format(wanted)
    columns = sql.SQL(", ").join(map(sql.Identifier, view.keys.columns))
    return sql.Composed([
        sql.SQL("("), columns, sql.SQL(") IN (SELECT "), columns, sql.SQL(" FROM ("), sql.SQL(view.keys.tags),
        sql.SQL(") tags WHERE tagid = ANY("), wanted, sql.SQL("))"),
    ])  # fmt: skip


def id_of(
    columns: Sequence[str], kinds: Sequence[str], of_tags: Sequence[str], *, hashed: bool = False
) -> sql.Composable:
    """The number of a tag: the one column of whole numbers that tells it, else, or ``hashed``, a hash of its columns.

    Where the tags' own columns (``of_tags`` are their types) are numbers, 7.00 and 7 are one. ``hashtextextended`` is
    PostgreSQL's, of 64 bits; two tags of one hash would be refused as an id that stands twice.
    """
    if len(columns) == 1 and kinds[0] in INTEGERS and not hashed:
        return sql.Identifier("own", columns[0])
    found: sql.Composable = sql.SQL("0")
    for column, kind, of_tag in zip(columns, kinds, of_tags, strict=True):
        text: sql.Composable = sql.SQL("{}::text").format(sql.Identifier("own", column))
        if of_tag in (*INTEGERS, *FRACTIONS) and kind not in INTEGERS:
            value = sql.SQL("trim_scale({}::numeric)::text").format(text)
            number = sql.SQL("CASE WHEN {0} ~ '^[+-]?[0-9]+([.][0-9]+)?$' THEN {1} ELSE {0} END").format(text, value)
            text = value if kind in FRACTIONS else number
        found = sql.SQL('hashtextextended({} COLLATE "C", {})').format(text, found)
    return found


def number_of(path: str) -> sql.Composable:
    """The same of a column that is a tag of its own, by its path."""
    return sql.SQL('hashtextextended({} COLLATE "C", 0)').format(sql.Literal(path))


def expressions(kind: Readings, types: Mapping[str, str]) -> dict[str, sql.Composable]:
    """The columns of a view of a narrow table: ``types`` are those of the description's expressions, by them."""
    shown: dict[str, sql.Composable] = {}
    for name, text in zip(NUMBERS, kind.numbers, strict=False):
        shown[name] = _cast(text, "int4") if types[text] == "boolean" else _given(text)
    dates = [text for text in kind.texts[-1:] if types[text].startswith("timestamp")]  # which counts after the others
    texts = [_cast(text, "text") for text in kind.texts[: len(kind.texts) - len(dates)]]
    if texts:
        shown[STRING] = sql.SQL("coalesce({})").format(sql.SQL(", ").join(texts)) if len(texts) > 1 else texts[0]
    if dates:
        shown[DATE] = _given(dates[0])
    return shown


def quality_of(kind: Readings) -> sql.Composable:
    """The code of a row; where a layout has none every reading is good."""
    return _given(kind.quality) if kind.quality else sql.SQL("{}::int4").format(sql.Literal(GOOD))


def narrow(
    kind: Readings, kinds: Mapping[str, str], types: Mapping[str, str], id: sql.Composable, *, system: bool
) -> tuple[sql.Composable, sql.Composable]:
    """What stands between SELECT and FROM, and behind it."""
    columns = {"tagid": id, **_row(kind, kinds, system), **expressions(kind, types)}
    columns |= {f"key_{n}": sql.Identifier("own", name) for n, name in enumerate(kind.id)}
    return _select(columns), _where(kind)


def wide(
    kind: Readings, kinds: Mapping[str, str], tags: Mapping[str, str], *, system: bool
) -> tuple[sql.Composable, sql.Composable]:
    """The same of a wide table, of which ``tags`` are the columns and their paths: a row is one of each column."""
    values = {column: _value_of(kinds[column]) for column in tags}
    shown = [name for name in WIDE if name in values.values()]
    rows = []
    for column, path in tags.items():
        cells = [_cell(column, kinds[column]) if values[column] == name else _nothing(name) for name in shown]
        rows.append(sql.SQL("({}, {})").format(number_of(path), sql.SQL(", ").join(cells)))
    each = [f"each_{name}" for name in ("tagid", *shown)]
    columns = {"tagid": sql.Identifier(each[0]), **_row(kind, kinds, system)}
    columns |= {name: sql.Identifier(cell) for name, cell in zip(shown, each[1:], strict=True)}
    there = sql.SQL("num_nonnulls({}) > 0").format(sql.SQL(", ").join(map(sql.Identifier, each[1:])))
    lateral = sql.SQL("CROSS JOIN LATERAL (VALUES {}) AS each({})").format(
        sql.SQL(", ").join(rows), sql.SQL(", ").join(map(sql.Identifier, each))
    )
    return _select(columns), sql.SQL("{} {}").format(lateral, _where(kind, there))


def wide_rows(
    kind: Readings, kinds: Mapping[str, str], tags: Mapping[str, str], *, system: bool
) -> tuple[sql.Composable, sql.Composable, tuple[WideColumn, ...]]:
    """The same of a wide table's rows as they are, and their columns."""
    columns, found = _row(kind, kinds, system), []
    for n, (column, path) in enumerate(tags.items()):
        columns[f"wide_{n}"] = _cell(column, kinds[column])
        found.append(WideColumn(number_of(path).as_string(None), f"wide_{n}", _value_of(kinds[column])))
    return _select(columns), _where(kind), tuple(found)


def _value_of(kind: str) -> str:
    """As what a column of that type is shown."""
    return next((name for name, (_, kinds) in WIDE.items() if kind in kinds), STRING)


def _cell(column: str, kind: str) -> sql.Composable:
    own = sql.SQL("{}::int4" if kind == "boolean" else "{}").format(sql.Identifier("own", column))
    return sql.SQL("{}::{}").format(own, sql.SQL(WIDE[_value_of(kind)][0]))


def _nothing(value: str) -> sql.Composable:
    return sql.SQL("NULL::{}").format(sql.SQL(WIDE[value][0]))


def no_tags(kind: Readings) -> list[str]:
    """Columns of a wide table that have another meaning."""
    return [kind.time.column, *([kind.time.nanoseconds] if kind.time.nanoseconds else []), kind.quality or ""]


def paths_of(kind: Readings, columns: Mapping[str, str]) -> dict[str, str]:
    """The columns of a wide table that are a tag each, and their paths."""
    wide = kind.wide
    assert wide is not None
    if wide.of:
        return {column: path for column, path in wide.of.items() if column in columns}
    left_out = {*wide.without, *no_tags(kind)}
    return {
        column: wide.path.replace("{column}", column)
        for column, type_ in columns.items()
        if column not in left_out and any(type_ in types for _, types in WIDE.values())
    }


def _row(kind: Readings, kinds: Mapping[str, str], system: bool) -> dict[str, sql.Composable]:
    """What every reading of a row has: its place, its time, its quality."""
    own = {name: sql.Identifier("own", name) for name in ("ctid", "xmin")} if system else {}
    time = kind.time
    return own | {
        "t_stamp": milliseconds(time, kinds[time.column]),
        OWN_TIME: sql.Identifier("own", time.column),
        "dataintegrity": quality_of(kind),
    }


def _given(text: str) -> sql.Composable:
    """An expression of a description; a comment in it ends with its line."""
    return sql.SQL(f"({text}\n)")


def _cast(text: str, kind: str) -> sql.Composable:
    return sql.SQL(f"({text}\n)::{kind}")


def _select(columns: Mapping[str, sql.Composable]) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.Composed([what, sql.SQL(" AS "), sql.Identifier(name)]) for name, what in columns.items()
    )


def _where(kind: Readings, *more: sql.Composable) -> sql.Composable:
    conditions = [*more, *([_given(kind.where)] if kind.where else [])]
    return sql.Composed([sql.SQL("WHERE "), sql.SQL(" AND ").join(conditions)]) if conditions else sql.SQL("")
