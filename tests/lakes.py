"""Lakes without a historian: readings published from memory, and what must be in the lake afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from sensorstream.config.settings import Config
from sensorstream.lake.data_files import read_entry
from sensorstream.lake.keys import BOOKS, ICEBERG, READINGS, parse_reading_key
from sensorstream.lake.manifest import ROOT, DataFile, at_one_commit, read_manifest
from sensorstream.lake.source_state import Grid, days
from sensorstream.lake.stores import Store
from sensorstream.publishing import lease
from sensorstream.publishing import publish as publishing
from sensorstream.publishing.file_changes import files_of
from sensorstream.publishing.publish import Known, Published, Scope, Seen
from sensorstream.staging.staged_files import StagedHere
from sensorstream.transform.readings import SCHEMA, inside
from sensorstream.transform.staged_rows import PRINTS
from sensorstream.windows import Window

Values = Mapping[tuple[str, int], float | str]  # tag path, ms since 1970 -> value


def table(values: Values, path: str) -> pa.Table:
    times = sorted(ms for name, ms in values if name == path)
    own = [values[path, ms] for ms in times]
    numbers, texts = ([one if isinstance(one, str) is text else None for one in own] for text in (False, True))
    columns = [times, numbers, texts, [192] * len(times)]
    return pa.table(columns, schema=SCHEMA)


def scope_of(config: Config, window: Window, paths: Iterable[str]) -> Scope:
    months = tuple(month for month, _ in window.months(config.timezone))
    return Scope(window, frozenset(paths), months, config.timezone, config.max_records_per_file)


def held(store: Store, scope: Scope, values: Values) -> StagedHere:
    files: dict[DataFile, bytes] = {}
    for path in scope.paths:
        readings = table(values, path)
        for month in scope.months:
            part = scope.part(month)
            rows, micros = inside(readings, part), store.iceberg is not None
            files |= files_of((path, month), part, rows, scope.max_records, micros=micros)
    return StagedHere(files, store)


def publish(
    store: Store, scope: Scope, values: Values, *, append: bool = False, seen: Seen | None = None,
    known: Known | None = None, others: Mapping[str, bytes | None] | None = None,
) -> Published:  # fmt: skip
    """Publish ``values`` of the scope as a run would."""
    before = seen or publishing.look(store, scope)
    done, _ = publishing.publish(
        held(store, scope, values),
        store,
        scope,
        before,
        append=append,
        known=known or known_of(scope, values),
        others=others,
    )
    return done


@contextmanager
def ended() -> Iterator[None]:
    """Whoever takes a turn in here is a process that has ended to everybody who meets the turn."""
    was = lease.this_process
    lease.this_process = lambda: replace(was(), born="long ago")
    try:
        yield
    finally:
        lease.this_process = was


def known_of(scope: Scope, values: Values) -> Known:
    """What a run would note of the source."""
    grid = Grid(days(scope.paths, (scope.part(month) for month in scope.months), scope.timezone))
    mine = [(p, ms) for p, ms in values if p in scope.paths and scope.window.start_ms <= ms < scope.window.end_ms]
    hashes = [hash((ms, values[p, ms])) % 2**64 for p, ms in mine]
    columns = [[p for p, _ in mine], [ms // 1000 for _, ms in mine], [1] * len(mine), hashes]
    return Known(grid.counted(pa.table(columns, schema=PRINTS)))


def as_committed(store: Store) -> dict[tuple[str, int], float]:
    """Every reading of one committed state, as a reader sees it that keeps to the manifest."""

    def look(manifest):
        found: dict[tuple[str, int], float] = {}
        for month in manifest.months:
            for entry in manifest.entries(month):
                readings = read_entry(store, entry, manifest)
                assert readings.num_rows == entry.rows
                found |= _values(entry.tagpath, readings)
        return found

    return at_one_commit(store, look)


def as_table(store: Store) -> dict[tuple[str, int], float]:
    """Every reading of the Iceberg table of a lake in a folder, as pyiceberg finds it that knows nothing of this
    project."""
    from pyiceberg.table import StaticTable

    found = StaticTable.from_metadata(f"{store.url}{ICEBERG}").scan(selected_fields=("tagpath", "datetime", "value"))
    rows = found.to_arrow()
    times = rows.column("datetime").cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_pylist()
    places = list(zip(rows.column("tagpath").to_pylist(), times, strict=True))
    assert len({*places}) == len(places)
    return dict(zip(places, rows.column("value").to_pylist(), strict=True))


def in_prefix(store: Store) -> tuple[dict[tuple[str, int], float], list[tuple[str, int]]]:
    """Every reading under the prefix, as a reader sees it that knows no manifest; and those that it meets twice."""
    found: dict[tuple[str, int], float] = {}
    met: Counter[tuple[str, int]] = Counter()
    for key, _ in list(store.list(READINGS.rstrip("/"))):
        data = store.get(key)
        if data is None:
            continue
        values = _values(parse_reading_key(key)[0], pq.read_table(pa.BufferReader(data)))
        met.update(values.keys())
        found |= values
    return found, [reading for reading, times in met.items() if times > 1]


def put_all(store: Store, objects: Mapping[str, bytes]) -> None:
    """Make a lake of another's objects."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: store.put(*item), objects.items()))


def _values(path: str, readings: pa.Table) -> dict[tuple[str, int], float]:
    times = readings.column("datetime").cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_pylist()
    return {(path, ms): value for ms, value in zip(times, readings.column("value").to_pylist(), strict=True)}


def assert_whole(store: Store, values: Values) -> None:
    """Prefix, manifest and ``values`` agree to the reading; nothing is left over."""
    manifest = read_manifest(store)
    entries = {entry.key: entry for entry in manifest.entries(*manifest.months)}
    found, twice = in_prefix(store)
    assert not twice
    assert found == dict(values)
    assert as_committed(store) == dict(values)
    keys = {key for key, _ in store.list()}
    assert {key for key in keys if key.startswith(READINGS)} == set(entries)
    named = {ROOT} | manifest.root.states if keys else set()
    books = (BOOKS, ICEBERG)
    if manifest.root.is_table:
        from sensorstream.lake.iceberg.pointer import HINT
        from sensorstream.lake.iceberg.table import LakeTable

        named |= LakeTable(store, manifest.root.iceberg).objects() | {HINT}
        assert as_table(store) == dict(values)
    assert not {key for key in keys if key.startswith(books)} ^ named
    assert manifest.root.turn is None
