"""A lake in plain Python: what a run over rows must leave, written a second time and differently."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow.parquet as pq

from sensorstream.config.settings import Config
from sensorstream.lake.keys import READINGS, parse_reading_key
from sensorstream.lake.manifest import ROOT
from sensorstream.lake.stores import open_store

Reading = tuple[str, int, bytes | None, str | None, int]  # path, ms, value's bits, text, quality


def bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack(">d", value)


def readings_of(config: Config) -> list[Reading]:
    """Every reading under the lake's prefix, in order; a name that does not fit its content fails here."""
    store = open_store(config)
    found: list[Reading] = []
    for key, _ in store.list(READINGS.rstrip("/")):
        path, month, interval = parse_reading_key(key)
        table = pq.read_table(_reader(store.get(key)))
        times = [t.value // 1_000_000 for t in table.column("datetime").to_pandas()] if table.num_rows else []
        assert times == sorted(set(times)), f"{key}: times not sorted or not distinct"
        assert all(interval.start_ms <= t < interval.end_ms for t in times), f"{key}: reading outside its interval"
        values, texts = table.column("value").to_pylist(), table.column("text").to_pylist()
        quality = table.column("quality").to_pylist()
        found += [(path, t, bits(v), x, q) for t, v, x, q in zip(times, values, texts, quality, strict=True)]
        assert month
    return sorted(found, key=lambda r: r[:2])


def _reader(data: bytes | None):
    import io

    assert data is not None
    return io.BytesIO(data)


def objects(config: Config) -> dict[str, bytes]:
    """Every object of the lake with its bytes."""
    store = open_store(config)
    return {key: store.get(key) or b"" for key, _ in sorted(store.list())}


def without_marks(lake: dict[str, bytes]) -> dict[str, bytes]:
    """The objects, but for what the manifest notes of the historian's transactions when they were made."""
    root = json.loads(lake[ROOT])
    del root["marks"]
    return lake | {ROOT: json.dumps(root).encode()}


@dataclass
class Row:
    """A row of an Ignition table, as the oracle sees it; a whole number stays one."""

    tagid: int
    t_stamp: int
    value: float | int | None = None
    text: str | None = None
    quality: int | None = 192
    table: str = ""
    unreadable: bool = False


@dataclass
class Expected:
    readings: list[Reading] = field(default_factory=list)
    rejected: int = 0
    deduplicated: int = 0


def expect(rows: Iterable[Row], paths: dict[int, str], good: tuple[int, ...] = (192,)) -> Expected:
    """The readings that rows leave: good ones, one a path and time, the highest id (then the later table) winning."""
    result, winners = Expected(), {}
    for row in rows:
        if row.quality not in good or row.unreadable:
            result.rejected += 1
            continue
        place = (paths[row.tagid], row.t_stamp)
        if place in winners:
            result.deduplicated += 1
        if place not in winners or (row.tagid, row.table) > (winners[place].tagid, winners[place].table):
            winners[place] = row
    for (path, time), row in sorted(winners.items()):
        inexact = isinstance(row.value, int) and int(float(row.value)) != row.value
        text = str(row.value) if inexact and row.text is None else row.text
        result.readings.append((path, time, bits(row.value), text, row.quality or 0))
    return result


def with_prefixes(paths: dict[int, str], gateways: dict[int, str], prefixes: dict[str, str]) -> dict[int, str]:
    """Tag paths as the lake has them, for ``expect``: what is put before those of an id's gateway, and the path."""
    return {number: prefixes.get(gateways.get(number, ""), "") + path for number, path in paths.items()}
