"""What a row of a partition table holds, as SQL expressions, the same for both engines. Pure.

Every layout is seen as ``tagid, t_stamp, value double, text, dataintegrity``:
``value`` is the float, else the int as a double; ``text`` is the string, else the date as ISO 8601 with microseconds
(before year 1, and infinite ones, as PostgreSQL writes them), else the digits of a number that no double is. What no
double is near to, and text that is none, is marked as unreadable, its digits or escaped bytes as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from psycopg import sql

from ..config.layouts.description import NUMBERS
from .model import PartitionTable
from .view_sql import DATE, GOOD, STRING

QUALITY = "dataintegrity"

BIGINT, NUMERIC = "bigint", "numeric"
EXACT = 1 << 53  # every whole number up to here is a double
LEAST_WHOLE, MOST_WHOLE = -(1 << 63), (1 << 63) - (1 << 10)  # the least and the largest double that is an int8
LARGEST, SMALLEST = "1.7976931348623158e308", "2.4703282292062328e-324"  # just within what rounds to a double but 0
LEAST_CODE, MOST_CODE = -(1 << 31), (1 << 32) - 1  # of 32 bits, with a sign or without
# One character of UTF-8 as hexadecimal digits: neither overlong nor half of a pair.
UTF8 = (
    "[0-7].|c[2-9a-f][89ab].|d.[89ab].|e0[ab].[89ab].|e[1-9a-cef][89ab].[89ab].|ed[89].[89ab]."
    "|f0[9ab].[89ab].[89ab].|f[1-3][89ab].[89ab].[89ab].|f48.[89ab].[89ab]."
)
# Encodings of one byte a character, as Python calls them, that have bytes without a meaning; and so has every WIN….
OF_ONE_BYTE = {f"ISO_8859_{n}": f"iso8859_{n}" for n in (6, 7, 8)} | {"LATIN3": "iso8859_3"}

# The quality code of nearly every reading (OPC's "good"): readings that have it are packed without it.
PLAIN = GOOD


def value_of(table: PartitionTable) -> sql.Composable:
    """The numeric value of a row, NULL if it has none, or one that no double is near to."""
    return _coalesce([_number(table, name) for name in numbers(table)], "float8")


def text_of(table: PartitionTable) -> sql.Composable:
    """The text of a row, NULL if it has none; of a number that a double cannot hold, its digits."""
    return worded(table, [BIGINT, NUMERIC])


def quality_of(table: PartitionTable) -> sql.Composable:
    """The quality code of a row as ``int4``: one of 32 bits without a sign (OPC UA) by its bits; NULL if it has none,
    or one of more bits."""
    if table.kind(QUALITY) != BIGINT:
        return sql.SQL("{}::int4").format(sql.Identifier(QUALITY))
    return sql.SQL(
        "(CASE WHEN {0} BETWEEN {1} AND {2} THEN {0} WHEN {0} BETWEEN {3} AND {4} THEN {0} - {5} END)::int4"
    ).format(sql.Identifier(QUALITY), LEAST_CODE, -LEAST_CODE - 1, -LEAST_CODE, MOST_CODE, MOST_CODE + 1)


def has_value(table: PartitionTable) -> sql.Composable:
    """The condition that ``value_of`` is not NULL."""
    return _any(_readable(table, name) for name in numbers(table))


def has_text(table: PartitionTable) -> sql.Composable:
    """The condition that ``text_of`` is not NULL."""
    return has_words(table, [BIGINT, NUMERIC])


def unreadable(table: PartitionTable) -> sql.Composable:
    """The condition that a row holds what cannot be read: see ``unreadable_columns``."""
    return _any(condition for _, condition in unreadable_columns(table))


def unreadable_columns(table: PartitionTable) -> list[tuple[str, sql.Composable]]:
    """Columns that may hold what cannot be read, each with the condition that it does: a number that no double is near
    to, a text that is none in the server's encoding, a quality of more than 32 bits."""
    found: list[tuple[str, sql.Composable]] = [
        (name, sql.SQL("({} IS NOT NULL AND NOT {})").format(sql.Identifier(name), _in_range(name)))
        for name in numbers(table)
        if table.kind(name) == NUMERIC
    ]
    if STRING in table.columns and (is_text := _is_text(table.encoding, sql.Identifier(STRING))):
        found.append((STRING, sql.SQL("NOT coalesce({}, true)").format(is_text)))
    if table.kind(QUALITY) == BIGINT:
        beyond = sql.SQL("coalesce({} NOT BETWEEN {} AND {}, false)")
        found.append((QUALITY, beyond.format(sql.Identifier(QUALITY), LEAST_CODE, MOST_CODE)))
    return found


def plain_text(encoding: str, column: str) -> tuple[sql.Composable, sql.Composable]:
    """A column of text as it can be read whatever bytes it holds, what is none in the server's encoding with its odd
    bytes as octal numbers, and the condition that it is text."""
    text, is_text = sql.SQL("{}::text").format(sql.Identifier(column)), _is_text(encoding, sql.Identifier(column))
    if is_text is None:
        return text, sql.SQL("true")
    raw = sql.SQL("encode(convert_to({}, {}), 'escape')").format(text, encoding)
    whole = sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(is_text, text, raw)
    return whole, sql.SQL("coalesce({}, true)").format(is_text)


def by_kind(
    table: PartitionTable, plain: Callable[[sql.Composable], sql.Composable], other: sql.Composable
) -> sql.Composable:
    """What is ``plain`` of the number of a plain row, one of quality ``PLAIN`` with nothing but a number that a double
    holds, and ``other`` of any other row.

    Most rows are plain, so every step counts: to ask for all of it with each number costs 8 % more where ints are, to
    have ``other`` only once (``coalesce``) 2 %.
    """
    nothing_else = [sql.SQL("{} = {}").format(sql.Identifier(QUALITY), PLAIN)]
    nothing_else += [sql.SQL("{} IS NULL").format(sql.Identifier(name)) for name in _words(table)]
    before: list[sql.Composable] = []
    whens: list[sql.Composable] = []
    for name in numbers(table):
        column, kind = sql.Identifier(name), table.kind(name)
        held: list[sql.Composable] = [sql.SQL("{} IS NOT NULL").format(column)]
        if kind == BIGINT:  # nearly all are small
            held = [sql.SQL("{} BETWEEN {} AND {}").format(column, -EXACT, EXACT), _exact_bigint(name)]
        elif kind == NUMERIC:
            held = [sql.SQL("{} IS NOT NULL AND {}").format(column, _exact_numeric(name))]
        whens += [
            sql.SQL("WHEN {} THEN {}").format(sql.SQL(" AND ").join([*before, one]), plain(column)) for one in held
        ]
        if kind in (BIGINT, NUMERIC):  # one that is not held is this row's number all the same
            before.append(sql.SQL("{} IS NULL").format(column))
    if not whens:
        return other
    return sql.SQL("CASE WHEN {nothing_else} THEN CASE {whens} ELSE {other} END ELSE {other} END").format(
        nothing_else=sql.SQL(" AND ").join(nothing_else), whens=sql.SQL(" ").join(whens), other=other
    )


def numbers(table: PartitionTable) -> list[str]:
    """Columns of numbers; of several the first that is not NULL counts."""
    return [name for name in NUMBERS if name in table.columns]


def _words(table: PartitionTable) -> list[str]:
    return [name for name in (STRING, DATE) if name in table.columns]


def worded(table: PartitionTable, with_digits: Sequence[str]) -> sql.Composable:
    """The text of a row; the digits of numbers for those types."""
    terms: list[sql.Composable] = []
    if STRING in table.columns:
        terms.append(plain_text(table.encoding, STRING)[0])
    if DATE in table.columns:
        terms.append(
            sql.SQL(
                "CASE WHEN isfinite({0}) AND {0} >= '0001-01-01'"
                " THEN to_char({0}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') ELSE {0}::text END"
            ).format(sql.Identifier(DATE))
        )
    for column, inexact in _inexact(table, with_digits):
        terms.append(sql.SQL("CASE WHEN {} THEN {}::text END").format(inexact, column))
    return _coalesce(terms, "text")


def has_words(table: PartitionTable, with_digits: Sequence[str]) -> sql.Composable:
    there = [sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in _words(table)]
    return _any([*there, *(inexact for _, inexact in _inexact(table, with_digits))])


def _number(table: PartitionTable, name: str) -> sql.Composable:
    double = sql.SQL("{}::float8").format(sql.Identifier(name))
    if table.kind(name) != NUMERIC:
        return double
    return sql.SQL("CASE WHEN {} THEN {} END").format(_in_range(name), double)


def _readable(table: PartitionTable, name: str) -> sql.Composable:
    there = sql.SQL("{} IS NOT NULL").format(sql.Identifier(name))
    if table.kind(name) != NUMERIC:
        return there
    return sql.SQL("({} AND {})").format(there, _in_range(name))


def _in_range(name: str) -> sql.Composable:
    """Whether a ``numeric`` becomes a double without an error: neither one too large nor one that would be zero."""
    return sql.SQL(
        "(abs({0}) <= {1} AND (abs({0}) >= {2} OR {0} = 0) OR {0}::text IN ('NaN', 'Infinity', '-Infinity'))"
    ).format(sql.Identifier(name), sql.SQL(LARGEST), sql.SQL(SMALLEST))


def _inexact(table: PartitionTable, kinds: Sequence[str]) -> list[tuple[sql.Identifier, sql.Composable]]:
    """Columns whose numbers a double may not hold, each with the condition that it is this row's, and does not.

    A ``numeric`` is held where the shortest text of its double is the same number, as of 0.1; a whole one, as any whole
    number, where it is its double.
    """
    found: list[tuple[sql.Identifier, sql.Composable]] = []
    before: list[sql.Composable] = []
    for name in numbers(table):
        column, kind = sql.Identifier(name), table.kind(name)
        if kind in (BIGINT, NUMERIC) and kind in kinds:
            there = sql.SQL("{} IS NOT NULL").format(column)
            exact = _exact_bigint(name) if kind == BIGINT else _exact_numeric(name)
            terms = [*before, there, sql.SQL("NOT {}").format(exact)]
            found.append((column, sql.SQL("({})").format(sql.SQL(" AND ").join(terms))))
        before.append(sql.SQL("{} IS NULL").format(column))
    return found


def _exact_bigint(name: str) -> sql.Composable:
    """Of whole numbers beyond ``EXACT`` doubles hold some; the largest would overflow on its way back."""
    return sql.SQL("CASE WHEN {0} <= {1} THEN {0}::float8::int8 = {0} ELSE false END").format(
        sql.Identifier(name), MOST_WHOLE
    )


def _exact_numeric(name: str) -> sql.Composable:
    """Of 15 digits doubles hold every number, which costs a fifth of what the rest does."""
    return sql.SQL(
        "CASE WHEN scale({0}) <= 6 AND {0} BETWEEN -999999999 AND 999999999 THEN true"
        " WHEN NOT {in_range} THEN false WHEN {0}::float8::text::numeric = {0} THEN true"
        " WHEN {0} BETWEEN {1} AND {2} THEN {0}::float8::int8 = {0} ELSE false END"
    ).format(sql.Identifier(name), LEAST_WHOLE, MOST_WHOLE, in_range=_in_range(name))


def _is_text(encoding: str, column: sql.Identifier) -> sql.Composable | None:
    """Whether a text can become UTF-8; ``None`` where the server has seen to it.

    In EUC_… some characters cannot that are not looked for here: PostgreSQL's own sentence names them.
    """
    if encoding == "SQL_ASCII":
        fits = f"^({UTF8})*$"
    elif odd := _without_meaning(encoding):
        fits = f"^(?!(..)*({'|'.join(odd)}))"
    else:
        return None
    return sql.SQL("encode(convert_to({}::text, {}), 'hex') ~ {}").format(column, encoding, fits)


@lru_cache(maxsize=4)
def _without_meaning(encoding: str) -> tuple[str, ...]:
    """The bytes that stand for no character in an encoding of one byte a character, as hexadecimal digits."""
    codec = OF_ONE_BYTE.get(encoding) or (f"cp{encoding.removeprefix('WIN')}" if encoding.startswith("WIN") else None)
    every = [bytes([byte]) for byte in range(256)] if codec else []
    return tuple(byte.hex() for byte in every if not byte.decode(str(codec), "ignore"))


def _any(terms: Iterable[sql.Composable]) -> sql.Composable:
    found = list(terms)
    return sql.SQL("({})").format(sql.SQL(" OR ").join(found)) if found else sql.SQL("false")


def _coalesce(terms: Sequence[sql.Composable], kind: str) -> sql.Composable:
    if not terms:
        return sql.SQL(f"NULL::{kind}")
    return terms[0] if len(terms) == 1 else sql.SQL("coalesce({})").format(sql.SQL(", ").join(terms))
