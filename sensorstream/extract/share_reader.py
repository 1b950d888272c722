"""The readings of a share as they come from the historian: read by slices, gathered by tag until each is whole."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from ..config.credentials import Login, login
from ..config.settings import Config
from ..historian import PartitionTable
from ..historian import readings_sql as queries
from ..historian.connection import cancel, for_workers, let_go, snapshot_connection, source_errors
from ..planning.make_plan import WORK_MEM_MB
from ..planning.plan import Plan
from ..planning.slices import Order, PageCount, Share, Slice
from ..progress.worker_messages import ProgressSender, TaskProgress
from .decode import Batch, Packed
from .demultiplex import Mixed, Part
from .pace import Pace
from .spool import Spool
from .wire_format import readings_in, units_of

# The plan has chosen how a slice is read; the planner is held to it where its statistics are old or missing.
SETTINGS = {"work_mem": f"{WORK_MEM_MB}MB", "jit": "off", "max_parallel_workers_per_gather": "0"}
THROUGH_INDEX = {"enable_seqscan": "off"}
BY_TAG = {"enable_seqscan": "off", "enable_bitmapscan": "off"}

TOGETHER = 400_000  # readings that are cleaned at once, where no tag has more
COLUMNS = ("rows", "texts")
Key = tuple[int, int]  # a tag id and a stretch


@dataclass(frozen=True)
class Fetch:
    """What a task needs besides its share. Carries the configuration; the login is looked up where it is used."""

    config: Config
    tables: tuple[PartitionTable, ...]
    order: Order
    connections: int
    every_tag: bool  # a share wants every tag of the historian
    whole: frozenset[int]  # tables, by position, of which it wants every row: see ``Plan.passed``
    lift: int  # see ``readings_sql.lift``
    snapshot: str | None
    sender: ProgressSender | None = None
    per_second: float | None = None  # readings, at most

    @classmethod
    def of(cls, plan: Plan, config: Config, snapshot: str | None, sender: ProgressSender | None = None) -> Fetch:
        alone = len(plan.shares) == 1
        every_tag, whole = plan.every_tag and alone, frozenset(plan.passed)
        how = plan.tables, plan.order, plan.connections, every_tag, whole, queries.lift(plan.window)
        rate = config.readings_per_second
        return cls(for_workers(config, plan.host), *how, snapshot, sender, rate and rate / max(len(plan.shares), 1))


def mixed_of(share: Share, lift: int) -> Mixed | None:
    """What tells the tags of the share's pages apart, where it has any and they can be mixed."""
    by_pages = next((piece for piece in share.slices if piece.pages), None)
    parts = [
        Part(number, stretch.window.start_ms, stretch.window.end_ms, position)
        for position, stretch in enumerate(share.stretches)
        for number in stretch.tag.ids
    ]
    if by_pages is None or not queries.can_mix(by_pages.window, [part.tagid for part in parts]):
        return None
    return Mixed(parts, by_pages.window, lift)


class ShareReader:
    """The readings of a share while its slices come in."""

    def __init__(
        self, fetch: Fetch, share: Share, spool: Spool[Key], task_progress: TaskProgress | None = None
    ) -> None:
        self.fetch = fetch
        self.task_progress = task_progress
        self.share = share
        self.spool = spool
        self.where: Login = login(fetch.config)
        self._pace = Pace(fetch.per_second)
        self._lock = Lock()
        self._order = {id(piece): number for number, piece in enumerate(share.slices)}
        self._awaited = np.zeros(len(share.stretches), np.int64)  # slices of each stretch
        # Of each stretch the readings of a tag id, a table, and the stretch under which they wait (none if mixed).
        self._seen: dict[int, Counter[tuple[int, int, int | None]]] = defaultdict(Counter)
        self._mixed = mixed_of(share, fetch.lift)
        self._mixed_seen: dict[int, NDArray[np.int64]] = {}  # of each table the readings of the mixed parts
        self.counted: list[PageCount] = []  # of tables of which every row is wanted
        for piece in share.slices:
            self._awaited[np.array(piece.stretches)] += 1

    def interrupt(self) -> None:
        """End what its threads read or wait for."""
        self._pace.stop()
        cancel()

    def close(self) -> None:
        """Close the connections that its threads used."""
        let_go()

    def read(self, piece: Slice) -> Iterator[list[int]]:
        """Read a slice into the spool; yields the stretches that are complete by it, as many as are cleaned at once."""
        begin = time.monotonic()
        of_id = {number: n for n in piece.stretches for number in self.share.stretches[n].tag.ids}
        mixed = self._mixed if piece.pages else None
        with (
            snapshot_connection(self.where, self.fetch.snapshot, SETTINGS | self._way(piece)) as connection,
            source_errors(self.where, f"reading {self.fetch.tables[piece.table].name}"),
        ):
            rows = connection.cursor(binary=True).stream(self._query(piece, list(of_id)))
            counted = self._keep_mixed(rows, piece, mixed) if mixed else self._keep(rows, piece, of_id)
        self._pace.keep(counted, begin)
        with self._lock:
            if piece.pages and piece.table in self.fetch.whole:
                self.counted.append((piece.table, piece.pages[0], counted))
            complete = self._complete(piece)
        yield from _bundles(complete)

    def _keep(self, rows: Iterable[tuple[Any, ...]], piece: Slice, of_id: Mapping[int, int]) -> int:
        """Put the readings of each tag id into the spool, as they come; how many PostgreSQL counts."""
        counts, counted = {}, 0
        for tagid, *columns, readings in rows:
            counted += readings
            position = of_id.get(tagid)
            if not columns[0] or position is None:  # an id that no tag has
                continue
            key = tagid, position
            counts[key] = count = readings_in(units_of(columns[0]))
            for name, data in zip(COLUMNS, columns, strict=True):
                if data:
                    group, ends = (position, piece.table, name), np.array([0, len(data)])
                    self.spool.put(group, {key: 0}, ends, self._order[id(piece)], memoryview(data))
            if self.task_progress:
                self.task_progress.add(read=count)
        with self._lock:
            for (tagid, position), count in counts.items():
                self._seen[position][tagid, piece.table, position] += count
        return counted

    def _keep_mixed(self, rows: Iterable[tuple[Any, ...]], piece: Slice, mixed: Mixed) -> int:
        """The same of all tag ids in one row."""
        ((*columns, counted),) = rows
        found, counts = mixed.apart(*columns)
        for name, (data, sizes) in zip(COLUMNS, found, strict=True):
            ends = np.append(0, np.cumsum(sizes))
            self.spool.put((None, piece.table, name), mixed.places, ends, self._order[id(piece)], data)
        if self.task_progress:
            self.task_progress.add(read=int(counts.sum()))
        with self._lock:
            self._mixed_seen[piece.table] = self._mixed_seen.get(piece.table, 0) + counts
        return int(counted)

    def _complete(self, piece: Slice) -> list[tuple[int, int]]:
        """The stretches that waited for this slice alone, each with its readings."""
        here = np.array(piece.stretches)
        self._awaited[here] -= 1
        done: list[int] = here[self._awaited[here] == 0].tolist()
        for table, counts in self._mixed_seen.items():
            for position in done:
                for tagid in self.share.stretches[position].tag.ids:
                    if self._mixed and (count := int(counts[self._mixed.places[tagid, position]])):
                        self._seen[position][tagid, table, None] += count
        return [(position, self._seen[position].total()) for position in done]

    def readings(self, positions: Sequence[int]) -> int:
        """How many readings complete stretches have."""
        with self._lock:
            return sum(self._seen[position].total() for position in positions)

    def batch(self, positions: Sequence[int]) -> Batch:
        """The readings of complete stretches, which are given away."""
        with self._lock:
            seen = [(p, sorted(self._seen.pop(p, ()), key=lambda key: key[:2])) for p in positions]
        wanted = [(of, table, (tagid, position)) for position, keys in seen for tagid, table, of in keys]
        (rows, sizes), (texts, _) = (
            self.spool.take([((of, table, name), key) for of, table, key in wanted]) for name in COLUMNS
        )
        size = iter(sizes)
        lift = self.fetch.lift
        parts = [
            [
                Packed(tagid, table, next(size), lift + (0 if of is not None else tagid << queries.MIXED_BITS))
                for tagid, table, of in keys
            ]
            for _, keys in seen
        ]
        return Batch(parts, rows, texts)

    def _way(self, piece: Slice) -> dict[str, str]:
        if self.fetch.order == "tag":
            return BY_TAG
        return {} if piece.pages else THROUGH_INDEX

    def _query(self, piece: Slice, ids: list[int]) -> sql.Composed:
        schema, table = self.fetch.config.db_schema, self.fetch.tables[piece.table]
        if self.fetch.order == "tag":
            return queries.packed_by_tag(schema, table, piece.window, ids, self.fetch.lift)
        every = self.fetch.every_tag
        wanted, wide = None if every else ids, queries.is_packed_wide(table)
        terms: list[sql.Composable] = [queries.in_pages(*piece.pages)] if piece.pages else []
        if not piece.pages or piece.table not in self.fetch.whole:
            terms.append(queries.in_window(table, piece.window, None if wide else wanted))
            terms += [queries.between(ids)] if piece.pages and every and table.own_keys[0] else []
        where = sql.SQL(" AND ").join(terms)
        if wide:
            return queries.packed_wide(schema, table, where, wanted, self.fetch.lift)
        pack = queries.mixed if piece.pages and self._mixed else queries.packed
        return pack(schema, table, where, self.fetch.lift)


def _bundles(stretches: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Stretches, each with its readings, in bundles of about ``TOGETHER`` readings."""
    bundle: list[int] = []
    readings = 0
    for position, more in stretches:
        if bundle and readings + more > TOGETHER:
            yield bundle
            bundle, readings = [], 0
        bundle.append(position)
        readings += more
    if bundle:
        yield bundle
