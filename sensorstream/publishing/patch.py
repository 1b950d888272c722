"""Staged readings brought into the committed files that cover their time, as many tag paths at once as may be held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from ..lake.concurrency import at_once
from ..lake.data_files import read_entry
from ..lake.manifest import DataFile
from ..lake.stores import Store
from ..staging.staged_files import Staged
from ..transform.parquet import decode
from ..transform.readings import SCHEMA, inside
from ..windows import Window
from .file_changes import Changes, Committed, both, covered, within

REQUESTS_AT_ONCE = 8
HELD_BYTES = 64 << 20  # staged files brought to this process at once


def appended(
    staged: Staged, entries: Sequence[DataFile], committed: Committed, store: Store, max_records: int
) -> Changes:
    """Those staged ``entries`` added to what is ``committed``: nothing that is there is changed."""
    there = [entry for month in committed.values() for entry in month.values()]
    meeting = covered(entries, there)
    parts: dict[tuple[str, str], list[Window]] = defaultdict(list)
    for entry in sorted(meeting):
        parts[entry.place].append(entry.interval)
    alone = Changes(staged=[entry for entry in entries if entry not in meeting])
    return both([alone, patched(staged, committed, store, parts, max_records=max_records, append=True)])


def patched(
    staged: Staged, committed: Committed, store: Store, parts: Mapping[tuple[str, str], Sequence[Window]], *,
    max_records: int, append: bool,
) -> Changes:  # fmt: skip
    """Bring staged readings into committed files, as many tag paths at once as may be held."""
    news: dict[tuple[str, str], list[DataFile]] = defaultdict(list)
    for entry in staged.entries:
        if entry.place in parts:
            news[entry.place].append(entry)
    olds: dict[tuple[str, str], list[DataFile]] = defaultdict(list)
    for month in committed.values():
        for entry in month.values():
            if any(part.overlaps(entry.interval) for part in parts.get(entry.place, ())):
                olds[entry.place].append(entry)
    found: list[Changes] = []
    for some in portions(sorted(parts), news):
        data = staged.data([entry for place in some for entry in news[place]])

        def one(place: tuple[str, str], data: dict[DataFile, bytes] = data) -> Changes:
            readings = [decode(data[entry]) for entry in sorted(news[place])] or [SCHEMA.empty_table()]
            now = pa.concat_tables(readings)
            read = [(part, inside(now, part)) for part in parts[place]]
            old = olds[place]
            micros = store.iceberg is not None
            return within(
                place, old, read, lambda e: read_entry(store, e), append=append, max_records=max_records, micros=micros
            )

        with at_once(REQUESTS_AT_ONCE) as pool:
            found += pool.map(one, some)
    return both(found)


def portions(
    every: Sequence[tuple[str, str]], news: Mapping[tuple[str, str], Sequence[DataFile]]
) -> Iterator[list[tuple[str, str]]]:
    """Tag paths and months, as many at once as ``HELD_BYTES`` of their staged files allow."""
    some: list[tuple[str, str]] = []
    held = 0
    for place in every:
        some.append(place)
        held += sum(entry.size for entry in news.get(place, ()))
        if held > HELD_BYTES:
            yield some
            some, held = [], 0
    if some:
        yield some
