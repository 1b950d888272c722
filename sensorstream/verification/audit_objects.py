"""The lake's objects held against its manifest: what is lost, what nobody committed, what a killed run left."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..errors import LakeError
from ..lake.data_files import OTHER_READINGS, drift
from ..lake.keys import READINGS, TAGS, Foreign, spelled
from ..lake.manifest import FILES, NAMED, PIECES, ROOT, DataFile, Manifest, StateGone, read_manifest
from ..lake.sound import rows_in, state_of
from ..lake.stores import Store
from ..lake.tag_metadata import SCHEMA as TAG_COLUMNS
from ..publishing.lease import Lease, taken_over, unnamed, wait_until_free
from ..publishing.prepare import kept_for_readers
from ..windows import Window
from .differences import Difference

LOOKS = 20


@dataclass(frozen=True)
class AtRest:
    """The lake while nobody published.

    ``lost`` are states that the root names and that are not what was written, or the root itself.
    ``foreign`` objects are those of any tag path whose interval, or else whose month, meets the window.
    """

    manifest: Manifest
    killed: tuple[Difference, ...]
    lost: tuple[Difference, ...]  # each of its month, the root of none
    foreign: tuple[Foreign, ...]
    leftovers: tuple[str, ...]
    table: tuple[Difference, ...]  # of the Iceberg table and the manifest, in the months of the window
    tags: tuple[Difference, ...]  # of the tags' metadata


def at_rest(store: Store, window: Window, timezone: str) -> AtRest:
    """Look when nobody has a lease; what a killed run left is finished or undone first, and reported.

    Raises ``WindowBusy`` as ``lease.wait_until_free`` does, ``LakeError`` if others publish all the time.
    """
    killed: list[Difference] = []
    months = [month for month, _ in window.months(timezone)]
    for _ in range(LOOKS):
        manifest = _free(store, killed)
        lost = tuple(_lost(manifest, months))
        try:
            foreign = tuple(_foreign(manifest, window, whole_months(months, lost)))
        except StateGone:
            continue
        table, leftovers = tuple(_table(manifest, whole_months(months, lost))), tuple(unnamed(manifest))
        if read_manifest(store).version == manifest.version:
            return AtRest(manifest, tuple(killed), lost, foreign, leftovers, table, tuple(_tags(store)))
    raise LakeError(f"lake {store.place}: the manifest changed {LOOKS} times while it was read: try again")


def _free(store: Store, killed: list[Difference]) -> Manifest:
    try:
        return wait_until_free(store, lambda manifest: killed.extend(_killed(manifest)))
    except LakeError:
        if killed and read_manifest(store).root.turn is None:
            # What was to come in its place has vanished: such files will be found missing.
            return wait_until_free(store)
        raise


def _killed(manifest: Manifest) -> Iterator[Difference]:
    what = taken_over(manifest)
    spelt = {spelled(key).tagpath for key in Lease(manifest).announced() if key.startswith(READINGS)}
    paths: list[str | None] = [*sorted(path for path in spelt if path is not None)]
    for path in paths or [None]:
        yield Difference("killed run", path, None, what)


def _lost(manifest: Manifest, months: Sequence[str]) -> Iterator[Difference]:
    if manifest.version is None and any(spelled(key).interval for key, _ in manifest.store.list(READINGS.rstrip("/"))):
        yield Difference("state", None, None, "is missing, though there are files of readings", key=ROOT)
    for month in months:
        for named, schemas in ((manifest.root.files, (FILES, NAMED)), (manifest.root.pieces, (PIECES,))):
            if (key := named.get(month)) is None:
                continue
            try:
                state_of(key, manifest.store.get(key), *schemas)
            except ValueError as error:
                yield Difference("state", None, month, f"the manifest names it, and it {error}", key=key)


def _tags(store: Store) -> Iterator[Difference]:
    try:
        if (data := store.get(TAGS)) is not None:  # an older lake, or one of DataFrames, may have none
            rows_in(data, TAG_COLUMNS)
    except ValueError as error:
        yield Difference("damaged", None, None, str(error), key=TAGS)


def whole_months(months: Sequence[str], lost: Sequence[Difference]) -> list[str]:
    """Those of ``months`` of which nothing is lost."""
    gone = {one.month for one in lost}
    return [] if None in gone else [month for month in months if month not in gone]


def _foreign(manifest: Manifest, window: Window, months: Sequence[str]) -> Iterator[Foreign]:
    maybe: list[Foreign] = []
    for key, _ in manifest.store.list(READINGS.rstrip("/")):
        if key.rsplit("/", 1)[-1].startswith(("_", ".")):  # readers skip such names
            continue
        found = spelled(key)
        if found.month is None or (
            found.month in months and (found.interval is None or found.interval.overlaps(window))
        ):
            maybe.append(found)
    paths = {found.tagpath for found in maybe if found.tagpath is not None}
    committed = {entry.key for entry in manifest.entries(*months, window=window, paths=paths)}
    committed |= kept_for_readers(manifest)
    return (found for found in maybe if found.key not in committed)


def _table(manifest: Manifest, months: Sequence[str]) -> Iterator[Difference]:
    if not (manifest.store.iceberg and manifest.root.is_table):
        return
    from ..lake.iceberg.table import LakeTable

    try:
        table = LakeTable(manifest.store, manifest.root.iceberg).files(months=months)
    except LakeError as error:
        yield Difference("table", None, None, str(error))
        return
    entries = {entry.key: entry for entry in manifest.entries(*months)}
    for key in sorted(table.keys() ^ entries.keys()):
        entry = table.get(key) or entries[key]
        what = "the Iceberg table names it, the manifest does not" if key in table else "the Iceberg table lacks it"
        yield Difference("table", entry.tagpath, entry.month, what, key=key)
    for key in sorted(table.keys() & entries.keys()):
        if replace(entries[key], digest=table[key].digest) != table[key]:
            what = "the Iceberg table says something else of it than the manifest"
            yield Difference("table", entries[key].tagpath, entries[key].month, what, key=key)


def committed_bytes(store: Store, entry: DataFile) -> tuple[bytes | None, str | None]:
    """A committed file, or ``None`` and what is the matter: the rest of a sentence that begins with its name."""
    data = store.get(entry.key)
    if why := drift(data, micros=entry.micros):
        return None, why
    if data is None or hashlib.sha256(data).hexdigest() != entry.digest:
        return None, OTHER_READINGS
    return data, None


def overlapping(entries: Sequence[DataFile]) -> set[DataFile]:
    """Files of one tag path and month that share time with another of them. Pure."""
    found: set[DataFile] = set()
    longest: DataFile | None = None
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.end)):
        if longest and entry.start < longest.end:
            found |= {entry, longest}
        if longest is None or entry.end > longest.end:
            longest = entry
    return found
