"""What a commit needs is written before it: states of the manifest, and metadata of the Iceberg table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import LakeError
from ..lake.manifest import Manifest, MonthChange, Root, write_states


@dataclass(frozen=True)
class Prepared:
    """A root that waits for its swap.

    Attributes
    ----------
    gone
        Keys of readings that go once it is committed.
    forget
        Keys of bookkeeping that nothing names then.
    """

    root: Root
    gone: tuple[str, ...]
    forget: frozenset[str]


def prepare(
    manifest: Manifest, changed: Mapping[str, MonthChange], what: str, run: str = "", *, whole: bool = False
) -> Prepared:
    """Write the states of ``changed`` months, and the snapshot of the Iceberg table where the lake is one.

    Parameters
    ----------
    what, run
        Told by the snapshot's summary: the lease's word, the run's id.
    whole
        The table is held against all of the manifest, and made anew where it cannot be read.
    """
    root = write_states(manifest, changed)
    forget = frozenset(manifest.root.states - root.states)
    removed = {entry for change in changed.values() for entry in change.removed}
    added = {entry for change in changed.values() for entry in change.added}
    keys = tuple(sorted({entry.key for entry in removed} - {entry.key for entry in added}))
    asked = manifest.store.iceberg
    if asked is None or (root.iceberg and not root.is_table and not whole):
        return Prepared(root, keys, forget)
    from ..lake.iceberg.table import LakeTable

    table = LakeTable(manifest.store, root.iceberg)
    if whole:
        try:
            there = table.files()
        except LakeError:
            table, there = LakeTable(manifest.store, None), {}
        here = {entry.key: entry for entry in replace(manifest, root=root).entries(*root.files)}
        added = {here[key] for key in here.keys() - there.keys()}
        removed = {there[key] for key in there.keys() - here.keys()}
    about = {"sensorstream-commit": what} | ({"sensorstream-run-id": run} if run else {})
    written = table.write(added, removed, asked.keep_days, about)
    root = replace(root, iceberg=written.named)
    gone = written.gone if not whole else tuple(key for key in written.gone if key in keys)
    return Prepared(root, gone, frozenset(manifest.root.states - root.states) | written.forget)


def kept_for_readers(manifest: Manifest) -> set[str]:
    """Keys of readings that only older snapshots name: whoever puts one of them again may not undo it."""
    if not (manifest.root.iceberg and manifest.root.iceberg.get("replaced")):
        return set()
    from ..lake.iceberg.table import LakeTable

    return {*LakeTable(manifest.store, manifest.root.iceberg).replaced().column("key").to_pylist()}
