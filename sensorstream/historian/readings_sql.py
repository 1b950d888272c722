"""The SQL that reads readings, the same for both engines. Pure.

Every layout is seen as ``tagid, t_stamp, value double, text, dataintegrity``:
``value`` is the float, else the int as a double; ``text`` is the string, else the date as ISO 8601 with microseconds
(before year 1, and infinite ones, as PostgreSQL writes them).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from psycopg import sql

from ..windows import Window
from .model import PartitionTable

NUMBERS = ("floatvalue", "intvalue", "value")
DATE = "datevalue"
STRING = "stringvalue"

# The quality code of nearly every reading (OPC's "good"): readings that have it are packed without it.
PLAIN = 192
# Of a reading that is not plain, in one double: ``(quality + QUALITY_LIFT) * CODE_SCALE`` and what it has.
HAS_VALUE, HAS_QUALITY, CODE_SCALE, QUALITY_LIFT = 1, 2, 4, 1 << 31
# Of the 53 bits that a double keeps: 32 for a time of 49 days in milliseconds, so that 21 are left for two million ids.
DOUBLE_BITS, MIXED_BITS = 53, 32

EVERY_ROW = sql.SQL("true")
MOST_GAPS = 100  # among ids, each of which is one look into an index


def value_of(table: PartitionTable) -> sql.Composable:
    """The numeric value of a row, NULL if it has none."""
    names = [name for name in NUMBERS if name in table.columns]
    terms = [sql.SQL("{}::float8").format(sql.Identifier(name)) for name in names]
    return _coalesce(terms, "float8")


def text_of(table: PartitionTable) -> sql.Composable:
    """The text of a row, NULL if it has none."""
    terms: list[sql.Composable] = []
    if STRING in table.columns:
        terms.append(sql.SQL("{}::text").format(sql.Identifier(STRING)))
    if DATE in table.columns:
        terms.append(
            sql.SQL(
                "CASE WHEN isfinite({0}) AND {0} >= '0001-01-01'"
                " THEN to_char({0}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US') ELSE {0}::text END"
            ).format(sql.Identifier(DATE))
        )
    return _coalesce(terms, "text")


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
    """Readings one by one: ``tagid, t_stamp, value, text, dataintegrity``."""
    return sql.SQL(
        "SELECT tagid::int8 AS tagid, t_stamp, {} AS value, {} AS text, dataintegrity::int4 AS dataintegrity"
        " FROM {} WHERE {}"
    ).format(value_of(table), text_of(table), table_name(schema, table), in_window(window, ids))


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
    numbers, texts = ([sql.Identifier(c) for c in some if c in table.columns] for some in (NUMBERS, (STRING, DATE)))
    no_text = sql.SQL("").join(sql.SQL(" AND {} IS NULL").format(column) for column in texts)
    plain: list[sql.Composable] = [
        sql.SQL(
            "WHEN dataintegrity = {}{} AND {number} IS NOT NULL THEN point_send(point({}, {number}::float8))"
        ).format(sql.Literal(PLAIN), no_text, time, number=number)
        for number in numbers
    ] or [sql.SQL("WHEN false THEN NULL")]
    code = sql.SQL(
        "(coalesce(dataintegrity::int4, 0) + {}) * {} + {}::int * {} + (dataintegrity IS NOT NULL)::int * {}"
    ).format(QUALITY_LIFT, CODE_SCALE, _any_of(numbers), HAS_VALUE, HAS_QUALITY)
    found = sql.SQL(
        "string_agg(CASE {plain} ELSE lseg_send(lseg(point(-{time}, coalesce({value}, 0)),"
        " point({code}, coalesce(octet_length(textsend({text})), -1)))) END, NULL),"
        " textsend(string_agg({text}, '') FILTER (WHERE {has_text})), count(*)"
        " FROM {table}"
    ).format(
        plain=sql.SQL(" ").join(plain),
        time=time,
        value=value_of(table),
        code=code,
        text=text_of(table),
        has_text=_any_of(texts),
        table=table_name(schema, table),
    )
    return sql.SQL(found.as_string())


def _any_of(columns: Sequence[sql.Identifier]) -> sql.Composable:
    """Whether any of them has a value."""
    terms = [sql.SQL("{} IS NOT NULL").format(column) for column in columns]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(terms)) if terms else sql.SQL("false")


def count(schema: str, table: PartitionTable, where: sql.Composable) -> sql.Composed:
    """The historian's own count."""
    return sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table_name(schema, table), where)
