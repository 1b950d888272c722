"""What keeps a run from taking readings out of the lake that the historian only seems to have lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from ..config.settings import Config
from ..errors import LakeError, SourceError
from ..historian import Historian
from ..lake.concurrency import at_once
from ..lake.data_files import read_entry
from ..lake.manifest import DataFile, StateGone, by_path
from ..lake.stores import Store
from ..planning.plan import Plan
from ..staging.measured import Contents, Measured
from ..transform.readings import inside
from ..windows import Window, without
from .publish import Scope, Seen

MOST_AT_ONCE, READINGS_AT_ONCE = 32, 4_000_000  # of files that are looked into
MOST_LEFT = 2  # a tag path that keeps less than one in so many has lost most


def refuse_losses(
    config: Config, store: Store, parts: Iterable[tuple[str, Window]], committed: Collection[DataFile], found: Measured
) -> None:
    """``SourceError`` where a tag path would lose all or most of what the lake holds of it in one of ``parts``.

    A historian may show less than it has without an error: a partition that was detached, a view that was changed, a
    table that was restored, a column that was emptied. ``allow_loss`` of the configuration takes it as it is.

    Parameters
    ----------
    parts
        Tag paths and what of their time is replaced; those of one path do not overlap.
    committed
        Entries that meet any of it.
    """
    if config.allow_loss or config.write_mode == "append":
        return
    staged = {(entry.key, entry.digest) for entry in found.entries}
    olds, news = by_path(committed), by_path(found.entries)
    changed: list[tuple[str, Window, list[DataFile]]] = []
    for path, part in parts:
        old = [entry for entry in olds.get(path, ()) if entry.interval.overlaps(part)]
        if not all((entry.key, entry.digest) in staged for entry in old):
            changed.append((path, part, old))

    def loss(path: str, part: Window, old: list[DataFile]) -> str | None:
        after = sum((found.contents[e.key] for e in news.get(path, ()) if e.interval.overlaps(part)), Contents())
        before = sum((_held(store, entry, part) for entry in old), Contents())
        return f"{path} has {lost} to come in {part}" if (lost := _lost(before, after)) else None

    largest = max((entry.rows for *_, old in changed for entry in old), default=1)
    with at_once(max(1, min(MOST_AT_ONCE, READINGS_AT_ONCE // max(largest, 1)))) as pool:
        losses = [lost for lost in pool.map(lambda one: loss(*one), changed) if lost]
    if losses:
        more = f", and {len(losses) - 1:,} more tag paths or days lose as much" if len(losses) > 1 else ""
        raise SourceError(
            f"the historian shows less than the lake holds: {losses[0]}{more}: see whether it shows all it has (rights,"
            ' detached or restored tables, quality codes); "allow_loss", or --allow-loss, takes it as it is'
        )


def _held(store: Store, entry: DataFile, part: Window) -> Contents:
    """What a committed file holds of ``part``; of one that cannot be read, since it is damaged or another run has
    replaced it, what the manifest says: who puts it right must not be stopped by it."""
    try:
        return Contents.of(inside(read_entry(store, entry), part))
    except (StateGone, LakeError):
        return Contents(entry.rows if part.covers(entry.interval) else 0)


def _lost(before: Contents, after: Contents) -> str | None:
    """What there was of which less than half is left."""
    for kind in ("readings", "values", "texts"):
        was, now = getattr(before, kind), getattr(after, kind)
        if MOST_LEFT * now < was:
            return f"{was:,} {kind} in the lake and {now:,}"
    return None


def covered_months(what: Plan, config: Config) -> list[str]:
    """The months of the window that a partition table covers; only there does a run replace what the lake holds.

    Raises ``SourceError`` if there is none: a window whose tables the historian has dropped must not empty the lake.
    """
    months = [
        month
        for month, part in what.window.months(config.timezone)
        if any(table.span is None or table.span.overlaps(part) for table in what.tables)
    ]
    if not months:
        others = [table for table in what.tables if table.span]
        beside = [f"{table.name} holds readings of it but is listed for {table.span}" for table in others]
        beside += [left.why for left in what.left_out]
        raise SourceError(
            f"no partition table covers {what.window}: choose a window that the historian holds"
            + (f" ({'; '.join(beside)})" if beside else "")
        )
    return months


def refuse_to_empty(historian: Historian, what: Plan, scope: Scope, before: Seen) -> None:
    """``SourceError`` where the lake holds readings of a time that no table is listed for, in months that the historian
    covers in part, and the historian has fewer: its tables were dropped, and a run must not empty the lake. A reading
    that went into a neighbour at a roll-over does not stand for the others."""
    spans = [table.span for table in what.tables if table.span is not None]
    if len(spans) < len(what.tables):
        return
    ids = {tag.path: tag.ids for tag in what.tags}
    for part in without((scope.part(month) for month in scope.months), spans):
        kept: dict[Window, list[DataFile]] = defaultdict(list)
        for entry in before.entries:
            if entry.reaches(part):
                kept[entry.interval].append(entry)
        for interval, files in kept.items():
            held = sum(entry.rows for entry in files)
            mine = [number for entry in files for number in ids.get(entry.tagpath, ())]
            tables = historian.partition_tables(interval)
            there = sum(historian.count(table, interval, mine) for table in tables)
            if there < held:
                raise SourceError(
                    f"no partition table covers {part}, and of {interval} the lake holds {held:,} readings"
                    f" ({min(files).tagpath} for one), the historian {there:,}:"
                    " choose a window that the historian still holds"
                )
