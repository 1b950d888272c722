"""Many small files of a tag path and month become few of a good size; no reading changes.

The merged files are staged, then the manifest is swapped, then, one tag path after another, the old keys go and the new
ones come: a reader of the prefix can miss readings of one tag path and month for a moment, and never meets one twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

import pyarrow as pa

from ..config.settings import Config
from ..errors import ConfigError, NotReconciled
from ..lake.concurrency import at_once
from ..lake.data_files import read_entry
from ..lake.manifest import DataFile, Manifest, MonthChange, StateGone, by_path, damaged
from ..lake.stores import Store, open_store
from ..progress.steps import Progress, Step
from ..windows import Window, month_window
from .file_changes import entry_of, places
from .lease import Lease, acquire, until_acquired, wait_until_free
from .prepare import prepare

MEGABYTE = 1 << 20
MERGES_AT_ONCE = 4  # each holds the readings of about one target file
FILES_A_TURN = 20_000  # other runs wait so long


@dataclass(frozen=True)
class Compacted:
    """What ``compact`` did; sizes in bytes."""

    months: tuple[str, ...] = ()
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    def __add__(self, other: Compacted) -> Compacted:
        (mine, *counts), (theirs, *more) = astuple(self), astuple(other)
        return Compacted(tuple(sorted({*mine, *theirs})), *map(sum, zip(counts, more, strict=True)))


def compact(
    config: Config,
    months: Collection[str] | None = None,
    *,
    now: datetime | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Compacted:
    """Merge the small files of months that are over, and of any tag path and month with too many.

    Parameters
    ----------
    months
        Only these (``2026-10``), over or not; by default those that ended before ``now``, and of the others the tag
        paths with more than ``compact_over_files`` files.
    store
        The lake's store; opened by default.
    progress
        Told every step, in files.

    Raises
    ------
    ConfigError
        The lake holds nothing of a month that was asked for.
    LakeError, WindowBusy
        As publishing does; every reading stays where it was.
    """
    store = store or open_store(config)
    instant = now or datetime.now(UTC)

    def more_than(month: str) -> int:
        over = month_window(month, config.timezone).end <= instant
        return 1 if months is not None or over else config.compact_over_files

    there = wait_until_free(store).held_to(config.timezone).months
    for month in months or ():
        if month not in there:
            raise ConfigError(f"lake {store.place} holds nothing of month {month}: it has {', '.join(there) or 'none'}")
    done = Compacted()
    for month in sorted(months if months is not None else there):
        done = sum(iter(partial(_compact_some, store, config, month, more_than(month), progress), None), done)
    return done


def to_iceberg(config: Config, *, store: Store | None = None, progress: Progress | None = None) -> Compacted:
    """Rewrite a lake that was begun without ``iceberg`` as one that is an Iceberg table too; no reading changes.

    It goes in steps, each a commit; other runs are refused until it is done. Where it was ended it goes on.

    Raises
    ------
    ConfigError
        ``iceberg`` is not configured.
    LakeError, WindowBusy
        As publishing does; every reading stays where it was.
    """
    if config.iceberg is None:
        raise ConfigError('--to-iceberg makes the lake an Iceberg table: say which in "iceberg" of the configuration')
    store = store or open_store(config)
    return sum(iter(partial(_rewrite_some, store, config, progress), None), Compacted())


@until_acquired
def _rewrite_some(store: Store, config: Config, progress: Progress | None) -> Compacted | None:
    """One lease's worth of files, or the table itself after the last; ``None`` once it is there."""
    now = wait_until_free(store)
    if now.root.is_table:
        return None
    old = ((month, [e for e in _entries(store, now, month) if not e.micros]) for month in now.months)
    month, todo = next((found for found in old if found[1]), ("", []))
    with acquire(now, f"{month or 'the Iceberg table'}, rewritten") as lease:
        now = replace(now, root=replace(now.root, iceberg={"metadata": ""}))
        if todo:
            return _merge(lease, now, month, [[entry] for entry in sorted(todo)[:FILES_A_TURN]], progress)
        lease.announce([])
        prepared = prepare(now, {}, "the Iceberg table, of all that was there", whole=True)
        lease.commit(prepared.root, [])
        lease.settle(forget=prepared.forget)
        return Compacted()


@until_acquired
def _compact_some(
    store: Store, config: Config, month: str, more_than: int, progress: Progress | None
) -> Compacted | None:
    """One lease's worth of a month; ``None`` if nothing is left to do."""
    now = wait_until_free(store)
    if not (todo := worthwhile(_entries(store, now, month), config, more_than)):
        return None
    with acquire(now, f"{month}, compacted") as lease:
        return _merge(lease, now, month, todo, progress)


def _entries(store: Store, now: Manifest, month: str) -> Iterable[DataFile]:
    try:
        return now.entries(month)
    except StateGone as gone:  # nobody else has the lease
        raise damaged(store, gone) from None


def worthwhile(entries: Iterable[DataFile], config: Config, more_than: int) -> list[list[DataFile]]:
    """Files to be merged, group by group, about ``FILES_A_TURN`` at most. Pure.

    Every group has two files or more, so that doing it again and again comes to an end.
    """
    todo: list[list[DataFile]] = []
    count = 0
    for files in by_path(sorted(entries)).values():
        apart = all(one.end <= other.start for one, other in pairwise(files))  # else a repair puts them right first
        if len(files) > more_than and apart:
            new = [group for group in groups(files, config) if len(group) > 1]
            todo += new
            count += sum(len(group) for group in new)
        if count >= FILES_A_TURN:
            break
    return todo


def groups(files: Sequence[DataFile], config: Config) -> Iterator[list[DataFile]]:
    """Neighbours of a tag path and month that become one file: until it has the target size, or would hold too many."""
    held: list[DataFile] = []
    for entry in files:
        full = sum(old.size for old in held) >= config.compact_target_mb * MEGABYTE
        if held and (full or sum(old.rows for old in held) + entry.rows > config.max_records_per_file):
            yield held
            held = []
        held.append(entry)
    if held:
        yield held


def _merge(
    lease: Lease, now: Manifest, month: str, todo: Sequence[Sequence[DataFile]], progress: Progress | None
) -> Compacted:
    store = lease.store
    lease.announce([])
    removed: list[DataFile] = []
    added: list[DataFile] = []
    total = sum(len(files) for files in todo)

    def one(files: Sequence[DataFile]) -> DataFile:
        try:
            readings = pa.concat_tables([read_entry(store, entry) for entry in files]).combine_chunks()
        except StateGone as gone:
            raise damaged(store, gone) from None
        whole = Window(files[0].interval.start, files[-1].interval.end)
        entry, data = entry_of(files[0].partition, whole, readings, micros=store.iceberg is not None)
        store.put(lease.staged_key(entry.digest), data)
        return entry

    with at_once(MERGES_AT_ONCE) as pool:
        for files, entry in zip(todo, pool.map(one, todo), strict=True):
            removed += files
            added.append(entry)
            if progress:
                progress(Step(f"compact {month}", len(removed), total))
    if sum(entry.rows for entry in removed) != sum(entry.rows for entry in added):
        raise NotReconciled(f"the merged files of {month} do not hold what the old ones did: the lake is untouched")
    change = MonthChange(removed=frozenset(removed), added=frozenset(added))
    prepared = prepare(now, {month: change}, f"{month}, compacted")
    lease.commit(prepared.root, places(prepared.gone, added))
    lease.settle(forget=prepared.forget)
    return Compacted(
        months=(month,),
        files_before=len(removed),
        files_after=len(added),
        bytes_before=sum(entry.size for entry in removed),
        bytes_after=sum(entry.size for entry in added),
    )
