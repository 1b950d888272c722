"""Clean readings as staged files: encoded bytes and their statistics, not yet in the lake. Pure.

Both engines hand Spark rows of ``STAGED``; nothing downstream handles a reading one by one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from ..config.settings import Config
from ..planning.slices import PageCount
from ..windows import Window
from .clean import REJECTED, Tally
from .fingerprint import Prints
from .parquet import cut, encode
from .readings import WITH_MICROS

STAGED = pa.schema(
    [
        ("kind", pa.string()),  # "file", "rejected", "prints", "counts" or "tally"
        ("tagpath", pa.string()),
        ("month", pa.string()),
        ("start", pa.int64()),  # of the interval, s since 1970
        ("end", pa.int64()),
        ("rows", pa.int64()),
        ("first_ms", pa.int64()),
        ("last_ms", pa.int64()),
        ("size", pa.int64()),  # bytes
        ("digest", pa.string()),  # SHA-256 of the bytes
        ("micros", pa.bool_()),  # whether its times are microseconds
        ("valued", pa.int64()),  # readings that have a value
        ("worded", pa.int64()),  # readings that have a text
        ("tally", pa.string()),  # JSON, of counts as well
        ("small", pa.binary()),  # what is no file
        ("data", pa.binary()),  # a file
    ]
)
# Clean readings as a DataFrame holds them: Spark knows no milliseconds, only microseconds.
READINGS = pa.schema([("tagpath", pa.string()), *(field.remove_metadata() for field in WITH_MICROS)])

# Fingerprints of the rows that a day (its start, s since 1970), or the part of one that a stretch has, held in the
# historian.
PRINTS = pa.schema([("tagpath", pa.string()), ("start", pa.int64()), ("rows", pa.int64()), ("hash", pa.uint64())])
PathPrints = tuple[str, Sequence[int], Prints]  # a tag path, the borders of pieces (ms since 1970), their fingerprints
NO_PRINTS = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64)
REJECTED_OF_RUN = pa.schema([("tagpath", pa.string()), *REJECTED])
BLOCKS = b"blocks"  # of the metadata of a stream of them: how many rows each tag path has, as JSON
BATCH_BYTES = 2 << 20


@dataclass(frozen=True)
class Target:
    """How readings become files: the time zone of month borders, the size limit (readings), the unit of times."""

    timezone: str
    max_records_per_file: int
    micros: bool = False

    @classmethod
    def of(cls, config: Config) -> Target:
        return cls(config.timezone, config.max_records_per_file, config.iceberg is not None)


def files(tagpath: str, kept: pa.Table, window: Window, target: Target) -> Iterator[dict[str, object]]:
    """The files of one tag path in a stretch of time, none for a month without readings."""
    times = kept.column("datetime").to_numpy().view(np.int64)
    for month, part in window.months(target.timezone):
        first, last = times.searchsorted([part.start_ms, part.end_ms])
        for interval, rows in cut(times[first:last], part, target.max_records_per_file):
            start, stop = first + rows.start, first + rows.stop
            if start == stop:
                continue
            part = kept.slice(start, stop - start)
            data = encode(part, micros=target.micros)
            yield {
                "kind": "file",
                "tagpath": tagpath,
                "month": month,
                "start": interval.start_ms // 1000,
                "end": interval.end_ms // 1000,
                "rows": int(stop - start),
                "first_ms": int(times[start]),
                "last_ms": int(times[stop - 1]),
                "size": len(data),
                "digest": hashlib.sha256(data).hexdigest(),
                "micros": target.micros,
                "valued": part.num_rows - part.column("value").null_count,
                "worded": part.num_rows - part.column("text").null_count,
                "data": data,
            }


def size_of(files: Iterable[Mapping[str, object]]) -> int:
    """Bytes of staged files."""
    return sum(len(data) for file in files if isinstance(data := file["data"], bytes))


def labelled(tagpath: str, kept: pa.Table) -> pa.Table:
    """Clean readings of one path with the path in front (``READINGS``)."""
    paths = pa.repeat(pa.scalar(tagpath, pa.string()), kept.num_rows)
    return pa.table([paths, *kept.columns], names=READINGS.names).cast(READINGS)


def rejected_row(blocks: Sequence[tuple[str, pa.Table]]) -> dict[str, object]:
    """Rejected readings (tag path, ``transform.REJECTED``) as one Arrow stream, whose schema tells the blocks.

    They are compressed together: many small batches cost 0.3 ms each, and on the way back again.
    """
    sizes = json.dumps([(path, found.num_rows) for path, found in blocks])
    together = pa.concat_tables(found for _, found in blocks).combine_chunks().replace_schema_metadata({BLOCKS: sizes})
    return {"kind": "rejected", "small": _stream(together)}


def read_rejected(streams: Iterable[bytes]) -> pa.Table:
    """What ``rejected_row`` wrote, by tag path and time (``REJECTED_OF_RUN``)."""
    blocks: list[tuple[str, pa.Table]] = []
    for data in streams:
        found = pa.ipc.open_stream(data).read_all()
        sizes, together, start = json.loads(found.schema.metadata[BLOCKS]), found.cast(REJECTED), 0
        for path, rows in sizes:
            blocks.append((path, together.slice(start, rows)))
            start += rows
    blocks.sort(key=lambda block: (block[0], block[1].column("datetime")[0].value))
    paths = pa.array([path for path, _ in blocks], pa.string())
    places = np.repeat(np.arange(len(blocks)), [found.num_rows for _, found in blocks])
    readings = pa.concat_tables([REJECTED.empty_table(), *(found for _, found in blocks)])
    return pa.table([paths.take(pa.array(places)), *readings.columns], schema=REJECTED_OF_RUN)


@lru_cache(maxsize=4096)
def borders_ms(window: Window, timezone: str) -> tuple[int, ...]:
    """The borders of the window's days, ms since 1970."""
    return (*(day.start_ms for _, day in window.days(timezone)), window.end_ms)


def prints_row(prints: Sequence[PathPrints]) -> dict[str, object]:
    """Fingerprints of the pieces that hold any row, as one Arrow stream (``PRINTS``)."""
    each = [(np.array(borders[:-1]), found.counts, found.hashes) for _, borders, found in prints]
    starts, counts, hashes = (np.concatenate(some) for some in zip(NO_PRINTS, *each, strict=True))
    paths = np.repeat(np.arange(len(prints)), [len(borders) - 1 for _, borders, _ in prints])
    names = pa.array([path for path, *_ in prints], pa.string())
    there = np.flatnonzero(counts)
    columns = [names.take(pa.array(paths[there])), starts[there] // 1000, counts[there], hashes[there]]
    return {"kind": "prints", "small": _stream(pa.table(columns, schema=PRINTS))}


def read_prints(streams: Iterable[bytes]) -> pa.Table:
    """What ``prints_row`` wrote."""
    return pa.Table.from_batches([batch for data in streams for batch in pa.ipc.open_stream(data)], PRINTS)


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def counts_row(counts: Sequence[PageCount]) -> dict[str, object]:
    return {"kind": "counts", "tally": json.dumps(counts)}


def read_counts(texts: Iterable[str]) -> list[PageCount]:
    return [(table, page, rows) for text in texts for table, page, rows in json.loads(text)]


def tally_row(tally: Tally) -> dict[str, object]:
    return {"kind": "tally", "tally": json.dumps(vars(tally))}


def read_tally(text: str) -> Tally:
    values = json.loads(text)
    return Tally(**{**values, "rejected": Counter(values["rejected"]), "codes": Counter(values["codes"])})


def batches(rows: Iterator[dict[str, object]]) -> Iterator[pa.RecordBatch]:
    """Rows of ``STAGED`` in Arrow batches of bounded size, so that a task never holds all of its output."""
    held: list[dict[str, object]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += sum(len(data) for name in ("small", "data") if isinstance(data := row.get(name), bytes))
        if size >= BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(held, schema=STAGED)
            held, size = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=STAGED)
