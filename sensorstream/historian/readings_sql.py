"""The SQL that reads readings, row by row or packed by the server. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from psycopg import sql

from ..windows import Window
from .model import KEYS, PartitionTable
from .time_sql import within
from .values_sql import (
    BIGINT,
    NUMERIC,
    by_kind,
    has_value,
    has_words,
    numbers,
    quality_of,
    text_of,
    unreadable,
    value_of,
    worded,
)
from .view_sql import of_ids, relation

# Of a reading that is not plain, in one double: ``(quality + QUALITY_LIFT) * CODE_SCALE`` and what it has.
HAS_VALUE, HAS_QUALITY, UNREADABLE, CODE_SCALE, QUALITY_LIFT = 1, 2, 4, 8, 1 << 31
# In place of a text's length where there is none: this, or what tells a whole number beside its double, which is less
# than half of these away: this less one and its lowest bits.
NO_TEXT, LOW_BITS = -1, 11
# Of the 53 bits that a double keeps: 32 for a time of 49 days in milliseconds, so that 21 are left for two million ids.
DOUBLE_BITS, MIXED_BITS = 53, 32

EVERY_ROW = sql.SQL("true")
MOST_WIDE = 500  # columns, three aggregates each, where PostgreSQL takes 1664
MOST_GAPS = 100  # among ids, each of which is one look into an index


def shape(schema: str, table: PartitionTable) -> sql.Composed:
    """No row of the columns that are read: what they are comes with it, and the table is held until the transaction
    ends."""
    columns = sql.SQL(", ").join(map(sql.Identifier, (*KEYS, *table.columns)))
    return sql.SQL("SELECT {} FROM {} LIMIT 0").format(columns, table_name(schema, table))


def in_window(table: PartitionTable, window: Window, ids: Sequence[int] | None) -> sql.Composable:
    """The condition that a row is in the window and of one of ``ids``, of any where there are none: looking each id up
    costs a tenth of reading it."""
    found = in_time(table, window.start_ms, window.end_ms)
    return found if ids is None else sql.SQL("{} AND {}").format(found, of_ids(table.view, ids))


def in_time(table: PartitionTable, start_ms: int, end_ms: int) -> sql.Composable:
    """The condition that a row's time is in ``[start_ms, end_ms)``."""
    return within(table.time, start_ms, end_ms)


def anything_else(schema: str, table: PartitionTable, window: Window, ids: Sequence[int]) -> sql.Composed | None:
    """Whether the table holds any row outside the window or of other ids, a look into an index for each place where
    one could stand; ``None`` where there are too many such places."""
    if table.view:
        return None
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


def table_name(schema: str, table: PartitionTable, alias: str | None = None, *, only: bool = False) -> sql.Composable:
    """What to select readings of a table from; ``only`` it and none of its heirs."""
    return relation(schema, table.name, table.view, alias, only=only)


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
        in_window(table, window, ids),
    )


def packed(schema: str, table: PartitionTable, where: sql.Composable, lift: int) -> sql.Composed:
    """Readings packed by the server, a row for each tag id: ``tagid, rows, texts, readings``.

    ``rows`` holds units of 16 bytes, numbers big-endian. A plain reading, one of quality ``PLAIN`` with a number and no
    text, is one unit: its time, which ``lift`` keeps above zero, and its value, as ``float8``. Any other is two: the
    time below zero and the value (0 for none); then quality (0 for none) and what there is, as one number
    (``CODE_SCALE``), and the length of the text (``NO_TEXT`` for none). ``texts`` are their texts in UTF-8, end to end.
    A ``bigint`` whose digits would be its text has its lowest bits instead (``LOW_BITS``), from which the client knows
    them: to ask of every reading whether it is one costs an eighth. ``readings`` is how many PostgreSQL counts: on the
    way that takes a few ns a reading, by itself 60.

    Nothing that may be NULL is concatenated: ``a || NULL`` is NULL, and ``string_agg`` skips NULLs. To join with
    nothing costs a tenth, so the delimiter is NULL. One aggregate costs 8 % less than one with a ``FILTER`` for each
    kind of reading. Numbers sent as a ``point``, or four as an ``lseg``, take half the time of sending each and ``||``;
    every time in a window is exact as a double. ``textsend`` gives what the client wants, which is UTF-8, for a third
    of what ``convert_to`` costs.
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
    """The same rows in the order of ``ids``, each as soon as its readings are read through the index on ``tagid``.

    Where other columns tell the tag there is no order.
    """
    if table.own_keys[0] is None:
        return packed(schema, table, in_window(table, window, ids), lift)
    one = sql.SQL("tagid = wanted.id AND {}").format(in_time(table, window.start_ms, window.end_ms))
    return sql.SQL(
        "SELECT wanted.id::int8, packed.* FROM unnest({}::int8[]) WITH ORDINALITY AS wanted(id, place)"
        " CROSS JOIN LATERAL (SELECT {} WHERE {}) packed ORDER BY wanted.place"
    ).format(sql.Literal(list(ids)), _packing(schema, table, lift), one)


def packed_wide(
    schema: str, table: PartitionTable, where: sql.Composable, ids: Sequence[int] | None, lift: int
) -> sql.Composed:
    """The same of a wide table's rows: an aggregate a column, in one pass, in place of a row for each of them.

    ``where`` says nothing of ``ids``.
    """
    columns, rows = _wide_packing(schema, table, lift)
    wanted = sql.SQL("true") if ids is None else of_ids(None, ids)
    return sql.SQL(
        "SELECT each.* FROM (SELECT {} WHERE {}) one CROSS JOIN LATERAL (VALUES {})"
        " AS each(tagid, rows, texts, readings) WHERE {}"
    ).format(columns, where, rows, wanted)


def is_packed_wide(table: PartitionTable) -> bool:
    """Whether a table is wide, and not wider than a list of so many aggregates may be."""
    return bool(table.view and 0 < len(table.view.wide) <= MOST_WIDE)


@lru_cache(maxsize=64)
def _wide_packing(schema: str, table: PartitionTable, lift: int) -> tuple[sql.SQL, sql.SQL]:
    """What stands between SELECT and WHERE, and the row of each column."""
    assert table.view is not None
    time = sql.SQL("{}::float8").format(_time(lift))
    aggregates, rows = [], []
    for n, column in enumerate(table.view.wide):
        one = replace(table, columns=(column.value,), view=None)
        unit, text, some_text = (part.as_string(None) for part in _units(one, time))
        texts = (
            f"textsend(string_agg({text}, '') FILTER (WHERE {some_text}))" if some_text != "false" else "NULL::bytea"
        )
        own = sql.Identifier(column.shown).as_string(None)
        found = f"string_agg({unit}, NULL) FILTER (WHERE {own} IS NOT NULL) r{n}, {texts} t{n}, count({own}) n{n}"
        aggregates.append(found.replace(sql.Identifier(column.value).as_string(None), own))
        rows.append(f"({column.id}, r{n}, t{n}, n{n})")
    name = relation(schema, table.name, table.view.as_rows).as_string(None)
    return sql.SQL(f"{', '.join(aggregates)} FROM {name}"), sql.SQL(", ".join(rows))


@lru_cache(maxsize=64)
def _packing(schema: str, table: PartitionTable, lift: int, *, mixed: bool = False) -> sql.SQL:
    """What all packed queries of a table have between SELECT and WHERE: to put it together takes 0.3 ms."""
    time = sql.SQL("(tagid * {} + {})").format(sql.Literal(1 << MIXED_BITS), _time(lift)) if mixed else _time(lift)
    found = sql.SQL("string_agg({}, NULL), textsend(string_agg({}, '') FILTER (WHERE {})), count(*) FROM {}").format(
        *_units(table, sql.SQL("{}::float8").format(time)), table_name(schema, table)
    )
    return sql.SQL(found.as_string())


def _units(table: PartitionTable, time: sql.Composable) -> tuple[sql.Composable, sql.Composable, sql.Composable]:
    """The units of a row, its text, and whether it has one: see ``packed``."""
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
    text = worded(table, [NUMERIC])
    two_units = sql.SQL(
        "lseg_send(lseg(point(-{}, coalesce({}, 0)), point({}, coalesce(octet_length(textsend({})), {}))))"
    ).format(time, value_of(table), code, text, _low_bits(table))
    one_unit = sql.SQL("point_send(point({}, {}::float8))")
    units = by_kind(table, lambda number: one_unit.format(time, number), two_units)
    return units, text, has_words(table, [NUMERIC])


def _low_bits(table: PartitionTable) -> sql.Composable:
    """What stands in place of a length where there is no text: see ``LOW_BITS``."""
    whens = []
    for name in numbers(table):
        low = sql.SQL("{} - ({} & {})").format(NO_TEXT - 1, sql.Identifier(name), (1 << LOW_BITS) - 1)
        instead = low if table.kind(name) == BIGINT else sql.Literal(NO_TEXT)
        whens.append(sql.SQL("WHEN {} IS NOT NULL THEN {}").format(sql.Identifier(name), instead))
    return sql.SQL("CASE {} ELSE {} END").format(sql.SQL(" ").join(whens), NO_TEXT) if whens else sql.Literal(NO_TEXT)


def count(
    schema: str, table: PartitionTable, window: Window | None = None, ids: Sequence[int] | None = None
) -> sql.Composed:
    """The historian's own count of a window's readings of ``ids``, of any where there are none; of all of them."""
    if window is None:
        return sql.SQL("SELECT count(*) FROM {}").format(table_name(schema, table))
    if is_packed_wide(table):
        return sql.SQL("SELECT coalesce(sum(readings), 0)::int8 FROM ({}) each").format(
            count_wide(schema, table, window, ids)
        )
    return sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table_name(schema, table), in_window(table, window, ids))


def count_wide(schema: str, table: PartitionTable, window: Window, ids: Sequence[int] | None) -> sql.Composed:
    """``tagid, readings`` of a wide table's columns, counted in one pass over its rows."""
    assert table.view is not None
    columns = enumerate(table.view.wide)
    counted = [(column.id, n, sql.Identifier(column.shown).as_string(None)) for n, column in columns]
    counts = ", ".join(f"count({own}) n{n}" for _, n, own in counted)
    rows = ", ".join(f"({number}, n{n})" for number, n, _ in counted)
    return sql.SQL(
        "SELECT tagid, readings FROM (SELECT {} FROM {} WHERE {}) one CROSS JOIN LATERAL (VALUES {})"
        " AS each(tagid, readings) WHERE {}"
    ).format(
        sql.SQL(counts),
        relation(schema, table.name, table.view.as_rows),
        in_window(table, window, None),
        sql.SQL(rows),
        sql.SQL("true") if ids is None else of_ids(None, ids),
    )
