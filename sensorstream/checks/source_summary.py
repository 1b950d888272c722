"""The source in two small frames: a row a tag id as it stands, and a row a tag path with its readings summed up.

Columns of ``frame_of``:

=======================  ==========================================================================================
tagpath, datatype, ids   the path, ``int``, ``float``, ``string``, ``date`` or none, how many ids it has had
readings                 rows in the window, of all its ids and in all partition tables
kept_share               share that the quality rule keeps; empty under ``ENOUGH`` readings
kept                     readings that the rule keeps
rejected_share_of_all    readings that the rule rejects over the readings of all tags: the sum is the whole window's
expected_readings        ``readings`` of a tag that lives in the window; empty if retired before or created after
no_quality, unlisted     readings without a code, and with one that neither list names
empty_share              share of the kept readings that hold neither value nor text
texts_in_number          readings with a text though the tag is a number
not_finite               readings that are NaN, infinite, or beyond all that is measured (``formatting.MOST_MEASURED``)
unreadable               how many hold what cannot be read, and column and time of the first; empty if none does
doubled                  readings beyond the first of one id at one time (what several ids share is normal: a rename)
gateways                 how many gateways write the path over the same stretch of time, as if it were one sensor
conflicting              kept readings that differ from another id's, or table's, of the same time: one of them is lost
keyless                  rows without time, or without tag id in the window; such a row stands under its table's name
none_kept                readings of a table of which the rule keeps none; stands under its table's name
unread                   1 for a table with readings of the window of which none is read, under its name
first_ms, last_ms        first and last time, ms since 1970
lowest, highest          of the other good values
range_low, range_high    what those should keep to; empty if nothing says
silent_share             the longest time without a reading, as a share of the window; empty for a tag with few
from_ms, until_ms        from when to when readings are expected: the window, or as much of it as the tag has lived
steps_since_last         time from the last reading until then, in mean steps between readings
clock_steps              how often the tag's clock went back: see ``clock_steps.py``; empty where rows stand in no order
of_usual                 ``readings`` over those of the same weekdays before; empty where the lake knows of none
=======================  ==========================================================================================
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ..formatting import length
from ..historian import Historian, PartitionTable, Tag
from ..historian.connection import scalar, source_errors
from ..historian.tag_rows import matches, tag_rows
from ..historian.values_sql import unreadable_columns
from ..lake.concurrency import at_once
from ..transform.quality import QualityRule
from ..windows import Window
from . import source_summary_sql as queries
from .anomalies import Anomaly, instant
from .clock_steps import BINS, DENSE, Cell, Pieces, joined, silence, written_twice
from .ranges import Range, Seen, matcher

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 100  # readings: a share of fewer says little
TOGETHER = 16  # tag paths that one query compares
NUMBERS = ("int", "float")
TEXTS = ("tagpath", "datatype", "unreadable")  # of the columns; the others are numbers


@dataclass
class TagSum:
    """The readings of one tag path, added up over ids, quality codes, pieces and tables."""

    readings: int = 0
    kept: int = 0
    no_quality: int = 0
    unlisted: int = 0
    empty: int = 0
    texts: int = 0
    not_finite: int = 0
    unreadable: int = 0
    first_unreadable: tuple[int, str] | None = None  # ms since 1970, column
    doubled: int = 0
    times: list[int] = field(default_factory=list)  # first and last of each group, ms
    spans: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)  # tag id, table: of kept readings, ms
    lows: list[tuple[int, float]] = field(default_factory=list)  # piece and lowest, of good readings
    highs: list[float] = field(default_factory=list)  # of each group of them
    cells: dict[tuple[int, str], list[Cell]] = field(default_factory=dict)  # tag id, table

    def add(self, group: queries.Group, reason: str | None, table: str = "") -> None:
        self.readings += group.readings
        self.texts += group.texts
        self.not_finite += group.not_finite
        self.unreadable += group.unreadable
        readable = group.readings - group.unreadable
        self.times += [group.first_ms, group.last_ms]
        place = group.tagid, table
        cells = [*map(Cell, group.pieces, group.counts, group.first_rows, group.last_rows)]
        self.cells[place] = joined([*self.cells[place], *cells]) if place in self.cells else cells
        if reason is None:
            span = self.spans.get(place, (group.first_ms, group.last_ms))
            self.spans[place] = min(span[0], group.first_ms), max(span[1], group.last_ms)
            self.kept += readable
            self.empty += group.empty
            if group.highest is not None:
                self.highs.append(group.highest)
            self.lows += [(piece, low) for piece, low in zip(group.pieces, group.lows, strict=True) if low is not None]
        elif reason == "no_quality":
            self.no_quality += readable
        elif reason == "unlisted_quality":
            self.unlisted += readable

    def seen(self) -> Seen | None:
        """The values' range."""
        if not self.highs:
            return None
        lows = [low for _, low in sorted(self.lows)]
        rises = len(lows) > 2 and lows == sorted(lows) and lows[0] < lows[-1]
        return Seen(min(lows), max(self.highs), counter=rises)

    def several_at_once(self) -> tuple[int, int] | None:
        """From when to when (ms) several ids or tables have kept readings; ``None`` where they never have together."""
        spans = sorted(self.spans.values())
        furthest = accumulate((end for _, end in spans), max)
        both = [(start, min(end, before)) for (start, end), before in zip(spans[1:], furthest, strict=False)]
        both = [(start, end) for start, end in both if start <= end]
        return (both[0][0], max(end for _, end in both)) if both else None

    @cached_property
    def clock_steps(self) -> list[tuple[int, int]]:
        """Runs of pieces that an id wrote twice, of a sum to which nothing is added any more."""
        return sorted({run for cells in self.cells.values() for run in written_twice(cells)})


def tags_frame(historian: Historian, patterns: Sequence[str]) -> pd.DataFrame:
    """A row a tag id: those that ``patterns`` select, and those whose path is missing or blank.

    A path that is missing matches no pattern, so nobody would ever miss the readings of such an id.
    """
    import pandas as pd

    table = tag_rows(historian)
    with source_errors(historian.login, "reading the tags"):
        query = queries.tag_ids(table, matches(historian, table, patterns), historian.encoding)
        rows = historian.connection.execute(query).fetchall()
    frame = pd.DataFrame(rows, columns=["id", "tagpath", "readable"], dtype=object)
    frame["trimmed"] = [path.strip() if path is not None else None for path in frame["tagpath"]]
    return frame


@dataclass(frozen=True)
class Summary:
    """The window summed up: a ``TagSum`` a tag path, and by table rows without a key and quality codes.

    ``unordered`` are tables whose rows stand in no order of writing, so that clocks are not judged by them;
    ``none_kept`` counts the readings of tables of which the rule keeps none, ``unread`` are tables with readings of the
    window of which none is read; ``gateways`` is how many write a path at once, where that is more than one.
    """

    window: Window
    pieces: Pieces
    sums: Mapping[str, TagSum]
    keyless: Mapping[str, int]
    codes: Mapping[str, Counter[int | None]] = field(default_factory=dict)
    unordered: frozenset[str] = frozenset()
    conflicting: Mapping[str, int] = field(default_factory=dict)
    none_kept: Mapping[str, int] = field(default_factory=dict)
    unread: Collection[str] = ()
    gateways: Mapping[str, int] = field(default_factory=dict)


def summarise(
    historian: Historian, tables: Sequence[PartitionTable], tags: Sequence[Tag], window: Window, rule: QualityRule
) -> Summary:
    """Let the historian sum up the readings of ``tags`` in ``window``: one pass over each table."""
    ids = [number for tag in tags for number in tag.ids]
    path_of = {number: tag.path for tag in tags for number in tag.ids}
    pieces = Pieces.of(window, len(ids))
    sums: dict[str, TagSum] = defaultdict(TagSum)
    keyless: dict[str, int] = {}
    codes: dict[str, Counter[int | None]] = {table.name: Counter() for table in tables}
    unordered: set[str] = set()
    kept: set[int] = set()
    connection, schema = historian.connection, historian.schema

    def ask(table: PartitionTable) -> tuple[list[queries.Group], list[tuple[int, int]]]:
        with source_errors(historian.login, f"summing up {table.name}"):
            asked = {"schema": schema, "table": table.name, "keys": list(table.keys)}
            facts = connection.execute(queries.TABLE_FACTS, asked).fetchone()
            unique, nullable, ordered = facts or (False, True, False)
            unique &= table.view is None or table.view.time.exact
            if not ordered:
                unordered.add(table.name)
            with connection.transaction():
                connection.execute(queries.SETTINGS)
                rows = connection.execute(queries.summary(schema, table, window, ids, pieces, ordered=ordered))
                groups = [queries.Group(*row) for row in rows]
            twice = [] if unique else connection.execute(queries.doubled(schema, table, window, ids)).fetchall()
            if nullable and (rows := scalar(connection, queries.keyless(schema, table, window))):
                keyless[table.name] = rows
            return groups, twice

    def add(table: PartitionTable, asked: tuple[list[queries.Group], list[tuple[int, int]]]) -> None:
        for group in asked[0]:
            reason = rule.reason(group.quality)
            if reason is None and group.quality is not None:
                kept.add(group.quality)
            tag_sum = sums[path_of[group.tagid]]
            tag_sum.add(group, reason, table.name)
            codes[table.name][group.quality] += group.readings
            if group.first_unreadable:
                ms, column = group.first_unreadable
                first = ms, unreadable_columns(table)[column][0]
                tag_sum.first_unreadable = min(first, tag_sum.first_unreadable or first)
        for tagid, doubled in asked[1]:
            sums[path_of[tagid]].doubled += doubled

    with at_once(1) as aside:  # while the historian sums up the next table
        for added in [aside.submit(add, table, ask(table)) for table in tables]:
            added.result()
    conflicting = _conflicting(historian, tables, tags, sums, kept)
    return Summary(window, pieces, sums, keyless, codes, frozenset(unordered), conflicting)


def _conflicting(
    historian: Historian, tables: Sequence[PartitionTable], tags: Sequence[Tag], sums: Mapping[str, TagSum],
    kept: Collection[int],
) -> dict[str, int]:  # fmt: skip
    """Readings that differ from another of their path and time, by path; asked of those that several ids or tables
    have at once."""
    at_once = [(tag, span) for tag in tags if tag.path in sums and (span := sums[tag.path].several_at_once())]
    found: dict[str, int] = {}
    for begin in range(0, len(at_once), TOGETHER):
        ids = [(tag.path, number, *span) for tag, span in at_once[begin : begin + TOGETHER] for number in tag.ids]
        with source_errors(historian.login, "comparing readings of one tag path and time"):
            query = queries.conflicting(historian.schema, tables, ids, sorted(kept))
            found |= dict(historian.connection.execute(query).fetchall())
    return found


def frame_of(
    tags: Sequence[Tag],
    found: Summary,
    *,
    now_ms: int,
    usual: Mapping[str, float] | None = None,
    ranges: Sequence[Range] = (),
) -> pd.DataFrame:
    """A row a tag path, and one for each table with rows that belong to no tag or no time, or none that is kept. Pure.

    Nothing is missing that would be later than ``now_ms``; ``usual`` are readings of the same weekdays before, by path.
    """
    import pandas as pd

    everything = sum(tag_sum.readings for tag_sum in found.sums.values())
    range_of = matcher(ranges)
    rows = []
    for tag in tags:
        tag_sum = found.sums.get(tag.path, TagSum())
        row = _row(tag, tag_sum, everything, found.window) | _pace(tag, tag_sum, found, now_ms)
        row |= {"gateways": found.gateways.get(tag.path, 1), "conflicting": found.conflicting.get(tag.path, 0)}
        limits = range_of(tag)
        row["range_low"], row["range_high"] = (limits.lowest, limits.highest) if limits else (None, None)
        before = (usual or {}).get(tag.path)
        row["of_usual"] = tag_sum.readings / before if before and before >= ENOUGH else None
        rows.append(row)
    columns = list(rows[0]) if rows else []
    of_tables = {"keyless": found.keyless, "none_kept": found.none_kept, "unread": dict.fromkeys(found.unread, 1)}
    rows += [
        {"tagpath": f"table {name}", "readings": 0, column: count}
        for column, counts in of_tables.items()
        for name, count in counts.items()
    ]
    frame = pd.DataFrame(rows, columns=columns)
    # An empty column would be of objects, which cannot be compared with a number.
    return frame.astype({name: "float64" for name in frame if name not in TEXTS})


def notable_steps(tags: Sequence[Tag], found: Summary) -> Iterator[Anomaly]:
    """When clocks went back."""
    for tag in tags:
        for first, last in found.sums.get(tag.path, TagSum()).clock_steps:
            start, end = found.pieces.borders(first)[0], found.pieces.borders(last)[1]
            yield Anomaly(
                "clock step", tag.path, start, end, f"{length(round(end - start))} written twice", end - start
            )


def silences(readings: pd.DataFrame, window: Window, share: float, steps: float) -> Iterator[Anomaly]:
    """Of a ``frame_of`` the silences that no two readings enclose: up to the first for more than such a ``share`` of
    the window, and after the last for more than so many of the tag's mean ``steps``."""
    longest = share * (window.end_ms - window.start_ms)
    late = readings[(readings["silent_share"] > share) & (readings["first_ms"] - readings["from_ms"] > longest)]
    gone = readings[readings["steps_since_last"] > steps]
    found = [*zip(late["tagpath"], late["from_ms"], late["first_ms"], strict=True)]
    found += zip(gone["tagpath"], gone["last_ms"], gone["until_ms"], strict=True)
    for path, start, end in found:
        yield Anomaly("gap", path, int(start), int(end), f"no reading for {length(round(end - start))}", end - start)


def _pace(tag: Tag, tag_sum: TagSum, found: Summary, now_ms: int) -> dict[str, Any]:
    """How a tag's readings go on; nothing is said of one with few."""
    pieces = found.pieces
    end = min(found.window.end_ms, now_ms, tag.retired if tag.retired is not None else now_ms)
    begin = max(found.window.start_ms, tag.created or 0)
    first = pieces.bin_of(begin) + 1 if begin > found.window.start_ms else 0
    share = None
    if tag_sum.readings >= DENSE * BINS:
        bins = (pieces.bin(cell.piece) for cells in tag_sum.cells.values() for cell in cells)
        share = silence(bins, first, pieces.bin_of(end)) / BINS
    since = None
    if tag_sum.readings >= ENOUGH:
        earliest, latest = min(tag_sum.times), max(tag_sum.times)
        since = (end - latest) / max((latest - earliest) / (tag_sum.readings - 1), 1)
    judged = not tag_sum.cells or any(table not in found.unordered for _, table in tag_sum.cells)
    steps = len(tag_sum.clock_steps) if judged else None
    ends = {"from_ms": begin, "until_ms": end}
    return {"silent_share": share, **ends, "steps_since_last": since, "clock_steps": steps}


def _row(tag: Tag, found: TagSum, everything: int, window: Window) -> dict[str, Any]:
    retired = tag.retired is not None and tag.retired <= window.start_ms
    future = tag.created is not None and tag.created >= window.end_ms
    when, column = found.first_unreadable or (0, "")
    return {
        "tagpath": tag.path,
        "datatype": tag.datatype,
        "ids": len(tag.ids),
        "readings": found.readings,
        "kept": found.kept,
        "kept_share": found.kept / found.readings if found.readings >= ENOUGH else None,
        "rejected_share_of_all": (found.readings - found.kept) / everything if everything else 0.0,
        "expected_readings": None if retired or future else found.readings,
        "no_quality": found.no_quality,
        "unlisted": found.unlisted,
        "empty_share": found.empty / found.kept if found.kept else None,
        "texts_in_number": found.texts if tag.datatype in NUMBERS else 0,
        "not_finite": found.not_finite,
        "unreadable": f"{found.unreadable:,}, the first {column} at {instant(when)}" if column else None,
        "doubled": found.doubled,
        "keyless": 0,
        "none_kept": 0,
        "unread": 0,
        "first_ms": min(found.times, default=None),
        "last_ms": max(found.times, default=None),
        "lowest": min((low for _, low in found.lows), default=None),
        "highest": max(found.highs, default=None),
    }
