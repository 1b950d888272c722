"""What becomes of a share of the plan, wherever it runs: fetched, cleaned and encoded, as rows of staged files.

Threads read the share's slices, a query each, and gather what comes by tag; a stretch of a tag whose slices have all
been read is cleaned and encoded, by whichever thread is free. No shuffle, no row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from threading import Lock

import pyarrow as pa

from ..config.credentials import login
from ..extract.share_reader import TOGETHER, Fetch, Key, ShareReader
from ..extract.spool import Spool
from ..extract.task_threads import work_through
from ..historian.watch import Watch, watched
from ..planning.slices import Share
from ..transform.clean import Clean, Tally
from ..transform.clean_packed import clean_batch, fingerprint_batch
from ..transform.quality import QualityRule
from ..transform.staged_rows import (
    PathPrints,
    Target,
    borders_ms,
    counts_row,
    files,
    labelled,
    prints_row,
    rejected_row,
    size_of,
    tally_row,
)

REJECTED_AT_ONCE = 20_000  # readings


@dataclass(frozen=True)
class Encoded:
    """Some stretches, cleaned and encoded."""

    files: list[dict[str, object]]
    rejected: list[tuple[str, pa.Table]]
    prints: list[PathPrints]
    tally: Tally


class ShareEncoder:
    """Makes files of what a share's reader has complete."""

    def __init__(self, reader: ShareReader, rule: QualityRule, target: Target) -> None:
        self.reader, self.rule, self.target = reader, rule, target
        self._one_large = Lock()

    def encode(self, positions: Sequence[int]) -> Encoded:
        """Clean, encode and fingerprint complete stretches; of those that are large by themselves one at a time."""
        if self.reader.readings(positions) <= TOGETHER:
            return self._encode(positions)
        with self._one_large:
            pa.system_memory_pool().release_unused()  # no block of it would be long enough
            return self._encode(positions)

    def _encode(self, positions: Sequence[int]) -> Encoded:
        target = self.target
        stretches = [self.reader.share.stretches[position] for position in positions]
        borders = [borders_ms(stretch.window, target.timezone) for stretch in stretches]
        batch = self.reader.batch(positions)
        done = Encoded([], [], [], Tally())
        prints_of_each, readings_of_each = fingerprint_batch(batch, borders), clean_batch(batch, self.rule)
        del batch
        found = zip(stretches, borders, prints_of_each, readings_of_each, strict=True)
        for stretch, days, prints, (readings, tally) in found:
            path = stretch.tag.path
            done.files.extend(files(path, readings.kept, stretch.window, target))
            done.prints.append((path, days, prints))
            done.tally.add(tally)
            if readings.rejected.num_rows:
                done.rejected.append((path, readings.rejected))
        return done


def encode_share(
    fetch: Fetch, share: Share, rule: QualityRule, target: Target, number: int = 0
) -> Iterator[dict[str, object]]:
    """Fetch, clean and encode one share, the plan's ``number``: rows of ``staged_rows.STAGED``, its tally last."""
    total = Tally()
    rejected: list[tuple[str, pa.Table]] = []
    prints: list[PathPrints] = []
    waiting = 0
    task_progress = fetch.sender.about("extract", number) if fetch.sender else None
    with Spool[Key]() as spool, closing(ShareReader(fetch, share, spool, task_progress)) as reader:
        encode = ShareEncoder(reader, rule, target).encode
        for done in work_through(
            share.slices, reader.read, encode, threads=fetch.connections, interrupt=reader.interrupt
        ):
            total.add(done.tally)
            if task_progress:
                task_progress.add(finished=done.tally.read, size=size_of(done.files))
            yield from done.files
            prints += done.prints
            rejected += done.rejected
            waiting += sum(table.num_rows for _, table in done.rejected)
            if waiting > REJECTED_AT_ONCE:
                yield rejected_row(rejected)
                rejected, waiting = [], 0
    if task_progress:
        task_progress.done()
    if rejected:
        yield rejected_row(rejected)
    yield prints_row(prints)
    yield counts_row(reader.counted)
    yield tally_row(total)


def clean_share(fetch: Fetch, share: Share, rule: QualityRule) -> Iterator[pa.Table]:
    """Fetch and clean one share: its readings (``staged_rows.READINGS``), a table a stretch.

    All slices see one state of the historian: rows that move to other pages meanwhile are read once.
    """
    with (
        watched(login(fetch.config)) as watch,
        Spool[Key]() as spool,
        closing(ShareReader(in_snapshot(fetch, watch), share, spool)) as reader,
    ):

        def clean(positions: Sequence[int]) -> list[tuple[str, Clean]]:
            paths = (share.stretches[position].tag.path for position in positions)
            found = clean_batch(reader.batch(positions), rule)
            return [(path, readings) for path, (readings, _) in zip(paths, found, strict=True)]

        for found in work_through(
            share.slices, reader.read, clean, threads=fetch.connections, interrupt=reader.interrupt
        ):
            for path, readings in found:
                if readings.kept.num_rows:
                    yield labelled(path, readings.kept)


def in_snapshot(fetch: Fetch, watch: Watch) -> Fetch:
    """``fetch`` in a snapshot that ``watch`` holds."""
    return replace(fetch, snapshot=watch.hold(fetch.config.db_schema, fetch.tables))
