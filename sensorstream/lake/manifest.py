"""The manifest: what is committed. A small root object names immutable state files, one of each kind a month.

``manifest.json`` changes only by compare-and-swap; that write is the commit. It holds no time of day, so that a run
that changes nothing leaves the same bytes. While a run publishes, the root says who does (``publishing.lease``).

::

    {"format": 1,
     "files":  {"2026-10": "_sensorstream/state/files-2026-10-….parquet"},   what ``DataFile`` says, a row a file
     "pieces": {"2026-10": "_sensorstream/state/pieces-2026-10-….parquet"},  what is known of the source
     "marks":  {"sqlt_data_1_2026_10": {…}},                                 how far each partition table was seen
     "frames": 1,                                                            how often a DataFrame was published
     "iceberg": {"metadata": "iceberg/metadata/….metadata.json", …},         see ``lake.iceberg``; only of such a lake
     "turn":   {…}}                                                          only while somebody publishes
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from math import inf
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import ConfigError, LakeError
from ..windows import Window
from .concurrency import at_once
from .keys import BOOKS, reading_key
from .sound import FORMAT, MEND, root_of, state_of
from .stores import Conflict, Store

ROOT = f"{BOOKS}manifest.json"
STATES = f"{BOOKS}state/"
PUTS_AT_ONCE = 8

PIECES = pa.schema(
    [
        ("tagpath", pa.string()),
        ("start", pa.int64()),  # of the piece, s since 1970
        ("end", pa.int64()),
        ("rows", pa.int64()),  # rows of the source, of any quality; null: not known, to be read again
        ("hash", pa.uint64()),  # the sum of the rows' hashes, see ``fingerprint``
    ]
)
ORDER = [("tagpath", "ascending"), ("start", "ascending")]
Found = TypeVar("Found")
Partition = tuple[str, str]  # tag path and month


@dataclass(frozen=True, order=True)
class DataFile:
    """One committed file: tag path, month and the interval that it covers, and what it holds."""

    tagpath: str
    month: str
    start: int  # of the interval, s since 1970
    end: int
    rows: int
    first_ms: int
    last_ms: int
    size: int  # bytes
    digest: str  # SHA-256 of the bytes
    micros: bool = False  # an Iceberg table's: its times are microseconds, its name tells its content

    @cached_property
    def interval(self) -> Window:
        return Window.of_seconds(self.start, self.end)

    @cached_property
    def key(self) -> str:
        return reading_key(self.tagpath, self.month, self.interval, self.digest if self.micros else None)

    @property
    def partition(self) -> Partition:
        """Where intervals must not overlap."""
        return self.tagpath, self.month

    def reaches(self, window: Window) -> bool:
        """Whether its readings, from the first to the last, reach into ``window``."""
        return self.first_ms < window.end_ms and self.last_ms >= window.start_ms


# A month's files as rows; ``NAMED`` where a lake has any whose times are microseconds.
KINDS = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_()}
NAMED = pa.schema([(field.name, KINDS[str(field.type)]) for field in fields(DataFile) if field.name != "month"])
FILES = NAMED.remove(NAMED.get_field_index("micros"))


@dataclass(frozen=True)
class Root:
    """The root object. ``turn`` is the lease of who publishes now, see ``publishing.lease``."""

    files: Mapping[str, str] = field(default_factory=dict)  # month -> key of its state file
    pieces: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, Any] = field(default_factory=dict)  # partition table -> mark
    frames: int = 0  # publications of DataFrames, of which no pieces are known
    turn: Mapping[str, Any] | None = None
    timezone: str | None = None  # whose days and months the lake has; none before anything was published
    iceberg: Mapping[str, str] | None = None  # what the table is named by; ``{"metadata": ""}`` while it is made

    @property
    def is_table(self) -> bool:
        """Whether the lake is an Iceberg table as well."""
        return bool(self.iceberg and self.iceberg["metadata"])

    @property
    def states(self) -> set[str]:
        return {*self.files.values(), *self.pieces.values(), *(self.iceberg or {}).values()} - {""}

    def to_bytes(self) -> bytes:
        parts = {"files": self.files, "pieces": self.pieces, "marks": self.marks}
        shown = {name: dict(sorted(part.items())) for name, part in parts.items()}
        more = {"timezone": self.timezone, "frames": self.frames, "iceberg": self.iceberg, "turn": self.turn}
        rest = {name: value for name, value in more.items() if value}
        return json.dumps({"format": FORMAT, **shown, **rest}, indent=1).encode()


class StateGone(Exception):
    """A state file that the root named has been replaced since the root was read."""


@dataclass(frozen=True)
class Manifest:
    """The root as it was read, and its version for the swap; states are read when asked for."""

    store: Store
    root: Root
    version: str | None

    @property
    def months(self) -> list[str]:
        """Months of which files are committed, in order."""
        return sorted(self.root.files)

    def held_to(self, timezone: str) -> Manifest:
        """This manifest, if the lake's days and months are those of ``timezone``: others would lie across them.

        Raises ``ConfigError`` if they are not.
        """
        if self.root.timezone not in (None, timezone):
            raise ConfigError(
                f"lake {self.store.place} has the days and months of {self.root.timezone}, and"
                f' "timezone" is {timezone}: set it back, or begin another lake ("s3_directory", "local_path")'
            )
        return self.of_its_kind()

    def of_its_kind(self) -> Manifest:
        """This manifest, if the lake is an Iceberg table where the configuration says so, and only there.

        Raises ``ConfigError`` if not.
        """
        asked, root = self.store.iceberg, self.root
        if root.iceberg and not asked:
            raise ConfigError(f'lake {self.store.place} is an Iceberg table and "iceberg" is not set: set it')
        if asked and not root.is_table and (root.iceberg or root.files):
            raise ConfigError(
                f'lake {self.store.place} was begun without "iceberg": rewrite it with sensorstream compact'
                " --to-iceberg, or leave the key out"
            )
        return self

    def entries(
        self, *months: str, window: Window | None = None, paths: Collection[str] | None = None
    ) -> list[DataFile]:
        """What is committed for ``months``: all, or only what meets ``window`` and is of ``paths``.

        Raises ``StateGone`` if another run has committed since the root was read.
        """
        chosen_of = ((month, chosen(self.files(month), window, paths)) for month in months)
        return [DataFile(month=month, **row) for month, files in chosen_of for row in files.to_pylist()]

    def files(self, month: str) -> pa.Table:
        """All that is committed for ``month`` as a table (``FILES``)."""
        return self._state(self.root.files.get(month), FILES)

    def pieces(self, month: str) -> pa.Table:
        """What is known of the source's readings of ``month`` (``PIECES``)."""
        return self._state(self.root.pieces.get(month), PIECES)

    def _state(self, key: str | None, schema: pa.Schema) -> pa.Table:
        if key is None:
            return schema.empty_table()
        try:
            return state_of(key, self.store.get(key), *((FILES, NAMED) if schema is FILES else (schema,)))
        except ValueError:
            raise StateGone(key) from None


def chosen(table: pa.Table, window: Window | None, paths: Collection[str] | None) -> pa.Table:
    """Rows of ``FILES`` or ``PIECES`` that meet ``window`` and are of ``paths``."""
    if window is not None:
        table = table.filter(meets(table, window))
    return table if paths is None else table.filter(of_paths(table, paths))


def meets(table: pa.Table, window: Window) -> pa.ChunkedArray:
    """Which rows meet ``window``."""
    start, end = window.seconds
    return pc.and_(pc.less(table.column("start"), end), pc.greater(table.column("end"), start))


def of_paths(table: pa.Table, paths: Collection[str]) -> pa.ChunkedArray:
    """Which rows are of ``paths``."""
    return pc.is_in(table.column("tagpath"), value_set=pa.array(list(paths), pa.string()))


def without_rows(table: pa.Table, rows: Set[tuple[str, int]]) -> pa.Table:
    """``table`` without the rows of these tag paths and starts."""
    maybe = of_paths(table, {path for path, _ in rows})
    asked = table.filter(maybe)
    keys = zip(asked.column("tagpath").to_pylist(), asked.column("start").to_pylist(), strict=True)
    kept = asked.filter(pa.array([key not in rows for key in keys], pa.bool_()))
    return pa.concat_tables([table.filter(pc.invert(maybe)), kept])


def read_manifest(store: Store) -> Manifest:
    """The manifest as it is now; an empty one where the lake has none."""
    found = store.versioned(ROOT)
    if found is None:
        return Manifest(store, Root(), None)
    try:
        return Manifest(store, Root(**root_of(found[0])), found[1])
    except ValueError as error:
        raise LakeError(f"lake {store.place}: {ROOT} {error}") from None


ATTEMPTS = 20


def at_one_commit(store: Store, look: Callable[[Manifest], Found]) -> Found:
    """``look`` at the manifest, and once more where another run committed meanwhile, so that it sees one state whole.

    Raises ``LakeError`` if what a manifest names that did not change is missing.
    """
    manifest = read_manifest(store)
    for _ in range(ATTEMPTS):
        try:
            return look(manifest)
        except StateGone as gone:
            again = read_manifest(store)
            if again.version == manifest.version:
                raise damaged(store, gone) from None
            manifest = again
    raise LakeError(f"lake {store.place}: the manifest changed {ATTEMPTS} times while it was read: try again")


def damaged(store: Store, gone: StateGone) -> LakeError:
    return LakeError(
        f"lake {store.place}: the manifest names {gone}, which does not exist or is not what was committed: {MEND}"
    )


@dataclass(frozen=True)
class MonthChange:
    """What becomes of a month: files that go and come, its pieces where they change."""

    removed: frozenset[DataFile] = frozenset()
    added: frozenset[DataFile] = frozenset()
    pieces: pa.Table | None = None


def write_states(manifest: Manifest, changed: Mapping[str, MonthChange]) -> Root:
    """Write the state files of ``changed`` months; the root that names them, not yet committed."""
    files, pieces = dict(manifest.root.files), dict(manifest.root.pieces)
    states: dict[str, bytes] = {}

    def name(kind: str, month: str, named: dict[str, str], rows: pa.Table) -> None:
        if not rows.num_rows:
            named.pop(month, None)
            return
        data = _parquet(rows)
        named[month] = f"{STATES}{kind}-{month}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
        states[named[month]] = data

    for month, change in changed.items():
        if change.removed or change.added:
            _refuse_overlaps(manifest.store, manifest.files(month), change)
            name("files", month, files, _after(manifest.files(month), change))
        if change.pieces is not None:
            name("pieces", month, pieces, change.pieces.sort_by(ORDER))
    with at_once(PUTS_AT_ONCE) as pool:
        list(pool.map(manifest.store.put, states, states.values()))
    return replace(manifest.root, files=files, pieces=pieces)


def _after(before: pa.Table, change: MonthChange) -> pa.Table:
    gone = {(entry.tagpath, entry.start) for entry in (*change.removed, *change.added)}
    schema = NAMED if any(entry.micros for entry in change.added) else FILES
    added = pa.Table.from_pylist([{n: getattr(e, n) for n in schema.names} for e in change.added], schema=schema)
    after = pa.concat_tables([without_rows(before, gone), added], promote_options="default")
    if "micros" in after.column_names:
        after = after.set_column(len(FILES), "micros", pc.fill_null(after.column("micros"), False))
    return after.sort_by(ORDER)


def _refuse_overlaps(store: Store, before: pa.Table, change: MonthChange) -> None:
    """``LakeError`` where a file that comes shares time with another of its path: readers would meet readings twice.

    Two that were there ``before`` stop nobody who has to do with others.
    """
    added = [(entry.tagpath, entry.start, entry.end) for entry in change.added]
    if not added:
        return
    span = Window.of_seconds(min(start for _, start, _ in added), max(end for *_, end in added))
    beside = chosen(before, span, {path for path, *_ in added})
    known = set(zip(*(beside.column(name).to_pylist() for name in ("tagpath", "start", "end")), strict=True))
    gone = {(entry.tagpath, entry.start) for entry in change.removed}
    reach: dict[str, tuple[float, float]] = {}  # how far a path's files have come, and those of them that are new
    stay, last = {file for file in known if file[:2] not in gone}.difference(added), None
    for file in sorted([*stay, *added]):
        path, start, end = file
        new, last = file not in known or file == last, file
        every, of_new = reach.get(path, (-inf, -inf))
        if start < of_new or (new and start < every):
            when = f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M:%S}Z"
            said = f"two files of {path} would share the time from {when}"
            raise LakeError(f"lake {store.place}: {said}: nothing is published, {MEND}")
        reach[path] = max(every, end), max(of_new, end if new else -inf)


def _parquet(table: pa.Table) -> bytes:
    """The same bytes for the same rows."""
    sink = io.BytesIO()
    pq.write_table(table.combine_chunks(), sink, compression="zstd")
    return sink.getvalue()


def swap_root(manifest: Manifest, root: Root) -> Manifest:
    """Make ``root`` the truth if nobody has written since ``manifest`` was read, else ``stores.Conflict``."""
    try:
        version = manifest.store.swap(ROOT, root.to_bytes(), manifest.version)
    except Conflict as lost:
        if isinstance(lost.__cause__, LakeError):
            raise lost.__cause__ from None  # nobody has: the store went on refusing until the patience was over
        raise
    return Manifest(manifest.store, root, version)


def by_path(entries: Iterable[DataFile]) -> defaultdict[str, list[DataFile]]:
    found: defaultdict[str, list[DataFile]] = defaultdict(list)
    for entry in entries:
        found[entry.tagpath].append(entry)
    return found


def by_partition(entries: Iterable[DataFile]) -> defaultdict[Partition, list[DataFile]]:
    found: defaultdict[Partition, list[DataFile]] = defaultdict(list)
    for entry in entries:
        found[entry.partition].append(entry)
    return found
