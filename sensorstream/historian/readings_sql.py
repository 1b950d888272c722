"""The SQL that reads readings, the same for both engines. Pure.

Every layout is seen as ``tagid, t_stamp, value double, text, dataintegrity``:
``value`` is the float, else the int as a double; ``text`` is the string, else the date as ISO 8601 with microseconds
(before year 1, and infinite ones, as PostgreSQL writes them).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from psycopg import sql

from ..windows import Window
from .model import KEYS, PartitionTable

NUMBERS = ("floatvalue", "intvalue", "value")
DATE = "datevalue"
STRING = "stringvalue"

NUMERIC = "numeric"
EXACT = 1 << 53  # every whole number up to here is a double
LARGEST = (1 << 63) - (1 << 10)  # the largest double that is an int8
MOST, LEAST = "1.7976931348623158e308", "2.4703282292062328e-324"  # just within what rounds to a double but 0
# One character of UTF-8 as hexadecimal digits: neither overlong nor half of a pair.
UTF8 = (
    "[0-7].|c[2-9a-f][89ab].|d.[89ab].|e0[ab].[89ab].|e[1-9a-cef][89ab].[89ab].|ed[89].[89ab]."
    "|f0[9ab].[89ab].[89ab].|f[1-3][89ab].[89ab].[89ab].|f48.[89ab].[89ab]."
)

# The quality code of nearly every reading (OPC's "good"): readings that have it are packed without it.
PLAIN = 192
# Of a reading that is not plain, in one double: ``(quality + QUALITY_LIFT) * CODE_SCALE`` and what it has.
HAS_VALUE, HAS_QUALITY, UNREADABLE, CODE_SCALE, QUALITY_LIFT = 1, 2, 4, 8, 1 << 31
# Of the 53 bits that a double keeps: 32 for a time of 49 days in milliseconds, so that 21 are left for two million ids.
DOUBLE_BITS, MIXED_BITS = 53, 32

EVERY_ROW = sql.SQL("true")
MOST_GAPS = 100  # among ids, each of which is one look into an index


def shape(schema: str, table: PartitionTable) -> sql.Composed:
    """No row of the columns that are read: what they are comes with it, and the table is held until the transaction
    ends."""
    columns = sql.SQL(", ").join(map(sql.Identifier, (*KEYS, *table.columns)))
    return sql.SQL("SELECT {} FROM {} LIMIT 0").format(columns, table_name(schema, table))


def value_of(table: PartitionTable) -> sql.Composable:
    """The numeric value of a row, NULL if it has none, or one that no double is near to."""
    return _coalesce([_number(table, name) for name in NUMBERS if name in table.columns], "float8")


def text_of(table: PartitionTable) -> sql.Composable:
    """The text of a row, NULL if it has none; of a number that a double cannot hold, its digits."""
    terms: list[sql.Composable] = []
    if STRING in table.columns:
        terms.append(_text(table, sql.Identifier(STRING)))
    if DATE in table.columns:
        terms.append(
            sql.SQL(
                "CASE WHEN isfinite({0}) AND {0} >= '0001-01-01'"
                " THEN to_char({0}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') ELSE {0}::text END"
            ).format(sql.Identifier(DATE))
        )
    for column, digits in _digits(table):
        terms.append(sql.SQL("CASE WHEN {} THEN {}::text END").format(digits, column))
    return _coalesce(terms, "text")


def quality_of(table: PartitionTable) -> sql.Composable:
    """The quality code of a row as ``int4``: one of 32 bits without a sign (OPC UA) by its bits; NULL if it has none,
    or one of more bits."""
    if table.kind("dataintegrity") != "bigint":
        return sql.SQL("dataintegrity::int4")
    return sql.SQL(
        "(CASE WHEN dataintegrity BETWEEN -2147483648 AND 2147483647 THEN dataintegrity"
        " WHEN dataintegrity BETWEEN 2147483648 AND 4294967295 THEN dataintegrity - 4294967296 END)::int4"
    )


def has_value(table: PartitionTable) -> sql.Composable:
    """The condition that ``value_of`` is not NULL."""
    return _any(_readable(table, name) for name in NUMBERS if name in table.columns)


def has_text(table: PartitionTable) -> sql.Composable:
    """The condition that ``text_of`` is not NULL."""
    worded = [sql.SQL("{} IS NOT NULL").format(sql.Identifier(c)) for c in (STRING, DATE) if c in table.columns]
    return _any([*worded, *(sql.SQL("coalesce({}, false)").format(digits) for _, digits in _digits(table))])


def unreadable(table: PartitionTable) -> sql.Composable:
    """The condition that a row holds what cannot be read: a number beyond all doubles, a text that is none in the
    server's encoding, a quality of more than 32 bits."""
    terms: list[sql.Composable] = [
        sql.SQL("({0} IS NOT NULL AND NOT ({1}))").format(sql.Identifier(name), _in_range(name))
        for name in NUMBERS
        if name in table.columns and table.kind(name) == NUMERIC
    ]
    if STRING in table.columns and (is_text := _is_text(table, sql.Identifier(STRING))):
        terms.append(sql.SQL("NOT coalesce({}, true)").format(is_text))
    if table.kind("dataintegrity") == "bigint":
        terms.append(sql.SQL("coalesce(dataintegrity NOT BETWEEN -2147483648 AND 4294967295, false)"))
    return _any(terms)


def path_text(table: PartitionTable, column: str) -> tuple[sql.Composable, sql.Composable]:
    """A column of text that can be read whatever it holds, and whether it was text as it stood."""
    name = sql.Identifier(column)
    return _text(table, name), _is_text(table, name) or sql.SQL("true")


def _number(table: PartitionTable, name: str) -> sql.Composable:
    double = sql.SQL("{}::float8").format(sql.Identifier(name))
    return (
        sql.SQL("CASE WHEN {} THEN {} END").format(_in_range(name), double) if table.kind(name) == NUMERIC else double
    )


def _readable(table: PartitionTable, name: str) -> sql.Composable:
    there = sql.SQL("{} IS NOT NULL").format(sql.Identifier(name))
    if table.kind(name) != NUMERIC:
        return there
    return sql.SQL("({} AND {})").format(there, _in_range(name))


def _in_range(name: str) -> sql.Composable:
    """Whether a ``numeric`` becomes a double without an error: neither one too large nor one that would be zero."""
    return sql.SQL(
        "(abs({0}) <= {1} AND (abs({0}) >= {2} OR {0} = 0) OR {0}::text IN ('NaN', 'Infinity', '-Infinity'))"
    ).format(sql.Identifier(name), sql.SQL(MOST), sql.SQL(LEAST))


def _exact(table: PartitionTable, name: str) -> sql.Composable | None:
    """Whether a double holds the number of a column exactly, asked cheaply; ``None`` where it always does."""
    column = sql.Identifier(name)
    if table.kind(name) == "bigint":
        return sql.SQL("{} BETWEEN {} AND {}").format(column, sql.SQL(str(-EXACT)), sql.SQL(str(EXACT)))
    if table.kind(name) == NUMERIC:
        return sql.SQL("CASE WHEN {} THEN {}::float8::text::numeric = {} ELSE false END").format(
            _in_range(name), column, column
        )
    return None


def _digits(table: PartitionTable) -> list[tuple[sql.Identifier, sql.Composable]]:
    """Columns whose numbers a double may not hold exactly, each with the condition that it is this row's, and does not.

    Of whole numbers beyond 2**53 doubles hold some; the largest would overflow on its way back.
    """
    found: list[tuple[sql.Identifier, sql.Composable]] = []
    before: list[sql.Composable] = []
    for name in (name for name in NUMBERS if name in table.columns):
        column = sql.Identifier(name)
        if exact := _exact(table, name):
            inexact = sql.SQL("NOT ({})").format(exact)
            if table.kind(name) == "bigint":
                inexact = sql.SQL("{} AND CASE WHEN {} > {} THEN true ELSE {}::float8::int8 <> {} END").format(
                    inexact, column, sql.SQL(str(LARGEST)), column, column
                )
            terms = [*before, sql.SQL("{} IS NOT NULL").format(column), inexact]
            found.append((column, sql.SQL("({})").format(sql.SQL(" AND ").join(terms))))
        before.append(sql.SQL("{} IS NULL").format(column))
    return found


def _text(table: PartitionTable, column: sql.Identifier) -> sql.Composable:
    """A column of text; what is none in the server's encoding with its odd bytes as octal numbers."""
    text = sql.SQL("{}::text").format(column)
    is_text = _is_text(table, column)
    if is_text is None:
        return text
    raw = sql.SQL("encode(convert_to({}, {}), 'escape')").format(text, sql.Literal(table.encoding))
    return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(is_text, text, raw)


def _is_text(table: PartitionTable, column: sql.Identifier) -> sql.Composable | None:
    """Whether a text can become UTF-8; ``None`` where the server has seen to it."""
    if table.encoding == "SQL_ASCII":
        fits = f"^({UTF8})*$"
    elif table.encoding.startswith("WIN") and (odd := _without_meaning(f"cp{table.encoding.removeprefix('WIN')}")):
        fits = f"^(?!(..)*({'|'.join(odd)}))"
    else:
        return None
    return sql.SQL("encode(convert_to({}::text, {}), 'hex') ~ {}").format(
        column, sql.Literal(table.encoding), sql.Literal(fits)
    )


def _without_meaning(codec: str) -> list[str]:
    """The bytes that stand for no character in an encoding of one byte, as hexadecimal digits."""

    def means(byte: int) -> bool:
        try:
            return bool(bytes([byte]).decode(codec))
        except (UnicodeDecodeError, LookupError):
            return False

    return [f"{byte:02x}" for byte in range(256) if not means(byte)]


def _any(terms: Iterable[sql.Composable]) -> sql.Composable:
    found = list(terms)
    return sql.SQL("({})").format(sql.SQL(" OR ").join(found)) if found else sql.SQL("false")


def _coalesce(terms: Sequence[sql.Composable], kind: str) -> sql.Composable:
    if not terms:
        return sql.SQL(f"NULL::{kind}")
    return terms[0] if len(terms) == 1 else sql.SQL("coalesce({})").format(sql.SQL(", ").join(terms))


def in_window(window: Window, ids: Sequence[int] | None) -> sql.Composed:
    """The condition that a row is in the window and of one of ``ids``, of any where there are none: looking each id up
    costs a tenth of reading it.

    The ids are a literal without a type, which takes that of the column: PostgreSQL looks them up in a hash table only
    where both sides are of one type, and compares them one by one otherwise.
    """
    found = sql.SQL("t_stamp >= {} AND t_stamp < {}").format(sql.Literal(window.start_ms), sql.Literal(window.end_ms))
    if ids is None:
        return found
    return sql.SQL("{} AND tagid = ANY({})").format(found, sql.Literal("{" + ",".join(map(str, ids)) + "}"))


def anything_else(schema: str, table: PartitionTable, window: Window, ids: Sequence[int]) -> sql.Composed | None:
    """Whether the table holds any row outside the window or of other ids, a look into an index for each place where
    one could stand; ``None`` where there are too many such places."""
    known = sorted(ids)
    gaps = [(a, b) for a, b in pairwise(known) if b - a > 1]
    if not known or len(gaps) > MOST_GAPS:
        return None
    places = ["t_stamp IS NULL", f"t_stamp < {window.start_ms}", f"t_stamp >= {window.end_ms}"]
    places += ["tagid IS NULL", f"tagid < {known[0]}", f"tagid > {known[-1]}"]
    places += [f"tagid > {a} AND tagid < {b}" for a, b in gaps]
    looks = [
        sql.SQL("EXISTS (SELECT FROM {} WHERE {})").format(table_name(schema, table), sql.SQL(place))
        for place in places
    ]
    return sql.SQL("SELECT {}").format(sql.SQL(" OR ").join(looks))


def in_pages(first: int, end: int | None) -> sql.Composed:
    """The condition that a row stands in the pages ``[first, end)`` of its table's file; ``None`` is the file's end."""
    found = sql.SQL("ctid >= {}::tid").format(sql.Literal(f"({first},0)"))
    return found if end is None else sql.SQL("{} AND ctid < {}::tid").format(found, sql.Literal(f"({end},0)"))


def table_name(schema: str, table: PartitionTable) -> sql.Composable:
    return sql.Identifier(schema, table.name)


def rows(schema: str, table: PartitionTable, window: Window, ids: Sequence[int]) -> sql.Composed:
    """Readings one by one: ``tagid, t_stamp, value, text, dataintegrity, unreadable``."""
    return sql.SQL(
        "SELECT tagid::int8 AS tagid, t_stamp, {} AS value, {} AS text, {} AS dataintegrity, {} AS unreadable"
        " FROM {} WHERE {}"
    ).format(
        value_of(table),
        text_of(table),
        quality_of(table),
        unreadable(table),
        table_name(schema, table),
        in_window(window, ids),
    )


def packed(schema: str, table: PartitionTable, where: sql.Composable, lift: int) -> sql.Composed:
    """Readings packed by the server, a row for each tag id: ``tagid, rows, texts, readings``.

    ``rows`` holds units of 16 bytes, numbers big-endian. A plain reading, one of quality ``PLAIN`` with a number and no
    text, is one unit: its time, which ``lift`` keeps above zero, and its value, as ``float8``. Any other is two: the
    time below zero and the value (0 for none); then quality (0 for none) and what there is, as one number
    (``CODE_SCALE``), and the length of the text (-1 for none). ``texts`` are their texts in UTF-8, end to end.
    ``readings`` is how many PostgreSQL counts: on the way that takes a few ns a reading, by itself 60.

    Nothing that may be NULL is concatenated: ``a || NULL`` is NULL, and ``string_agg`` skips NULLs. To join with
    nothing costs a tenth, so the delimiter is NULL. One ``CASE`` costs
    8 % less than a ``FILTER`` for each kind of reading; asking for each number by itself, 12 % less than for any of
    them. Numbers sent as a ``point``, or four as an ``lseg``, take half the time of sending each and ``||``; every time
    in a window is exact as a double. ``textsend`` gives what the client wants, which is UTF-8, for a third of what
    ``convert_to`` costs.
    """
    return sql.SQL("SELECT tagid::int8, {} WHERE {} GROUP BY tagid").format(_packing(schema, table, lift), where)


def lift(window: Window) -> int:
    """What is added to the times of a window (ms) so that all are above zero: nothing, after 1970."""
    return max(0, 1 - window.start_ms)


def _time(lift: int) -> sql.Composable:
    return sql.SQL("(t_stamp + {})").format(sql.Literal(lift)) if lift else sql.SQL("t_stamp")


def mixed(schema: str, table: PartitionTable, where: sql.Composable, lift: int) -> sql.Composed:
    """All readings of some pages packed together, one row: ``rows, texts, readings`` as ``packed`` has them.

    In place of a time stands ``tagid * 2**MIXED_BITS + time``, which is exact as a double where ``can_mix`` says so
    (to shift bits would be two calls more). To sort the readings of a slice by tag is the client's: at 400 tags it
    costs what PostgreSQL saves (30 ns a reading); ten thousand tags are one row still, not as many groups in work_mem.
    """
    return sql.SQL("SELECT {} WHERE {}").format(_packing(schema, table, lift, mixed=True), where)


def between(ids: Sequence[int]) -> sql.Composed:
    """The condition that no id is beyond those of ``ids``: cheaper than looking each up."""
    return sql.SQL("tagid BETWEEN {} AND {}").format(sql.Literal(min(ids)), sql.Literal(max(ids)))


def can_mix(window: Window, ids: Sequence[int]) -> bool:
    """Whether ``mixed`` can hold these ids and times."""
    fits = window.end_ms - window.start_ms <= 1 << MIXED_BITS and min(ids, default=0) >= 0
    return fits and (max(ids, default=0) << MIXED_BITS) + window.end_ms + lift(window) <= 1 << DOUBLE_BITS


def packed_by_tag(schema: str, table: PartitionTable, window: Window, ids: Sequence[int], lift: int) -> sql.Composed:
    """The same rows in the order of ``ids``, each as soon as its readings are read through the index on ``tagid``."""
    one = sql.SQL("tagid = wanted.id AND t_stamp >= {} AND t_stamp < {}").format(
        sql.Literal(window.start_ms), sql.Literal(window.end_ms)
    )
    return sql.SQL(
        "SELECT wanted.id::int8, packed.* FROM unnest({}::int8[]) WITH ORDINALITY AS wanted(id, place)"
        " CROSS JOIN LATERAL (SELECT {} WHERE {}) packed ORDER BY wanted.place"
    ).format(sql.Literal(list(ids)), _packing(schema, table, lift), one)


@lru_cache(maxsize=64)
def _packing(schema: str, table: PartitionTable, lift: int, *, mixed: bool = False) -> sql.SQL:
    """What all packed queries of a table have between SELECT and WHERE: to put it together takes 0.3 ms."""
    time = sql.SQL("(tagid * {} + {})").format(sql.Literal(1 << MIXED_BITS), _time(lift)) if mixed else _time(lift)
    time = sql.SQL("{}::float8").format(time)
    no_text = sql.SQL("").join(
        sql.SQL(" AND {} IS NULL").format(sql.Identifier(c)) for c in (STRING, DATE) if c in table.columns
    )
    plain: list[sql.Composable] = []
    for name in (name for name in NUMBERS if name in table.columns):
        exact = _exact(table, name)
        terms = sql.SQL(" AND {}").format(exact) if exact else sql.SQL("")
        plain.append(
            sql.SQL(
                "WHEN dataintegrity = {}{} AND {number} IS NOT NULL{} THEN point_send(point({}, {number}::float8))"
            ).format(sql.Literal(PLAIN), no_text, terms, time, number=sql.Identifier(name))
        )
    code = sql.SQL(
        "(coalesce({0}, 0) + {1}) * {2} + {3}::int * {4} + ({0} IS NOT NULL)::int * {5} + {6}::int * {7}"
    ).format(
        quality_of(table),
        QUALITY_LIFT,
        CODE_SCALE,
        has_value(table),
        HAS_VALUE,
        HAS_QUALITY,
        unreadable(table),
        UNREADABLE,
    )
    found = sql.SQL(
        "string_agg(CASE {plain} ELSE lseg_send(lseg(point(-{time}, coalesce({value}, 0)),"
        " point({code}, coalesce(octet_length(textsend({text})), -1)))) END, NULL),"
        " textsend(string_agg({text}, '') FILTER (WHERE {has_text})), count(*)"
        " FROM {table}"
    ).format(
        plain=sql.SQL(" ").join(plain or [sql.SQL("WHEN false THEN NULL")]),
        time=time,
        value=value_of(table),
        code=code,
        text=text_of(table),
        has_text=has_text(table),
        table=table_name(schema, table),
    )
    return sql.SQL(found.as_string())


def count(schema: str, table: PartitionTable, where: sql.Composable) -> sql.Composed:
    """The historian's own count."""
    return sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table_name(schema, table), where)
