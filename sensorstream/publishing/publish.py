"""From staged files to committed ones: work out what changes, take the lease, write, commit the manifest, settle.

A file that is new to the lake is put under the key of its interval; one that comes where another was waits beside until
the commit, so that a run that ends at any point can be undone before it and finished after it (see ``lease``). An
unchanged file is not touched.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from typing import Any

import pyarrow as pa

from ..config.settings import Config
from ..errors import WindowBusy
from ..lake import source_state as of_source
from ..lake.concurrency import at_once
from ..lake.data_files import holds, read_entry
from ..lake.manifest import (
    PIECES,
    DataFile,
    Manifest,
    MonthChange,
    Root,
    StateGone,
    at_one_commit,
    chosen,
    damaged,
    read_manifest,
)
from ..lake.stores import Conflict, Store
from ..staging.staged_files import Staged
from ..transform.readings import inside
from ..windows import Window
from .file_changes import Changes, both, covered, files_of, over, places
from .lease import Lease, Place, acquire, until_acquired, wait_until_free
from .patch import appended, patched
from .prepare import kept_for_readers, prepare

REQUESTS_AT_ONCE = 8

Beside = bytes | None | Callable[[], bytes | None]  # an object beside the readings, or what makes it


@dataclass(frozen=True)
class Scope:
    """What a publication replaces: the window, of these tag paths, in those months of it that the historian covers."""

    window: Window
    paths: frozenset[str]
    months: tuple[str, ...]
    timezone: str
    max_records: int

    @classmethod
    def of(cls, config: Config, window: Window, paths: Iterable[str], months: Iterable[str]) -> Scope:
        """The scope of a run."""
        return cls(window, frozenset(paths), tuple(months), config.timezone, config.max_records_per_file)

    def part(self, month: str) -> Window:
        """The part of the window in ``month``."""
        return dict(self.window.months(self.timezone))[month]


@dataclass(frozen=True)
class Seen:
    """The scope as it was committed before the source was read."""

    root: Root
    entries: frozenset[DataFile]
    pieces: pa.Table


@dataclass(frozen=True)
class Known:
    """What a run learnt of the source, to be noted in the manifest (see ``lake.source_state``).

    ``pieces`` are those of the scope; without them what was known of it is forgotten.
    """

    pieces: pa.Table = field(default_factory=PIECES.empty_table)
    marks: Mapping[str, Any] = field(default_factory=dict)
    stale: tuple[of_source.Piece, ...] = ()


@dataclass(frozen=True)
class Published:
    files_written: int
    files_unchanged: int
    files_removed: int
    bytes_written: int

    def __add__(self, other: Published) -> Published:
        return Published(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))


def look(store: Store, scope: Scope) -> Seen:
    """What is committed in ``scope`` now; to be called before the source is read."""
    return at_one_commit(store, lambda manifest: seen_in(manifest, scope))


def publish(
    staged: Staged, store: Store, scope: Scope, seen: Seen, *, append: bool = False, known: Known | None = None,
    others: Mapping[str, Beside] | None = None, run: str = "",
) -> tuple[Published, Root]:  # fmt: skip
    """Put ``staged`` in place of what the lake holds in ``scope``, or, to ``append``, add what is not there yet.

    Parameters
    ----------
    seen
        What ``look`` saw before the source was read: if it has changed since, another run has been here.
    others
        Objects beside the readings that the run leaves, by key; ``None`` removes one. What makes one is
        called while files are put, if at all.
    run
        The run's id, for the snapshot of an Iceberg table.

    Returns
    -------
    Published, Root
        What changed, and the root that was committed.

    Raises
    ------
    LakeError
        The store failed. Nothing is committed unless the manifest is, and what is not is removed again.
    WindowBusy
        Another run has published the same window meanwhile.
    """

    def work_out(now: Manifest) -> Changes:
        months = {*scope.months, *(entry.month for entry in staged.entries)}
        committed = now.entries(*months, window=scope.window, paths=scope.paths)
        # What a table holds of a month that none is listed for is all that is left of it in the historian.
        added = [entry for entry in staged.entries if append or entry.month not in scope.months]
        placed = [entry for entry in staged.entries if not append and entry.month in scope.months]
        replaced = [] if append else [entry for entry in committed if entry.month in scope.months]
        return both(
            [
                over(replaced, placed, scope.window, _damaged(store, replaced, placed)),
                appended(staged, added, committed, store, scope.max_records),
            ]
        )

    def note(month: str, before: pa.Table) -> pa.Table:
        part = scope.part(month)
        return of_source.put(before, part, scope.paths, chosen(learnt.pieces, part, None))

    learnt = known or Known()
    return _publish(staged, store, scope, seen, work_out, note, learnt, others or {}, run, frame=known is None)


def patch(
    staged: Staged, store: Store, scope: Scope, seen: Seen, read_again: Sequence[of_source.Piece], known: Known, *,
    after: Root, append: bool = False, others: Mapping[str, Beside] | None = None, run: str = "",
    damaged: Collection[DataFile] = (),
) -> tuple[Published, Root]:  # fmt: skip
    """Put ``staged`` in place of what the lake holds in the pieces that were ``read_again``, within the files there.

    ``scope`` holds all of the pieces; ``known.pieces`` what is known of them now; ``after`` is the root that the run
    has committed before. Files that are ``damaged`` are not read: they go. Otherwise as ``publish``.
    """
    months = {month: scope.part(month) for month in scope.months}
    alike: dict[Window, set[str]] = defaultdict(set)
    for piece in read_again:
        alike[of_source.window_of(piece)].add(piece[0])

    def work_out(now: Manifest) -> Changes:
        whole = now.entries(*scope.months, window=scope.window, paths=scope.paths)
        committed = [entry for entry in whole if entry not in damaged]
        parts: dict[tuple[str, str], list[Window]] = defaultdict(list)
        for path, start, end in sorted(read_again):
            piece = of_source.window_of((path, start, end))
            for month, part in months.items():
                if clip := piece.clip(part):
                    parts[path, month].append(clip)
        return both(
            [
                Changes(removed=sorted(damaged)),
                patched(staged, committed, store, parts, max_records=scope.max_records, append=append),
            ]
        )

    def note(month: str, before: pa.Table) -> pa.Table:
        for window, paths in alike.items():
            if part := window.clip(months[month]):
                before = of_source.put(before, part, paths, PIECES.empty_table())
        return pa.concat_tables([before, chosen(known.pieces, months[month], None)])

    return _publish(staged, store, scope, replace(seen, root=after), work_out, note, known, others or {}, run)


@until_acquired
def _publish(
    staged: Staged, store: Store, scope: Scope, seen: Seen, work_out: Callable[[Manifest], Changes],
    note: Callable[[str, pa.Table], pa.Table], known: Known, others: Mapping[str, Beside], run: str, *,
    frame: bool = False,
) -> tuple[Published, Root]:  # fmt: skip
    now = wait_until_free(store)
    try:
        _not_busy(seen, seen_in(now, scope), scope)
        todo = work_out(now)
        noted = _noted(now, scope, note, known)
    except StateGone as gone:
        if read_manifest(store).version == now.version:
            raise damaged(store, gone) from None
        raise Conflict from None
    root = replace(now.root, marks=_marks(known, seen.root, now.root), timezone=scope.timezone)
    there = {key: store.get(key) for key in others}
    if not (todo or noted) and root == now.root and there == {key: _made(data) for key, data in others.items()}:
        return Published(0, todo.unchanged, 0, 0), now.root
    root = replace(root, frames=root.frames + frame)
    with acquire(now, str(scope.window)) as lease:
        return _carry_out(lease, now, root, staged, todo, noted, others, there, (str(scope.window), run))


def _carry_out(
    lease: Lease, now: Manifest, root: Root, staged: Staged, todo: Changes, noted: Mapping[str, pa.Table],
    others: Mapping[str, Beside], there: Mapping[str, bytes | None], about: tuple[str, str],
) -> tuple[Published, Root]:  # fmt: skip
    store = lease.store
    waiting = covered([*todo.staged, *todo.made], todo.removed)
    direct = [entry.key for entry in (*todo.staged, *todo.made) if entry not in waiting]
    lease.announce([*(set(direct) - kept_for_readers(now)), *(key for key, old in there.items() if old is None)])

    def place_of(entry: DataFile) -> str:
        return lease.staged_key(entry.digest) if entry in waiting else entry.key

    with at_once(REQUESTS_AT_ONCE) as pool:
        few = pool.map(lambda key: _put_beside(lease, key, there[key], others[key]), others)  # beside the workers
        if todo.staged:
            staged.put({entry: place_of(entry) for entry in todo.staged})
        list(pool.map(lambda made: store.put(place_of(made[0]), made[1]), todo.made.items()))
        trims = list(pool.map(lambda trim: list(_trim(lease, *trim)), todo.trimmed))
        settled_beside = [place for place in few if place]
    trimmed = [entry for found in trims for entry in found]
    written = [*todo.staged, *todo.made, *trimmed]
    changed = {
        month: MonthChange(
            removed=frozenset(entry for entry in todo.removed if entry.month == month),
            added=frozenset(entry for entry in written if entry.month == month),
            pieces=noted.get(month),
        )
        for month in {*(entry.month for entry in (*written, *todo.removed)), *noted}
    }
    prepared = prepare(replace(now, root=root), changed, *about)
    lease.commit(prepared.root, [*places(prepared.gone, [*waiting, *trimmed]), *settled_beside])
    lease.settle(forget=prepared.forget)
    published = Published(
        files_written=len(written),
        files_unchanged=todo.unchanged,
        files_removed=len({entry.key for entry in todo.removed} - {entry.key for entry in written}),
        bytes_written=sum(entry.size for entry in written),
    )
    return published, prepared.root


# -- what is known -----------------------------------------------------------------------------------------------------


def seen_in(manifest: Manifest, scope: Scope) -> Seen:
    manifest.held_to(scope.timezone)
    entries = manifest.entries(*scope.months, window=scope.window, paths=scope.paths)
    known = [chosen(manifest.pieces(m), scope.window, scope.paths) for m in scope.months]
    return Seen(manifest.root, frozenset(entries), pa.concat_tables([of_source.unknown(()), *known]))


def _not_busy(seen: Seen, now: Seen, scope: Scope) -> None:
    """``WindowBusy`` if another has changed the readings of the scope. That they stand in other files is no matter:
    they were compacted, or trimmed by a run of the days beside; nor that another has brought them to what was known of
    the source when this run began: what this run has read is no older."""
    if seen.entries == now.entries:
        return
    if of_source.same(seen.pieces, now.pieces) and seen.root.frames == now.root.frames:
        return
    raise WindowBusy(f"another run has just published {scope.window} of these tags: run again to see what it left")


def _marks(known: Known, before: Root, now: Root) -> dict[str, Any]:
    """The marks to commit. Where others have published meanwhile, this run may not have looked at what they brought:
    the marks that stand, which are older, are the safe ones."""
    if before.pieces == now.pieces:
        return {**now.marks, **known.marks}
    return {**known.marks, **now.marks}


def _noted(now: Manifest, scope: Scope, note: Callable[[str, pa.Table], pa.Table], known: Known) -> dict[str, pa.Table]:
    """The pieces of each month where they change."""
    stale: dict[str, list[of_source.Piece]] = defaultdict(list)
    for piece in known.stale:
        stale[of_source.window_of(piece).months(scope.timezone)[0][0]].append(piece)
    found = {}
    for month in {*scope.months, *stale}:
        before = now.pieces(month)
        after = of_source.forgotten(before, stale[month])
        if month in scope.months:
            after = note(month, after)
        if not of_source.same(before, after):
            found[month] = after
    return found


# -- files -------------------------------------------------------------------------------------------------------------


def _damaged(store: Store, committed: Sequence[DataFile], staged: Iterable[DataFile]) -> set[DataFile]:
    """Committed files that would stay since ``staged`` ones are the same, and do not hold what was committed."""
    alike = sorted({*committed}.intersection(staged))
    with at_once(REQUESTS_AT_ONCE) as pool:
        return {entry for entry, whole in zip(alike, pool.map(partial(holds, store), alike), strict=True) if not whole}


def _trim(lease: Lease, old: DataFile, rest: Sequence[Window]) -> Iterator[DataFile]:
    """Write what stays of a file that lies across the window's border, to come when the old one goes."""
    try:
        readings = read_entry(lease.store, old)
    except StateGone as gone:
        raise damaged(lease.store, gone) from None
    for part in rest:
        rows = inside(readings, part)
        for entry, data in files_of(old.partition, part, rows, max(old.rows, 1), micros=old.micros).items():
            lease.store.put(lease.staged_key(entry.digest), data)
            yield entry


def _put_beside(lease: Lease, key: str, old: bytes | None, data: Beside) -> Place | None:
    """Write an object beside the readings where it is not as it should be; where it is settled, if it is not new."""
    data = _made(data)
    if data == old:
        return None
    if data is None:
        return Place((key,), ())
    lease.store.put(key if old is None else lease.staged_key(_digest(data)), data)
    return None if old is None else Place((), ((_digest(data), key),))


def _made(data: Beside) -> bytes | None:
    return data() if callable(data) else data


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
