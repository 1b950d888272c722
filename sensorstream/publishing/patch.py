"""Staged readings brought into the committed files that cover their time, as many tag paths at once as may be held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pyarrow as pa

from ..lake.concurrency import at_once
from ..lake.data_files import read_entry
from ..lake.manifest import DataFile, Partition, by_partition
from ..lake.stores import Store
from ..staging.staged_files import Staged
from ..transform.parquet import decode
from ..transform.readings import SCHEMA, inside
from ..windows import Window
from .file_changes import Changes, both, covered, within

REQUESTS_AT_ONCE = 8
HELD_BYTES = 64 << 20  # staged files brought to this process at once


def appended(
    staged: Staged, entries: Sequence[DataFile], committed: Sequence[DataFile], store: Store, max_records: int
) -> Changes:
    """Those staged ``entries`` added to what is ``committed``: nothing that is there is changed."""
    meeting = covered(entries, committed)
    parts = {where: [entry.interval for entry in sorted(files)] for where, files in by_partition(meeting).items()}
    alone = Changes(staged=[entry for entry in entries if entry not in meeting])
    return both([alone, patched(staged, committed, store, parts, max_records=max_records, append=True)])


def patched(
    staged: Staged, committed: Sequence[DataFile], store: Store, parts: Mapping[Partition, Sequence[Window]], *,
    max_records: int, append: bool,
) -> Changes:  # fmt: skip
    """Bring staged readings into committed files, as many tag paths at once as may be held."""
    news = by_partition(entry for entry in staged.entries if entry.partition in parts)
    olds = by_partition(
        old for old in committed if any(part.overlaps(old.interval) for part in parts.get(old.partition, ()))
    )
    found: list[Changes] = []
    for some in portions(sorted(parts), news):
        data = staged.data([entry for where in some for entry in news[where]])

        def one(where: Partition, data: dict[DataFile, bytes] = data) -> Changes:
            now = pa.concat_tables([SCHEMA.empty_table(), *(decode(data[entry]) for entry in sorted(news[where]))])
            return within(
                where, olds[where], [(part, inside(now, part)) for part in parts[where]], partial(read_entry, store),
                append=append, max_records=max_records, micros=store.iceberg is not None,
            )  # fmt: skip

        with at_once(REQUESTS_AT_ONCE) as pool:
            found += pool.map(one, some)
    return both(found)


def portions(every: Sequence[Partition], news: Mapping[Partition, Sequence[DataFile]]) -> Iterator[list[Partition]]:
    """As many partitions at once as ``HELD_BYTES`` of their staged files allow."""
    some: list[Partition] = []
    held = 0
    for where in every:
        some.append(where)
        held += sum(entry.size for entry in news.get(where, ()))
        if held > HELD_BYTES:
            yield some
            some, held = [], 0
    if some:
        yield some
