"""The table's metadata, of the manifest's own entries.

``Table.add_files`` of pyiceberg is not used: it sets tag path and month to NULL without a word.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.conversions import from_bytes, to_bytes
from pyiceberg.expressions import In, Reference
from pyiceberg.expressions.visitors import manifest_evaluator
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.manifest import DataFileContent, FileFormat, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.serializers import FromInputFile, ToOutputFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.snapshots import Operation, Snapshot, Summary, update_snapshot_summaries
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.table.update import AddSnapshotUpdate, RemoveSnapshotsUpdate, TableUpdate, update_table_metadata
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _SnapshotProducer
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import DoubleType, IntegerType, NestedField, StringType, TimestamptzType

from ...errors import LakeError
from ...transform.parquet import parquet, table_of
from ..keys import ICEBERG, parse_reading_key
from ..manifest import STATES, DataFile
from ..sound import MEND
from ..stores import Store
from .store_io import StoreIO

SCHEMA = Schema(
    NestedField(1, "datetime", TimestamptzType()),
    NestedField(2, "value", DoubleType()),
    NestedField(3, "text", StringType()),
    NestedField(4, "quality", IntegerType()),
    NestedField(5, "tagpath", StringType()),
    NestedField(6, "month", StringType()),
)
PARTITIONS = PartitionSpec(
    PartitionField(5, 1000, IdentityTransform(), "tagpath"), PartitionField(6, 1001, IdentityTransform(), "month")
)
BY_TIME = SortOrder(SortField(source_id=1, transform=IdentityTransform()), order_id=1)
PROPERTIES = {
    "format-version": "2",  # Athena writes no other
    "gc.enabled": "false",  # engines keep their hands off files that the manifest knows
    "write.metadata.previous-versions-max": "1",
}
DATETIME = 1  # the column's number
MOST_SNAPSHOTS = 50  # where "keep_days" asks for none, while no file is replaced
MANIFESTS_TO_MERGE, MANIFEST_BYTES = 100, 8 << 20
DAY_MS = 86_400_000
REPLACED = pa.schema([("key", pa.string()), ("sequence", pa.int64())])  # files that old snapshots name, until which one


@dataclass(frozen=True)
class Written:
    """Metadata that waits to be committed.

    Attributes
    ----------
    named
        What the root is to say.
    forget
        Keys of metadata that only what the root said before needs.
    gone
        Keys of readings that no snapshot names any more.
    """

    named: Mapping[str, str]
    forget: frozenset[str]
    gone: tuple[str, ...]


class LakeTable:
    """The table that a root names, or a new one."""

    def __init__(self, store: Store, named: Mapping[str, str] | None) -> None:
        self.store, self.io, self.named = store, StoreIO(store), dict(named or {})

    @cached_property
    def metadata(self) -> TableMetadata:
        if key := self.named.get("metadata"):
            with self._readable(key):
                return FromInputFile.table_metadata(self.io.new_input(f"{self.store.url}{key}"))
        where = f"{self.store.url}{ICEBERG}".rstrip("/")
        return new_table_metadata(SCHEMA, PARTITIONS, BY_TIME, where, dict(PROPERTIES))

    @property
    def snapshots(self) -> list[Snapshot]:
        return sorted(self.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)

    # -- what it holds --------------------------------------------------------------------------------------------

    def files(self, snapshot: Snapshot | None = None, *, months: Collection[str] | None = None) -> dict[str, DataFile]:
        """Files of a snapshot, by default of the last one, by key; of their digests the eight digits of their names.

        Without those of other ``months``, if any are given.
        """
        snapshot = snapshot or self.metadata.current_snapshot()
        if snapshot is None:
            return {}
        with self._readable(snapshot.manifest_list):
            concerned = _of_months(months) if months is not None else lambda manifest: True
            lists = [m.fetch_manifest_entry(self.io) for m in snapshot.manifests(self.io) if concerned(m)]
        found = (entry_of(self.store, entry.data_file) for entries in lists for entry in entries)
        return {entry.key: entry for entry in found if months is None or entry.month in months}

    def as_of(self, instant: datetime) -> Snapshot:
        """The snapshot that was the table at an instant; ``LakeError`` if it is gone, or there was none yet."""
        ms = instant.timestamp() * 1000
        for snapshot in reversed(self.snapshots):
            if snapshot.timestamp_ms <= ms:
                return snapshot
        has = "it has none"
        if self.snapshots:
            oldest = datetime.fromtimestamp(self.snapshots[0].timestamp_ms / 1000, UTC)
            has = f"the oldest that it has is of {oldest:%Y-%m-%dT%H:%M:%SZ}"
        raise LakeError(
            f"lake {self.store.place} has no state of {instant:%Y-%m-%dT%H:%M:%SZ} any more, or had none yet: {has};"
            ' "keep_days" of "iceberg" says how long states are kept'
        )

    def objects(self) -> set[str]:
        """Keys of all that the table is made of, beside the files of readings."""
        found = {f"{self.store.url}{key}" for key in self.named.values() if key}
        for snapshot in self.metadata.snapshots:
            with self._readable(snapshot.manifest_list):
                found |= self._objects(snapshot)
        return {location.removeprefix(self.store.url) for location in found}

    def replaced(self) -> pa.Table:
        """Files that wait until no snapshot names them (``REPLACED``)."""
        key = self.named.get("replaced")
        data = self.store.get(key) if key else None
        return REPLACED.empty_table() if data is None else table_of(data).cast(REPLACED)

    @contextmanager
    def _readable(self, key: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, EOFError, KeyError) as error:
            raise LakeError(
                f"lake {self.store.place}: the Iceberg table's {key.removeprefix(self.store.url)}, or what it names, is"
                f" not what was written ({error}): {MEND}"
            ) from error

    def _objects(self, snapshot: Snapshot) -> set[str]:
        return {snapshot.manifest_list, *(manifest.manifest_path for manifest in snapshot.manifests(self.io))}

    # -- what it becomes ------------------------------------------------------------------------------------------

    def write(
        self, added: Collection[DataFile], removed: Collection[DataFile], keep_days: int, about: Mapping[str, str]
    ) -> Written:
        """Write the metadata of one more snapshot; without a file that comes or goes, that of a new table alone."""
        if not (added or removed) and self.named.get("metadata"):
            return Written(self.named, frozenset(), ())
        if plain := next((entry for entry in added if not entry.micros), None):
            raise LakeError(f"lake {self.store.place}: {plain.key} is not written as an Iceberg table's: report this")
        updates: tuple[TableUpdate, ...] = ()
        snapshots, unused = self.snapshots, set[str]()
        if added or removed:
            commit = self._commit(added, removed, about)
            (add, *others), _ = commit._commit()
            assert isinstance(add, AddSnapshotUpdate)
            # Where the clock has gone back: Java's Iceberg refuses a table whose snapshots are not in order of time.
            at = {"timestamp_ms": max(add.snapshot.timestamp_ms, self.metadata.last_updated_ms + 1)}
            snapshots.append(add.snapshot.model_copy(update=at))
            updates = (add.model_copy(update={"snapshot": snapshots[-1]}), *others)
            unused = {*commit._written_manifests} - self._objects(snapshots[-1])  # merged at once
        last = snapshots[-1].sequence_number or 0 if snapshots else 0
        waiting = _waiting(self.replaced(), added, removed, last)
        expired = _expired(snapshots, keep_days, replaced=bool(waiting))
        kept = snapshots[len(expired) :]
        if expired:
            updates += (removal(snapshot.snapshot_id for snapshot in expired),)
        after = update_table_metadata(self.metadata, updates, metadata_location=self._location)
        first = kept[0].sequence_number or 0 if kept else 0
        gone = tuple(key for key, last in waiting.items() if not keep_days or last <= first)
        number = int(self.named["metadata"].rpartition("/")[2].partition("-")[0]) + 1 if self._location else 0
        named = {"metadata": f"{ICEBERG}metadata/{number:05d}-{uuid.uuid4()}.metadata.json"}
        ToOutputFile.table_metadata(after, self.io.new_output(f"{self.store.url}{named['metadata']}"))
        if self._location:
            named["before"] = self.named["metadata"]  # a reader may be about to open it
        if left := sorted(waiting.keys() - set(gone)):
            named["replaced"] = f"{STATES}replaced-{uuid.uuid4().hex[:16]}.parquet"
            rows = pa.table([left, [waiting[key] for key in left]], schema=REPLACED)
            self.store.put(named["replaced"], parquet(rows))
        # A manifest is part of the snapshots from one to another, without a gap.
        needed = self._objects(kept[0]) if kept else set()
        unused |= {location for snapshot in expired for location in self._objects(snapshot)} - needed
        return Written(named, frozenset(location.removeprefix(self.store.url) for location in unused), gone)

    @property
    def _location(self) -> str | None:
        return f"{self.store.url}{self.named['metadata']}" if self.named.get("metadata") else None

    def _commit(self, added: Collection[DataFile], removed: Collection[DataFile], about: Mapping[str, str]) -> _Commit:
        table = Table(("lake",), self.metadata, self._location or "", self.io, NoopCatalog("lake"))
        kind = Operation.OVERWRITE if removed else Operation.APPEND
        commit = _Commit(kind, table.transaction(), self.io, snapshot_properties=dict(about))
        commit.removed = {f"{self.store.url}{entry.key}": entry for entry in removed}
        for entry in sorted(added):
            commit.append_data_file(iceberg_file(self.store, entry))
        return commit


class _Commit(_SnapshotProducer["_Commit"]):
    """One snapshot of files that come and files that go, in one pass over the manifests of their months.

    pyiceberg's own reads these twice, and looks for removed files by a predicate that takes the square of their number.
    """

    removed: Mapping[str, DataFile]  # by address

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        if len(manifests) <= MANIFESTS_TO_MERGE:
            return manifests
        merging: _ManifestMergeManager[Any] = _ManifestMergeManager(MANIFEST_BYTES, MANIFESTS_TO_MERGE, True, self)
        return merging.merge_manifests(manifests)

    @cached_property
    def _kept_and_gone(self) -> tuple[list[ManifestFile], list[ManifestEntry]]:
        """Manifests of the files that stay, and entries of those that go."""
        now = self._transaction.table_metadata.current_snapshot()
        concerned = _of_months({entry.month for entry in self.removed.values()})
        kept: list[ManifestFile] = []
        gone: list[ManifestEntry] = []
        for manifest in now.manifests(self._io) if now else ():
            if not (manifest.has_added_files() or manifest.has_existing_files()):
                continue  # of files that were removed before
            if not concerned(manifest):
                kept.append(manifest)
                continue
            entries = manifest.fetch_manifest_entry(self._io)
            stay = [entry for entry in entries if entry.data_file.file_path not in self.removed]
            if len(stay) == len(entries):
                kept.append(manifest)
                continue
            gone += [entry for entry in entries if entry.data_file.file_path in self.removed]
            if stay:
                with self.new_manifest_writer(self.spec(0)) as writer:
                    for entry in stay:
                        writer.existing(entry)
                kept.append(writer.to_manifest_file())
        if missing := self.removed.keys() - {entry.data_file.file_path for entry in gone}:
            raise LakeError(f"the Iceberg table does not have {min(missing)}: {MEND}")
        return kept, gone

    def _existing_manifests(self) -> list[ManifestFile]:
        return self._kept_and_gone[0]

    def _deleted_entries(self) -> list[ManifestEntry]:
        return [
            ManifestEntry.from_args(
                status=ManifestEntryStatus.DELETED,
                snapshot_id=self._snapshot_id,
                sequence_number=entry.sequence_number,
                file_sequence_number=entry.file_sequence_number,
                data_file=entry.data_file,
            )
            for entry in self._kept_and_gone[1]
        ]

    def _summary(self, snapshot_properties: Mapping[str, str] = {}) -> Summary:
        """Counts of files, readings and bytes. pyiceberg's own spells each file's partition for it."""
        come, gone = self._added_data_files, self.removed.values()
        counts = {
            "added-data-files": len(come),
            "added-records": sum(file.record_count for file in come),
            "added-files-size": sum(file.file_size_in_bytes for file in come),
            "deleted-data-files": len(gone),
            "deleted-records": sum(entry.rows for entry in gone),
            "removed-files-size": sum(entry.size for entry in gone),
        }
        before = self._transaction.table_metadata.current_snapshot()
        told = {name: str(count) for name, count in counts.items() if count}
        return update_snapshot_summaries(
            Summary(self._operation, **told, **snapshot_properties), before.summary if before else None
        )


def _of_months(months: Collection[str]) -> Callable[[ManifestFile], bool]:
    """Whether a manifest may name files of any of ``months``."""
    if not months:
        return lambda manifest: False
    return manifest_evaluator(PARTITIONS, SCHEMA, In(Reference("month"), set(months)))  # type: ignore[arg-type, call-arg]


def removal(snapshots: Iterable[int]) -> RemoveSnapshotsUpdate:
    return RemoveSnapshotsUpdate.model_validate({"snapshot-ids": sorted(snapshots)})


def iceberg_file(store: Store, entry: DataFile) -> IcebergFile:
    """A committed file as the table names it."""
    file = IcebergFile.from_args(
        _table_format_version=2,
        content=DataFileContent.DATA,
        file_path=f"{store.url}{entry.key}",
        file_format=FileFormat.PARQUET,
        partition=Record(entry.tagpath, entry.month),
        record_count=entry.rows,
        file_size_in_bytes=entry.size,
        value_counts={DATETIME: entry.rows},
        null_value_counts={DATETIME: 0},
        lower_bounds={DATETIME: to_bytes(TimestamptzType(), entry.first_ms * 1000)},
        upper_bounds={DATETIME: to_bytes(TimestamptzType(), entry.last_ms * 1000)},
        sort_order_id=1,
    )
    file.spec_id = 0
    return file


def entry_of(store: Store, file: IcebergFile) -> DataFile:
    """The same the other way."""
    key = file.file_path.removeprefix(store.url)
    path, month, interval = parse_reading_key(key)
    first, last = (
        int(from_bytes(TimestamptzType(), bounds[DATETIME])) // 1000
        for bounds in (file.lower_bounds, file.upper_bounds)
    )
    digest, size = key[: -len(".parquet")][-8:], file.file_size_in_bytes
    return DataFile(path, month, *interval.seconds, file.record_count, first, last, size, digest, True)


def _waiting(before: pa.Table, added: Iterable[DataFile], removed: Iterable[DataFile], sequence: int) -> dict[str, int]:
    """Files that have left the table, and the number of the first snapshot without them."""
    found = dict(zip(before.column("key").to_pylist(), before.column("sequence").to_pylist(), strict=True))
    found |= {entry.key: sequence for entry in removed}
    for entry in added:  # it is back
        found.pop(entry.key, None)
    return found


def _expired(ordered: Sequence[Snapshot], keep_days: int, *, replaced: bool) -> Sequence[Snapshot]:
    """Snapshots that go, always the oldest, so that no state is missing between others: those that were not the table
    at any time of the last ``keep_days``; without these all but the last where a file was ``replaced``."""
    if keep_days:
        since = int(time.time() * 1000) - keep_days * DAY_MS
        return [old for old, new in pairwise(ordered) if new.timestamp_ms < since]
    return ordered[: -1 if replaced else -MOST_SNAPSHOTS]
