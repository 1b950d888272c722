"""Putting right what ``verify`` found: states rebuilt, foreign objects removed, readings read from the source again.

Nothing goes that cannot be read again: a file, or a foreign object, of a time that no partition table covers stays. A
damaged file keeps its place until what replaces it has been read, and goes in the same commit.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from ..config.settings import Config
from ..errors import WindowBusy
from ..historian import Historian, coverage, open_historian
from ..lake import source_state as of_source
from ..lake.concurrency import at_once
from ..lake.data_files import drift
from ..lake.keys import DIGEST, READINGS, TAGS
from ..lake.manifest import DataFile, Manifest, MonthChange, by_path
from ..lake.source_state import Piece
from ..lake.stores import Store
from ..lake.tag_metadata import tag_table
from ..late.read_again import counted, rejected_again, scope_around, staged_again
from ..pipeline.run_record import run_id
from ..progress.steps import Progress
from ..publishing.lease import Place, acquire, until_acquired
from ..publishing.prepare import prepare
from ..publishing.publish import Known, look, patch
from ..staging import Executor
from ..transform.parquet import decode, parquet
from ..transform.readings import times_ms
from ..windows import Window, joined, month_window, without
from .audit_objects import Foreign, at_rest, overlapping, spelled
from .result import Found

READS_AT_ONCE = 8


def repair(
    config: Config, store: Store, window: Window, patterns: Sequence[str], found: Found,
    runs_on: Executor, progress: Progress | None,
) -> None:  # fmt: skip
    """Put right what can be; what could not is found by the next look.

    Raises ``WindowBusy`` if another run publishes the same tag paths meanwhile.
    """
    with open_historian(config) as historian:
        sweep(store, window, [one for one in found.foreign if _removable(one, historian, config)], config)
        if found.rest.tags:
            store.put(TAGS, parquet(tag_table(historian.tags())))
        again, damaged = to_read_again(found, historian, config)
        if not again:
            return
        scope = scope_around(again, config)
        before = look(store, scope)
        if not damaged <= before.entries:
            raise WindowBusy(f"another run has just published {window} of these tags: verify again")
        rows = dict(found.rows)
        for entry in damaged:
            rows[entry.tagpath] = max(rows.get(entry.tagpath, 0), entry.rows)
        runs_on.start()
        with (
            runs_on.watched("repair", progress),
            staged_again(again, rows, historian, config, runs_on) as (held, measured),
        ):
            patch(
                held,
                store,
                scope,
                before,
                again,
                Known(counted(again, measured, config)),
                after=before.root,
                append=config.write_mode == "append",
                others=rejected_again(measured, run_id(window, patterns)),
                damaged=damaged,
                run=run_id(window, patterns),
            )


# -- readings ----------------------------------------------------------------------------------------------------------


def to_read_again(found: Found, historian: Historian, config: Config) -> tuple[list[Piece], set[DataFile]]:
    """What is read from the source: damaged files as far as they reach, else the days in which readings differ.

    Returns
    -------
    pieces, damaged
        Pieces of one tag path do not overlap. Damaged files that no table covers whole are in neither.
    """
    tags = {tag.path for tag in historian.tags()}
    broken = sorted(entry for place in found.places for entry in place.broken)
    days = [(place.where[0], day) for place in found.places for day in place.days]
    intervals = [*(entry.interval for entry in broken), *(day for _, day in days)]
    if not intervals:
        return [], set()
    span = Window.around(intervals)
    covered = coverage(historian.partition_tables(span), span)
    again: list[Piece] = []
    gone: set[DataFile] = set()
    wanted: dict[str, list[Window]] = defaultdict(list)
    for path, day in days:
        wanted[path].append(day)
    broken_of = by_path(broken)
    for path in sorted({*wanted, *broken_of} & tags):
        mine, parts = [entry.interval for entry in broken_of[path]], []
        for part in joined(mine, touching=False):
            if any(cover.covers(part) for cover in covered):
                parts.append(part)
                gone |= {entry for entry in broken_of[path] if part.covers(entry.interval)}
        clipped = [clip for day in wanted[path] for cover in covered if (clip := day.clip(cover))]
        free = without(joined(clipped, touching=True), mine)
        again += [(path, *part.seconds) for part in sorted([*parts, *free])]
    return again, gone


# -- objects that nobody committed -------------------------------------------------------------------------------------


@until_acquired
def sweep(store: Store, window: Window, foreign: Sequence[Foreign], config: Config) -> None:
    """Remove ``foreign`` objects, as far as they still are that, and what the manifest's bookkeeping does not name."""
    keys = {one.key for one in foreign}
    rest = at_rest(store, window, config.timezone)
    gone = [*(one.key for one in rest.foreign if one.key in keys), *rest.leftovers]
    if gone:
        with acquire(rest.manifest, f"{window}, repaired") as lease:
            lease.commit(rest.manifest.root, [Place((key,), ()) for key in gone])
            lease.settle()


def _removable(one: Foreign, historian: Historian, config: Config) -> bool:
    """Whether whatever the object holds can be read again: it is of a tag and of a time that tables cover."""
    if one.tagpath is None or one.month is None:
        return False
    if one.tagpath not in {tag.path for tag in historian.tags()}:
        return False
    interval = one.interval or month_window(one.month, config.timezone)
    return coverage(historian.partition_tables(interval), interval) == [interval]


# -- the manifest's states ---------------------------------------------------------------------------------------------


@until_acquired
def rebuild(store: Store, window: Window, config: Config) -> None:
    """Write states that are lost anew, of every tag path, from the files that are there, and the Iceberg table of all.

    Days of such a month are noted as not known, so that the runs to come read them again.
    """
    rest = at_rest(store, window, config.timezone)
    if not (rest.lost or rest.table):
        return
    lost = {one.month for one in rest.lost if one.month}
    if len(lost) < len({one.month for one in rest.lost}):
        lost = {one.month for key, _ in store.list(READINGS.rstrip("/")) if (one := spelled(key)).month}
    # The manifest as if it did not name what is lost.
    root, keys = rest.manifest.root, {one.key for one in rest.lost}
    files, pieces = ({m: key for m, key in named.items() if key not in keys} for named in (root.files, root.pieces))
    held = replace(rest.manifest, root=replace(root, files=files, pieces=pieces))
    changed = {month: _rebuilt(store, held, month, config) for month in sorted(lost)}
    what = f"the manifest of {', '.join(sorted(lost)) or 'the Iceberg table'}, rebuilt"
    with acquire(rest.manifest, what) as lease:
        lease.announce([])
        prepared = prepare(held, changed, what, whole=True)
        lease.commit(prepared.root, [])
        lease.settle(forget=prepared.forget | (rest.manifest.root.states - prepared.root.states))


def _rebuilt(store: Store, held: Manifest, month: str, config: Config) -> MonthChange:
    if month in held.root.files:
        entries, added = held.entries(month), frozenset[DataFile]()
    else:
        added = frozenset(_files_there(store, month))
        entries = sorted(added)
    if month in held.root.pieces:
        return MonthChange(added=added)
    reach: dict[Window, set[str]] = defaultdict(set)
    for entry in entries:
        reach[entry.interval].add(entry.tagpath)
    unknown = pa.concat_tables(
        [of_source.unknown(()), *(of_source.days(paths, [part], config.timezone) for part, paths in reach.items())]
    )
    return MonthChange(added=added, pieces=unknown)


def _files_there(store: Store, month: str) -> list[DataFile]:
    """Files of a month that hold readings of their interval, none of which shares time with another."""
    named = [spelled(key) for key, _ in store.list(READINGS.rstrip("/")) if f"/month={month}/" in key]

    def file_there(one: Foreign) -> DataFile | None:
        data = store.get(one.key)
        if one.tagpath is None or one.interval is None or data is None:
            return None
        micros = bool(DIGEST.search(one.key.removesuffix(".parquet")))
        if drift(data, micros=micros):
            return None
        try:
            times = times_ms(decode(data))
        except (pa.ArrowException, OSError, ValueError):  # a sound footer over rubbish
            return None
        if not len(times) or times[0] < one.interval.start_ms or times[-1] >= one.interval.end_ms:
            return None
        digest = hashlib.sha256(data).hexdigest()
        first, last = int(times[0]), int(times[-1])
        found = DataFile(one.tagpath, month, *one.interval.seconds, len(times), first, last, len(data), digest, micros)
        return found if found.key == one.key else None

    with at_once(READS_AT_ONCE) as pool:
        found = by_path(entry for entry in pool.map(file_there, named) if entry)
    return [entry for entries in found.values() for entry in set(entries) - overlapping(entries)]
