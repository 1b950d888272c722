"""One sensor or two: whether ids of one tag path that different gateways write are one tag.

They are where a gateway was renamed, a tag was moved or a pair failed over: readings come in blocks. Where readings of
two gateways come in turn over the same stretch of time they are two sensors, and a series of both is of neither. Judged
by readings, since ids that a rename leaves are often not retired.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from ..errors import SourceError
from ..windows import Window
from .arrays import array, asked
from .gateways import Gateway, gateway_names, gateways_of
from .model import PartitionTable, Tag
from .readings_sql import table_name
from .statistics import indexes_of
from .tables import around
from .values_sql import text_of, value_of

if TYPE_CHECKING:
    from .catalog import Historian

FEW = 4  # readings: fewer say nothing by themselves
# Two sensors that write in turn change hands about twice for each reading of the one that has fewer; a pair that fails
# over does so a few times.
IN_TURN = 1 / 4  # of that
TOGETHER = 16  # paths that one query counts
MOST_COUNTED = 1000  # paths, once one is known to be of two sensors
# Of more readings of a stretch slices of it tell enough, unless one gateway has few of them there.
MOST_READINGS, LEAST_OF_EACH, SLICES = 5_000, 500, 64

Piece = tuple[Tag, Window]


@dataclass(frozen=True)
class Shared:
    """A tag path of which two gateways have readings, in the window and over the same stretch of time about it."""

    path: str
    window: Window
    gateways: tuple[Gateway, Gateway]
    ids: tuple[tuple[int, ...], tuple[int, ...]]  # of each
    start_ms: int  # of the stretch, in which both its ends are
    end_ms: int
    turns: int  # at its ends


@dataclass(frozen=True)
class Counted:
    """What was counted of a shared path: readings of the gateway that has fewer, but for those that the other has at
    the same time as well, how often one gateway's reading follows the other's, and when it does so in the window."""

    shared: Shared
    fewer: int
    turns: int
    at_ms: int


def in_turn(turns: int, fewer: int) -> bool:
    """Whether two series are of two sensors: they change hands so often. Pure."""
    return turns >= IN_TURN * 2 * fewer


def of_two_sensors(counted: Sequence[Counted]) -> list[Counted]:
    """Those of ``counted``, which are all, that are of two sensors. Pure.

    Where readings are few all the paths that the two gateways share tell; where even these are few, it is better to
    stop than to mix.
    """
    together: dict[frozenset[Gateway], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for one in counted:
        turns, fewer = together[frozenset(one.shared.gateways)]
        together[frozenset(one.shared.gateways)] = turns + one.turns, fewer + one.fewer

    def mixed(one: Counted) -> bool:
        if one.fewer >= FEW:
            return in_turn(one.turns, one.fewer)
        turns, fewer = together[frozenset(one.shared.gateways)]
        return one.fewer > 0 and (fewer < FEW or in_turn(turns, fewer))

    return [one for one in counted if mixed(one)]


def refuse_two_sensors(historian: Historian, pieces: Iterable[Piece]) -> None:
    """``SourceError`` where readings of a tag in a window of ``pieces`` are of two gateways at once."""
    indexed, shared = _shared(historian, pieces)
    counted: list[Counted] = []
    for some in _counted(historian, indexed, shared):
        counted += some
        known = [one for one in counted if one.fewer >= FEW and in_turn(one.turns, one.fewer)]
        if known and len(counted) >= MOST_COUNTED:
            break
    else:
        known = of_two_sensors(counted)
    if known:
        raise SourceError(_sentence(historian, known, every=len(counted) == len(shared)))


def gateways_at_once(historian: Historian, tags: Sequence[Tag], window: Window) -> dict[str, int]:
    """By tag path how many gateways write it over the same stretch of time, where that is more than one."""
    counted = _counted(historian, *_shared(historian, [(tag, window) for tag in tags]))
    gateways: dict[str, set[Gateway]] = defaultdict(set)
    for one in of_two_sensors([one for some in counted for one in some]):
        gateways[one.shared.path] |= set(one.shared.gateways)
    return {path: len(some) for path, some in gateways.items()}


def _sentence(historian: Historian, known: Sequence[Counted], *, every: bool) -> str:
    first, spelled = known[0].shared, gateway_names(historian)
    sides = [
        f"{'a gateway that no table names' if number is None else spelled[number]} (id {', '.join(map(str, ids))})"
        for number, ids in zip(first.gateways, first.ids, strict=True)
    ]
    younger_first = sorted(zip(first.ids, first.gateways, strict=True), key=lambda side: side[0], reverse=True)
    free = [spelled[n] for _, n in younger_first if n is not None and spelled[n] not in historian.gateway_prefixes]
    remedy = (
        f'give one a path of its own, "gateway_prefixes": {json.dumps({free[0]: f"{free[0]}/"}, ensure_ascii=False)}'
        if free
        else 'give each another prefix under "gateway_prefixes"'
    )
    more = len({one.shared.path for one in known}) - 1
    others = f"; so are {'' if every else 'at least '}{more:,} more paths" if more else ""
    at = datetime.fromtimestamp(known[0].at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return (
        f"tag path {first.path} is of two sensors: {' and '.join(sides)} write it in turn, at {at} for one:"
        f" {remedy}{others}"
    )


# -- what is asked of the readings -------------------------------------------------------------------------------------


def _shared(historian: Historian, pieces: Iterable[Piece]) -> tuple[dict[PartitionTable, bool], list[Shared]]:
    """What two gateways share, by their first and last readings, and the tables that hold it, each with whether an id's
    readings can be looked up by time; nothing is asked where no path has ids of two."""
    several = [(tag, window) for tag, window in pieces if len(tag.ids) > 1]
    of = gateways_of(historian, sorted({number for tag, _ in several for number in tag.ids})) if several else {}
    written = []
    for tag, window in several:
        ids: dict[Gateway, list[int]] = defaultdict(list)
        for number in tag.ids:
            ids[of[number]].append(number)
        if len(ids) > 1:
            written += [_Side(tag.path, window, gateway, tuple(some)) for gateway, some in ids.items()]
    if not written:
        return {}, []
    noted = len(historian.notes)
    tables = historian.partition_tables(around(Window.around([side.window for side in written])))
    del historian.notes[noted:]  # of another window
    indexed = {
        table: any(columns[:2] == ("tagid", "t_stamp") for columns in indexes_of(historian, table)) for table in tables
    }
    within = _reaches(historian, indexed, [(side, side.window) for side in written])
    present = _of_two([side for side in written if side in within])
    # A border of the window may cut a switch-over, of which it then has only the part in which both wrote.
    reach = _reaches(historian, indexed, [(side, around(side.window)) for side in present])
    found = []
    for _, sides in groupby(present, key=lambda side: (side.path, side.window)):
        for one, other in combinations(sides, 2):
            (first, last), (other_first, other_last) = reach[one], reach[other]
            start, end = max(first, other_first), min(last, other_last)
            if start <= end:
                turns = (first != other_first) + (last != other_last)
                both = (one.gateway, other.gateway), (one.ids, other.ids)
                found.append(Shared(one.path, one.window, *both, start, end, turns))
    return indexed, found


class _Side(NamedTuple):
    """What one gateway has of a tag path."""

    path: str
    window: Window
    gateway: Gateway
    ids: tuple[int, ...]


def _of_two(sides: Sequence[_Side]) -> list[_Side]:
    """Those that are not alone with their path and window."""
    count = Counter((side.path, side.window) for side in sides)
    return [side for side in sides if count[side.path, side.window] > 1]


def _reaches(
    historian: Historian, indexed: Mapping[PartitionTable, bool], sides: Sequence[tuple[_Side, Window]]
) -> dict[_Side, tuple[int, int]]:
    """First and last time (ms) of each side in the window beside it, of those that have any."""
    rows = [(n, number, *_ends(window)) for n, (side, window) in enumerate(sides) for number in side.ids]
    times: dict[_Side, list[int]] = defaultdict(list)
    spans = [(first, last) for *_, first, last in rows]
    for table, by_index in indexed.items() if rows else ():
        query = sql.SQL(LOOKED_UP if by_index else IN_A_PASS).format(
            asked=asked(rows, ("int4", "int8", "int8", "int8")),
            table=table_name(historian.schema, table),
            readings=_readings(historian, table, by_index, spans),
        )
        for n, *ends in _told(historian, table.name, query):
            times[sides[n][0]] += [time for time in ends if time is not None]
    return {side: (min(some), max(some)) for side, some in times.items() if some}


def _counted(
    historian: Historian, indexed: Mapping[PartitionTable, bool], shared: Sequence[Shared]
) -> Iterator[list[Counted]]:
    """Some paths at a time, all together in the order of ``shared``."""
    for begin in range(0, len(shared), TOGETHER):
        some = shared[begin : begin + TOGETHER]
        sizes, inside = _sizes(historian, indexed, some)
        slices = [
            (n, *piece)
            for n, one in enumerate(some)
            for piece in (_slices(one, inside[n]) if all(indexed.values()) else [(one.start_ms, one.end_ms)])
        ]
        sides = [
            (place, bool(k), number, first, last)
            for place, (n, first, last) in enumerate(slices)
            for k in (0, 1)
            for number in some[n].ids[k]
        ]
        spans = [(first, last) for _, first, last in slices]
        parts = (
            sql.SQL(READINGS).format(readings=_readings(historian, *table, spans, values=True))
            for table in indexed.items()
        )
        windows = [_ends(some[n].window) for n, *_ in slices]
        query = sql.SQL(TURNS).format(
            asked=asked(sides, ("int4", "bool", "int8", "int8", "int8")),
            parts=sql.SQL(" UNION ALL ").join(parts),
            since=array([first for first, _ in windows], "int8"),
            until=array([last for _, last in windows], "int8"),
        )
        alike, turns, looked_at = ([0] * len(some) for _ in range(3))
        times: list[list[int]] = [[] for _ in some]
        for n, first, last in slices:
            looked_at[n] += last + 1 - first
        for place, same, changes, at in _told(historian, ", ".join(table.name for table in indexed), query):
            n = slices[place][0]
            alike[n], turns[n] = alike[n] + same, turns[n] + changes
            times[n] += [at] if at is not None else []
        counted = []
        for n, one in enumerate(some):
            scale = (one.end_ms + 1 - one.start_ms) / looked_at[n]
            inner = round(scale * turns[n])
            # A reading is followed by one of the other gateway and follows one, so turns tell how many there are.
            fewer = max(min(sizes[n]) - round(scale * alike[n]), -(-inner // 2))
            counted.append(Counted(one, fewer, one.turns + inner, min(times[n], default=one.start_ms)))
        yield counted


def _sizes(
    historian: Historian, indexed: Mapping[PartitionTable, bool], some: Sequence[Shared]
) -> tuple[list[list[int]], list[list[int]]]:
    """How many readings each gateway has about the window, and in the stretch."""
    rows = [
        (n, bool(k), number, *_ends(around(one.window)), one.start_ms, one.end_ms)
        for n, one in enumerate(some)
        for k in (0, 1)
        for number in one.ids[k]
    ]
    sizes, inside = ([[0, 0] for _ in some] for _ in range(2))
    spans = [row[3:5] for row in rows]
    for table, by_index in indexed.items():
        query = sql.SQL(SIZES).format(
            asked=asked(rows, ("int4", "bool", *("int8",) * 5)), readings=_readings(historian, table, by_index, spans)
        )
        for n, other, every, of_stretch in _told(historian, table.name, query):
            sizes[n][other] += every
            inside[n][other] += of_stretch
    return sizes, inside


def _slices(one: Shared, inside: Sequence[int]) -> list[tuple[int, int]]:
    """Slices of a stretch (ms, both ends in it) that hold readings enough; all of it where it holds no more. Pure."""
    length = one.end_ms + 1 - one.start_ms
    share = max(MOST_READINGS / max(sum(inside), 1), LEAST_OF_EACH / max(min(inside), 1))
    if share >= 1:
        return [(one.start_ms, one.end_ms)]
    starts = [one.start_ms + k * length // SLICES for k in range(SLICES)]
    return [(start, start + math.ceil(share * length / SLICES) - 1) for start in starts]


LOOKED_UP = """
SELECT n, (SELECT min(t_stamp) FROM {table} WHERE tagid = asked.id AND t_stamp BETWEEN asked.first AND asked.last),
    (SELECT max(t_stamp) FROM {table} WHERE tagid = asked.id AND t_stamp BETWEEN asked.first AND asked.last)
FROM {asked} AS asked(n, id, first, last)
"""
IN_A_PASS = """
SELECT n, min(r.t_stamp), max(r.t_stamp) FROM {asked} AS asked(n, id, first, last) {readings} GROUP BY n
"""
SIZES = """
SELECT n, other, count(*), count(*) FILTER (WHERE r.t_stamp BETWEEN since AND until)
FROM {asked} AS asked(n, other, id, first, last, since, until) {readings} GROUP BY n, other
"""
READINGS = "SELECT asked.n, asked.other, r.t_stamp, r.value, r.text FROM asked {readings}"
# A time at which both gateways have readings begins with the one's and ends with the other's; where they are alike, it
# is nobody's turn.
TURNS = """
WITH asked AS (SELECT * FROM {asked} AS asked(n, other, id, first, last)),
readings AS ({parts}),
times AS (
    SELECT n, t_stamp, bool_and(other) AS begins, bool_or(other) AS ends,
        bool_and(other) <> bool_or(other)
        AND min(value) IS NOT DISTINCT FROM max(value) AND count(value) IN (0, count(*))
        AND min(text) IS NOT DISTINCT FROM max(text) AND count(text) IN (0, count(*)) AS alike
    FROM readings GROUP BY n, t_stamp),
turns AS (
    SELECT n, t_stamp, alike, CASE WHEN alike THEN 0 ELSE (begins <> ends)::int
        + (lag(ends, 1, begins) OVER (PARTITION BY n, alike ORDER BY t_stamp) <> begins)::int END AS turns
    FROM times)
SELECT n, count(*) FILTER (WHERE alike), sum(turns),
    min(t_stamp) FILTER (WHERE turns > 0 AND t_stamp BETWEEN ({since})[n + 1] AND ({until})[n + 1])
FROM turns GROUP BY n
"""


def _readings(
    historian: Historian,
    table: PartitionTable,
    indexed: bool,
    spans: Sequence[tuple[int, int]],
    *,
    values: bool = False,
) -> sql.Composed:
    """The readings ``r`` of what is ``asked``, each id's from its first to its last time: looked up one by one, which
    the planner may not think of where there are many, or in a pass over ``spans``."""
    columns = sql.SQL("t_stamp, {} AS value, {} AS text").format(value_of(table), text_of(table))
    query = (
        "CROSS JOIN LATERAL (SELECT {columns} FROM {table} WHERE tagid = asked.id"
        " AND t_stamp BETWEEN asked.first AND asked.last OFFSET 0) r"
        if indexed
        else "JOIN (SELECT tagid, {columns} FROM {table} WHERE t_stamp BETWEEN {first} AND {last}) r"
        " ON r.tagid = asked.id AND r.t_stamp BETWEEN asked.first AND asked.last"
    )
    return sql.SQL(query).format(
        columns=columns if values else sql.SQL("t_stamp"),
        table=table_name(historian.schema, table),
        first=sql.Literal(min(first for first, _ in spans)),  # to the planner, what stands in an array says nothing
        last=sql.Literal(max(last for _, last in spans)),
    )


def _told(historian: Historian, where: str, query: sql.Composed) -> list[tuple[Any, ...]]:
    return historian.ask(f"looking whose readings {where} holds", query)


def _ends(window: Window) -> tuple[int, int]:
    """First and last millisecond."""
    return window.start_ms, window.end_ms - 1
