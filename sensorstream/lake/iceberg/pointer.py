"""What tells readers which metadata is committed: a file beside it, and the entry of a catalog.

Both follow the root's swap, before its lease ends: one that was left behind is moved by whoever ends the lease. Between
two leases they name what the root names; anything else was written by somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyiceberg.catalog import Catalog, MetastoreCatalog, load_catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import StagedTable, Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import (
    AddSnapshotUpdate,
    AssertRefSnapshotId,
    AssertTableUUID,
    SetSnapshotRefUpdate,
    TableUpdate,
)

from ...errors import LakeError
from ..keys import ICEBERG
from ..manifest import Manifest
from ..stores import Store
from .table import BY_TIME, PARTITIONS, SCHEMA, LakeTable, removal

HINT = f"{ICEBERG}metadata/version-hint.text"
SUFFIX = ".metadata.json"


class Pointers:
    """Those of the table that a manifest's root names."""

    def __init__(self, manifest: Manifest) -> None:
        self.store: Store = manifest.store
        self.table = LakeTable(self.store, manifest.root.iceberg)
        assert self.store.iceberg is not None
        self.name, properties = self.store.iceberg.table, self.store.iceberg.catalog
        self.catalog: Catalog | None = None
        if properties is not None:
            with self._errors():
                self.catalog = load_catalog("sensorstream", **{k: v.get_secret_value() for k, v in properties.items()})
                # Metadata is read and written with the lake's own credentials and patience.
                self.catalog._load_file_io = lambda *_, **__: self.table.io  # type: ignore[method-assign]

    def look(self) -> None:
        """``LakeError`` if a pointer names what the root does not: somebody else has committed to the table."""
        hint = self.store.get(HINT)
        if hint is not None and hint != self._hint:
            raise self._foreign(f"{self.store.url}{HINT} names {hint.decode(errors='replace')}")
        if self.catalog:
            with self._errors():
                self._check(self._entry(), only_now=True)

    def behind(self) -> bool:
        """Whether a pointer names nothing, or the state before."""
        if self.store.get(HINT) != self._hint:
            return True
        if self.catalog is None:
            return False
        with self._errors():
            entry = self._entry()
            self._check(entry, only_now=False)
        if entry is None:
            return True
        if isinstance(self.catalog, MetastoreCatalog):
            return bool(entry.metadata_location != self._location)
        return bool(entry.metadata.current_snapshot_id != self.table.metadata.current_snapshot_id)

    def follow(self) -> None:
        """Make the pointers name what the root names."""
        if self.store.get(HINT) != self._hint:
            self.store.put(HINT, self._hint)
        if self.catalog is None:
            return
        with self._errors():
            entry = self._entry()
            if isinstance(self.catalog, MetastoreCatalog):
                self._point(entry)
            else:
                self._mirror(entry)

    @property
    def _hint(self) -> bytes:
        return self.table.named["metadata"].rpartition("/")[2].removesuffix(SUFFIX).encode()

    @property
    def _location(self) -> str:
        return f"{self.store.url}{self.table.named['metadata']}"

    def _entry(self) -> Table | None:
        assert self.catalog is not None
        try:
            return self.catalog.load_table(self.name)
        except NoSuchTableError:
            return None
        except FileNotFoundError as error:  # what it names is none of this lake's, or was long ago
            raise self._foreign(f"its entry in the catalog names what the lake does not know ({error})") from error

    def _check(self, entry: Table | None, *, only_now: bool) -> None:
        """``LakeError`` if the catalog's entry is not this table's, as it is now or as it was one commit before."""
        if entry is None:
            return
        states = [self._location] if only_now else [self._location, f"{self.store.url}{self.table.named.get('before')}"]
        if isinstance(self.catalog, MetastoreCatalog):
            if entry.metadata_location not in states:
                raise self._foreign(f"its entry in the catalog names {entry.metadata_location}")
            return
        now, theirs = self.table.metadata, entry.metadata
        known = {None, now.current_snapshot_id}
        if not only_now and (before := self.table.named.get("before")):
            known.add(LakeTable(self.store, {"metadata": before}).metadata.current_snapshot_id)
        same_shape = (theirs.schema(), theirs.spec().fields) == (now.schema(), now.spec().fields)
        if theirs.current_snapshot_id not in known or not same_shape:
            raise self._foreign(f"the catalog has snapshot {theirs.current_snapshot_id} of it")

    def _point(self, entry: Table | None) -> None:
        """Move an entry that is no more than the place of the metadata: of Glue, of a database, of Hive."""
        catalog: Any = self.catalog
        self._check(entry, only_now=False)
        if entry is None:
            catalog.create_namespace_if_not_exists(self._namespace)
            catalog.register_table(self.name, self._location)
        elif entry.metadata_location != self._location:
            # A commit of the catalog's own writes metadata of its own: this one is there.
            staged = StagedTable(entry.name(), self.table.metadata, self._location, self.table.io, catalog)
            catalog._update_and_stage_table = lambda *_: staged
            catalog._write_metadata = lambda **_: None
            catalog.commit_table(entry, (), ())

    def _mirror(self, entry: Table | None) -> None:
        """Say the same snapshots to a catalog that keeps metadata of its own."""
        catalog: Any = self.catalog
        now: TableMetadata = self.table.metadata
        if entry is None:
            catalog.create_namespace_if_not_exists(self._namespace)
            entry = catalog.create_table(self.name, SCHEMA, None, PARTITIONS, BY_TIME, dict(now.properties))
        self._check(entry, only_now=False)
        theirs = entry.metadata
        there, here = ({snapshot.snapshot_id for snapshot in metadata.snapshots} for metadata in (theirs, now))
        updates: list[TableUpdate] = [
            AddSnapshotUpdate(snapshot=snapshot)
            for snapshot in self.table.snapshots
            if snapshot.snapshot_id not in there
        ]
        if now.current_snapshot_id != theirs.current_snapshot_id:
            assert now.current_snapshot_id is not None
            to = {"ref-name": MAIN_BRANCH, "type": "branch", "snapshot-id": now.current_snapshot_id}
            updates.append(SetSnapshotRefUpdate.model_validate(to))
        if there - here:
            updates.append(removal(there - here))
        if updates:
            requirements = (
                AssertTableUUID(uuid=theirs.table_uuid),
                AssertRefSnapshotId.model_validate({"ref": MAIN_BRANCH, "snapshot-id": theirs.current_snapshot_id}),
            )
            catalog.commit_table(entry, requirements, tuple(updates))

    @property
    def _namespace(self) -> str:
        return self.name.rpartition(".")[0]

    def _foreign(self, what: str) -> LakeError:
        return LakeError(
            f"somebody else has committed to the Iceberg table {self.name} of lake {self.store.place}: {what};"
            " SensorStream alone writes it: drop its entry from the catalog without its files (or the file"
            " version-hint.text), then recover puts back what is committed"
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except LakeError:
            raise
        except Exception as error:  # of any library that a catalog needs
            said = f"{type(error).__name__}: {error}".split("\n")[0]
            raise LakeError(
                f'the catalog of Iceberg table {self.name}: {said}: check "catalog" of "iceberg"'
            ) from error
