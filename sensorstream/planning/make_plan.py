"""What a run would read: partition tables, tags, shares and slices, estimated readings. Reads no reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ..config.settings import Config
from ..historian import Historian, Tag
from ..historian.statistics import Statistics, count_by_tag, statistics
from ..historian.tag_rows import unmatched
from ..historian.two_sensors import refuse_two_sensors
from ..windows import Window
from .plan import Plan, Workers
from .slices import (
    Order,
    Share,
    Stretch,
    best_shares,
    choose_order,
    shares_by_tag,
    shares_by_time,
    stretches,
)

# Estimates may be this much too low before a busy tag is overlooked; those above are counted. What a tag has in a small
# part of a table may differ more from what the planner knows of all of it.
MARGIN, MARGIN_OF_MOST = 4, 2
# Packed values of a slice stay in PostgreSQL's memory while they grow; above this, and twice this since PostgreSQL 15,
# it spills to disk.
WORK_MEM_MB = 64
LEAST_PER_SLICE = 1_000  # readings; a query has its price
MOST_NAMED = 10  # busy tags
OWN_CONNECTIONS = 2  # of a run beside those that read slices: one that plans and counts, one that watches


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
    if unknown := sorted(historian.details.keys() - {tag.path for tag in every}):
        of = f"{len(unknown):,} of {len(historian.details):,} tag paths"
        historian.notes.append(f'"tag_details" names {of} that the historian does not have, {unknown[0]} for one')
    tags = tuple(tag for tag in historian.tags(patterns) if only(tag.path))
    if len(patterns) > 1 and (without := unmatched(historian, patterns)):
        historian.notes.append(
            f'{len(without):,} of {len(patterns):,} patterns match no tag path, "{without[0]}" for one'
        )
    refuse_two_sensors(historian, [(tag, window) for tag in tags])
    tables = historian.partition_tables(window)
    left_out = historian.left_out(window)
    known = [statistics(historian, table, window) for table in tables]
    ids = [number for tag in every for number in tag.ids]
    weights, highest = (estimate_by_tag(some, tags, ids) for some in (known, [with_margin(found) for found in known]))
    parts = stretches_of(historian, config, known, tags, weights, highest, window)
    connections = config.jdbc_num_partitions - OWN_CONNECTIONS
    tasks, threads = workers.within(max(1, connections // 2) if alone else connections)
    rows = sum(found.rows_in_window for found in known)
    count = best_shares(len(parts), rows, workers=tasks, machines=workers.machines)
    order = choose_order(known, sum(weights), count)
    if order == "tag":
        count = tasks
    each = max(1, threads // count)
    per_slice = _per_slice(config)
    held = {n: found.rows_in_window / max(rows, 1) for n, found in enumerate(known)}
    shares = (
        shares_by_tag(parts, lambda _: held, count=count, per_slice=per_slice)
        if order == "tag"
        else shares_by_time(parts, known, count=count, at_once=each, per_slice=per_slice)
    )
    return Plan(
        host=historian.login.host,
        window=window,
        patterns=tuple(patterns),
        layout=historian.layout,
        tables=tables,
        tags=tags,
        every_tag=len(tags) == len(every),
        indexed=frozenset(
            n
            for n, found in enumerate(known)
            if found.by_pages and found.by_time and found.by_tag and not found.table.view
        ),
        order=order,
        shares=tuple(shares) if tables and tags else (),
        connections=each,
        estimated_readings=sum(weights),
        notes=(
            *historian.notes,
            *(left.why for left in left_out),
            *(_explain(order, known, shares, each, sum(weights)) if tables else ()),
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
    span = Window.around([window for _, window in pieces])
    tables = historian.partition_tables(span)
    parts = [
        Stretch(tags[path], part, rows[path] / len(cut))
        for path, window in pieces
        for cut in [stretches(window, config.timezone, parts=rows[path] / config.readings_per_slice)]
        for part in cut
    ]
    count, threads = workers.within(config.jdbc_num_partitions - OWN_CONNECTIONS)
    held = dict.fromkeys(range(len(tables)), 1 / max(len(tables), 1))  # a table may hold more than its name says
    shares = shares_by_tag(parts, lambda _: held, count=count, per_slice=_per_slice(config))
    return Plan(
        host=historian.login.host,
        window=span,
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
    counted = {tag: None for tag, most in zip(tags, highest, strict=True) if unknown or most > limit}
    ids = [number for tag in counted for number in tag.ids]
    counts: Counter[int] = Counter()
    for about in known if counted else ():
        counts.update(count_by_tag(historian, about.table, window, ids))
    found = []
    for tag, weight in zip(tags, weights, strict=True):
        readings = sum(counts[number] for number in tag.ids) if tag in counted else weight
        parts = stretches(window, config.timezone, parts=readings / limit if tag in counted else 1)
        found += [Stretch(tag, part, readings / len(parts)) for part in parts]
    return found


def _per_slice(config: Config) -> int:
    """Readings of a slice: of about a second where a second's are limited, so that they come evenly."""
    return min(config.readings_per_slice, max(config.readings_per_second or config.readings_per_slice, LEAST_PER_SLICE))


def _explain(order: Order, known: Sequence[Statistics], shares: Sequence[Share], each: int, selected: int) -> list[str]:
    """What was chosen and why, in sentences for the run record."""
    rows = sum(about.rows_in_window for about in known)
    share = f"the tags hold about {min(1.0, selected / max(rows, 1)):.0%} of the window's {rows:,} readings"
    how = "in order of time, all tags in a pass"
    if order == "tag":
        how = f"tag by tag through the index on ({', '.join(map(str, known[0].table.own_keys))})"
    tasks = f"{len(shares)} task{'s' if len(shares) > 1 else ''} with {each} connection{'s' if each > 1 else ''} each"
    found = [f"{share}: read {how}, {tasks}"]
    if order == "time":
        by_pages = {piece.table for share in shares for piece in share.slices if piece.pages}
        found += [f"{about.table.name}: {about.words(n in by_pages)}" for n, about in enumerate(known)]
    busy = [
        (path, n) for path, n in Counter(part.tag.path for share in shares for part in share.stretches).items() if n > 1
    ]
    found += [f"{path} is busy: cut into {n} stretches of time" for path, n in busy[:MOST_NAMED]]
    if len(busy) > MOST_NAMED:
        found.append(f"{len(busy) - MOST_NAMED:,} more tags are busy and cut into stretches of time")
    found.append(f"each connection may use {WORK_MEM_MB} MB of the historian's memory (work_mem)")
    return found
