"""What a run would read: partition tables, tags, shares and slices, estimated readings. Reads no reading."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from ..config.settings import Config
from ..errors import NotReconciled
from ..historian import Historian, LeftOut, PartitionTable, Tag
from ..historian.catalog import NEIGHBOUR
from ..historian.readings_sql import EVERY_ROW, in_window
from ..historian.statistics import Statistics, count_by_tag, statistics
from ..historian.two_sensors import refuse_two_sensors
from ..windows import Window
from .slices import (
    Order,
    PageCount,
    Reach,
    Share,
    Stretch,
    best_shares,
    choose_order,
    shares_by_tag,
    shares_by_time,
    shares_of_pieces,
    stretches,
)

# Estimates may be this much too low before a busy tag is overlooked; those above are counted. What a tag has in a small
# part of a table may differ more from what the planner knows of all of it.
MARGIN, MARGIN_OF_MOST = 4, 2
# Packed values of a slice stay in PostgreSQL's memory while they grow; above this, and twice this since PostgreSQL 15,
# it spills to disk.
WORK_MEM_MB = 64
MOST_NAMED = 10  # busy tags
OWN_CONNECTIONS = 2  # of a run beside those that read slices: one that plans and counts, one that watches


@dataclass(frozen=True)
class Workers:
    """Who does the shares of a plan: so many tasks at once, and so many threads of all of them together; ``None`` is as
    many as connections may be held. Tasks on several machines are two at least, so that no single one does it all."""

    tasks: int | None
    threads: int | None
    machines: bool = False

    def within(self, connections: int) -> tuple[int, int]:
        """Tasks and threads where each thread has a connection."""
        tasks, threads = (
            connections if most is None else min(most, connections) for most in (self.tasks, self.threads)
        )
        return tasks, threads


def workers_of(master: str | None) -> Workers:
    """What a Spark master, as far as its address tells, or this machine (``None``) does at once."""
    here = len(os.sched_getaffinity(0))
    if master is None:
        return Workers(tasks=1, threads=here)
    local = re.fullmatch(r"local(?:\[(\d+|\*)(?:,\s*\d+)?\])?", master)
    if not local:
        return Workers(tasks=None, threads=None, machines=True)
    cores = here if local[1] == "*" else int(local[1] or 1)
    return Workers(tasks=cores, threads=cores)


@dataclass(frozen=True)
class Plan:
    """The whole of a run's reading, as decided before the first reading is read."""

    window: Window
    patterns: tuple[str, ...]
    layout: str
    tables: tuple[PartitionTable, ...]
    tags: tuple[Tag, ...]
    every_tag: bool  # whether the historian has no other
    indexed: frozenset[int]  # tables, by position, of which most is wanted, and indexes tell whether it is all
    order: Order
    shares: tuple[Share, ...]
    connections: int  # of each share
    estimated_readings: int
    notes: tuple[str, ...]
    whole: frozenset[int] = frozenset()  # tables, by position, that hold nothing but what is wanted: see ``pinned``
    left_out: tuple[LeftOut, ...] = ()

    @property
    def ids(self) -> list[int]:
        return [number for tag in self.tags for number in tag.ids]

    @property
    def passed(self) -> dict[int, list[tuple[int, int | None]]]:
        """Tables, by position, that one share reads from end to end, every row wanted; and the pages of each slice."""
        pages = defaultdict(list)
        if len(self.shares) == 1:
            for piece in self.shares[0].slices:
                pages[piece.table].append(piece.pages)
        return {n: [p for p in found if p] for n, found in pages.items() if n in self.whole and None not in found}

    def rows(self) -> list[dict[str, object]]:
        """One row a slice, for a table on a screen: from which time or page, how many readings (estimate)."""
        return [
            {
                "task": number,
                "partition table": self.tables[piece.table].name,
                "from": f"{piece.window.start:%Y-%m-%d %H:%M}",
                "page": f"{piece.pages[0]:,}" if piece.pages else "",
                "tags": len({share.stretches[p].tag.path for p in piece.stretches}),
                "readings": piece.estimated_readings,
            }
            for number, share in enumerate(self.shares)
            for piece in share.slices
        ]

    def to_json(self) -> dict[str, object]:
        """What ``rows`` and the lines above them say, as plain JSON."""
        return {
            "window": {"start": self.window.start.isoformat(), "end": self.window.end.isoformat()},
            "patterns": list(self.patterns),
            "layout": self.layout,
            "tags": [tag.path for tag in self.tags],
            "partition_tables": [table.name for table in self.tables],
            "estimated_readings": self.estimated_readings,
            "slices": self.rows(),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        from html import escape

        def row(cells: Sequence[object], kind: str = "td") -> str:
            shown = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells)
            return "<tr>" + "".join(f"<{kind} style='text-align:left'>{escape(c)}</{kind}>" for c in shown) + "</tr>"

        rows = self.rows()
        head = (
            f"<p><b>{len(self.tags):,} tags</b>, about <b>{self.estimated_readings:,} readings</b>,"
            f" {self.window}, from {escape(', '.join(t.name for t in self.tables)) or 'no table'} ({self.layout})</p>"
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        table = (
            f"<table>{row(list(rows[0]), 'th')}{''.join(row(list(r.values())) for r in rows)}</table>" if rows else ""
        )
        return f"{head}{table}<ul>{notes}</ul>"


def make_plan(
    historian: Historian,
    config: Config,
    window: Window,
    patterns: Sequence[str],
    *,
    workers: Workers,
    only: Callable[[str], bool] = lambda tagpath: True,
    alone: bool = False,
) -> Plan:
    """Choose tables and tags, estimate, and cut into shares and slices.

    ``only`` narrows the tags that match further. ``alone``: each share takes a snapshot of its own, for which it needs
    one connection more.

    Raises ``ConfigError`` (a pattern that is broken or matches no tag) and ``SourceError`` (a table of wrong shape, a
    tag path that two gateways write at once).
    """
    every = historian.tags()
    tags = tuple(tag for tag in historian.tags(patterns) if only(tag.path))
    refuse_two_sensors(historian, [(tag, window) for tag in tags])
    tables = historian.partition_tables(window)
    left_out = historian.left_out(window)
    known = [statistics(historian, table, window) for table in tables]
    ids = [number for tag in every for number in tag.ids]
    weights, highest = (estimate_by_tag(some, tags, ids) for some in (known, [with_margin(found) for found in known]))
    parts = stretches_of(historian, config, tables, known, tags, weights, highest, window)
    reaches = [_reach(table, found) for table, found in zip(tables, known, strict=True)]
    connections = config.jdbc_num_partitions - OWN_CONNECTIONS
    tasks, threads = workers.within(max(1, connections // 2) if alone else connections)
    rows = sum(reach.readings for reach in reaches)
    count = best_shares(len(parts), rows, workers=tasks, machines=workers.machines)
    order = choose_order(reaches, sum(weights), count)
    if order == "tag":
        count = tasks
    each = max(1, threads // count)
    per_slice = config.readings_per_slice
    shares = (
        shares_by_tag(parts, reaches, count=count, per_slice=per_slice)
        if order == "tag"
        else shares_by_time(parts, reaches, count=count, at_once=each, per_slice=per_slice)
    )
    return Plan(
        window=window,
        patterns=tuple(patterns),
        layout=historian.layout,
        tables=tables,
        tags=tags,
        every_tag=len(tags) == len(every),
        indexed=frozenset(n for n, reach in enumerate(reaches) if reach.by_pages and reach.by_time and reach.by_tag),
        order=order,
        shares=tuple(shares) if tables and tags else (),
        connections=each,
        estimated_readings=sum(weights),
        notes=(
            *historian.notes,
            *(left.why for left in left_out),
            *(_explain(order, reaches, parts, shares, each, sum(weights)) if tables else ()),
        ),
        left_out=left_out,
    )


def make_late_plan(
    historian: Historian,
    config: Config,
    pieces: Sequence[tuple[str, Window]],
    rows: Mapping[str, int],
    *,
    workers: Workers,
) -> Plan:
    """What is read again of days that have changed: each tag path's own, tag by tag.

    Parameters
    ----------
    pieces
        Tag paths and windows; those of one path do not overlap.
    rows
        Readings of a piece of each path (estimate).
    """
    paths = {path for path, _ in pieces}
    tags = {tag.path: tag for tag in historian.tags() if tag.path in paths}
    refuse_two_sensors(historian, [(tags[path], window) for path, window in pieces])
    hull = Window(min(window.start for _, window in pieces), max(window.end for _, window in pieces))
    tables = historian.partition_tables(hull)
    parts = [
        Stretch(tags[path], part, rows[path] / len(cut))
        for path, window in pieces
        for cut in [stretches(window, config.timezone, parts=rows[path] / config.readings_per_slice)]
        for part in cut
    ]
    count, threads = workers.within(config.jdbc_num_partitions - OWN_CONNECTIONS)
    shares = shares_of_pieces(parts, tables, NEIGHBOUR, count=count, per_slice=config.readings_per_slice)
    return Plan(
        window=hull,
        patterns=(),
        layout=historian.layout,
        tables=tables,
        tags=tuple(tags.values()),
        every_tag=False,
        indexed=frozenset(),
        order="tag",
        shares=tuple(shares),
        connections=max(1, threads // count),
        estimated_readings=round(sum(part.estimated_readings for part in parts)),
        notes=(),
    )


def pinned(historian: Historian, plan: Plan, also: Collection[PartitionTable] = ()) -> tuple[Plan, str]:
    """Begin the run's transaction; the plan with what only its snapshot tells, and the snapshot's name.

    Tables that are looked at ``also`` are held as those of the plan are.

    Of a table that holds nothing but what is wanted no row needs to be looked at whether it is, which is a tenth of
    what packing it costs, and what is packed can be counted on the way, which is a sixth.
    """
    snapshot = historian.export_snapshot(sorted({*plan.tables, *also}))
    whole = [n for n in sorted(plan.indexed) if historian.holds_only(plan.tables[n], plan.window, plan.ids)]
    names = ", ".join(plan.tables[n].name for n in whole)
    notes = [f"every row of {names} is wanted, as the indexes show: none is filtered"] if whole else []
    return replace(plan, whole=frozenset(whole), notes=(*plan.notes, *notes)), snapshot


def counts(historian: Historian, plan: Plan, *, without: Collection[int] = ()) -> dict[str, int]:
    """The historian's own count of what a pinned plan reads of each of its tables, by name, ``without`` some."""
    wanted = in_window(plan.window, plan.ids)
    return {
        table.name: historian.count(table, EVERY_ROW if n in plan.whole else wanted)
        for n, table in enumerate(plan.tables)
        if n not in without
    }


def counts_of_passed(plan: Plan, counted: Iterable[PageCount]) -> dict[str, int]:
    """The same of those that were ``passed``, from what PostgreSQL counted in each slice. Pure.

    Raises ``NotReconciled`` where the slices that were read are not the whole table, each part of it once.
    """
    rows: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for table, page, count in counted:
        rows[table].append((page, count))
    for n, pages in plan.passed.items():
        starts, ends = zip(*sorted(pages, key=itemgetter(0)), strict=True)
        if not sorted(page for page, _ in rows[n]) == [*starts] == [0, *ends[:-1]] or ends[-1] is not None:
            raise NotReconciled(
                f"{plan.tables[n].name} was not read from end to end, each page once:"
                " nothing of it is published, run again and report this"
            )
    return {plan.tables[n].name: sum(count for _, count in rows[n]) for n in plan.passed}


def estimate_by_tag(known: Sequence[Statistics], tags: Sequence[Tag], every_id: Collection[int]) -> list[int]:
    """Estimated readings of each tag in the window: the planner's rows of the window, shared out by its statistics.

    What a table holds of ids that are not among its common ones is shared evenly by those of ``every_id`` that are
    common in no table: an id is read by one driver, into that driver's tables.
    """
    common = {number for found in known for number in found.shares}
    rare = max(len(set(every_id) - common), 1)
    total = dict.fromkeys(every_id, 0.0)
    for found in known:
        rest = max(0.0, 1.0 - sum(found.shares.values())) / rare
        for number in total:
            total[number] += found.rows_in_window * found.shares.get(number, 0.0 if number in common else rest)
    return [round(sum(total[number] for number in tag.ids)) for tag in tags]


def with_margin(found: Statistics) -> Statistics:
    """As many rows of the window as a tag's part is reckoned from to see whether it may be busy."""
    margin = MARGIN_OF_MOST if 2 * found.rows_in_window >= found.rows else MARGIN
    return replace(found, rows_in_window=margin * found.rows_in_window)


def stretches_of(
    historian: Historian,
    config: Config,
    tables: Sequence[PartitionTable],
    known: Sequence[Statistics],
    tags: Sequence[Tag],
    weights: Sequence[int],
    highest: Sequence[int],
    window: Window,
) -> list[Stretch]:
    """The window of every tag, cut where a tag has more readings in it than a slice may hold.

    Whether it has is counted, not estimated, so that files have the same borders in every run: for tags that may have
    by their ``highest`` estimate, and for all where a table was never analyzed.
    """
    limit = config.readings_per_slice
    unknown = any(not found.analyzed and found.rows_in_window for found in known)
    suspects = [tag for tag, most in zip(tags, highest, strict=True) if unknown or most > limit]
    counts: dict[int, int] = {}
    if suspects:
        ids = [number for tag in suspects for number in tag.ids]
        for table in tables:
            for number, readings in count_by_tag(historian, table, window, ids).items():
                counts[number] = counts.get(number, 0) + readings
    found = []
    counted = set(suspects)
    for tag, weight in zip(tags, weights, strict=True):
        readings = sum(counts.get(number, 0) for number in tag.ids) if tag in counted else weight
        parts = stretches(window, config.timezone, parts=readings / limit if tag in counted else 1)
        found += [Stretch(tag, part, readings / len(parts)) for part in parts]
    return found


def _reach(table: PartitionTable, found: Statistics) -> Reach:
    return Reach(
        table=table,
        readings=found.rows_in_window,
        rows=found.rows,
        pages=found.pages,
        by_tag=any(columns[:2] == ("tagid", "t_stamp") for columns in found.indexes),
        by_time=any(columns[:1] == ("t_stamp",) for columns in found.indexes),
        borders_ms=found.borders_ms,
    )


def _explain(
    order: Order, reaches: Sequence[Reach], parts: Sequence[Stretch], shares: Sequence[Share], each: int, selected: int
) -> list[str]:
    """What was chosen and why, in sentences for the run record."""
    rows = sum(reach.readings for reach in reaches)
    share = f"the tags hold about {min(1.0, selected / max(rows, 1)):.0%} of the window's {rows:,} readings"
    how = (
        "tag by tag through the index on (tagid, t_stamp)" if order == "tag" else "in order of time, all tags in a pass"
    )
    tasks = f"{len(shares)} task{'s' if len(shares) > 1 else ''} with {each} connection{'s' if each > 1 else ''} each"
    found = [f"{share}: read {how}, {tasks}"]
    if order == "time":
        by_pages = {piece.table for share in shares for piece in share.slices if piece.pages}
        found += [f"{reach.table.name}: {reach.words(n in by_pages)}" for n, reach in enumerate(reaches)]
    busy = [(path, n) for path, n in Counter(part.tag.path for part in parts).items() if n > 1]
    found += [f"{path} is busy: cut into {n} stretches of time" for path, n in busy[:MOST_NAMED]]
    if len(busy) > MOST_NAMED:
        found.append(f"{len(busy) - MOST_NAMED:,} more tags are busy and cut into stretches of time")
    found.append(f"each connection may use {WORK_MEM_MB} MB of the historian's memory (work_mem)")
    return found
