"""Arrow tables of readings to a partitioned dataset on S3, for the peers that end in Arrow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as fs

KEPT = ("datetime", "value", "text", "quality")
PARTS = ds.partitioning(
    pa.schema([("tagpath", pa.dictionary(pa.int32(), pa.string())), ("month", pa.dictionary(pa.int32(), pa.string()))]),
    flavor="hive",
)


def lake(order: dict[str, Any]) -> fs.S3FileSystem:
    s3 = order["s3"]
    scheme, _, place = s3["endpoint"].partition("://")
    return fs.S3FileSystem(
        access_key=s3["access_key"],
        secret_key=s3["secret_key"],
        endpoint_override=place,
        scheme=scheme,
        region=s3["region"],
        allow_delayed_open=True,  # a small file is then one PUT, not an upload in parts
    )


def named(table: pa.Table, tags: pa.Table) -> pa.Table:
    """Rows of ``query.rows`` as lake rows: the path and the month as dictionaries, the time as timestamp(ms, UTC)."""
    table = table.combine_chunks()
    number = pc.index_in(table["tagid"].combine_chunks().cast(pa.int32()), value_set=tags["id"].combine_chunks())
    path = pa.DictionaryArray.from_arrays(number, tags["tagpath"].combine_chunks().cast(pa.string()))
    times = table["t_stamp"].combine_chunks()
    columns = {
        "datetime": times.cast(pa.timestamp("ms", tz="UTC")),
        "value": table["value"],
        "text": table["text"].cast(pa.string()),
        "quality": table["quality"].cast(pa.int32()),
        "tagpath": path,
        "month": months(times),
    }
    return pa.table(columns)


def months(times: pa.Array) -> pa.DictionaryArray:
    """``YYYY-MM`` of each time (ms since 1970, UTC), by the borders of the few months that there are."""
    ends = pc.min_max(times)
    if not len(times):
        return pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    first, last = (datetime.fromtimestamp(ends[end].as_py() / 1000, UTC) for end in ("min", "max"))
    month = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    names = [f"{month:%Y-%m}"]
    index = pa.repeat(pa.scalar(0, pa.int32()), len(times))
    # A window has few months: one pass for each border is cheaper than a text for each reading.
    while (month := month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)) <= last:
        names.append(f"{month:%Y-%m}")
        after = pc.greater_equal(times, round(month.timestamp()) * 1000)
        index = pc.add(index, after.cast(pa.int8()).cast(pa.int32()))
    return pa.DictionaryArray.from_arrays(index, pa.array(names, pa.string()))


def write(table: pa.Table, filesystem: fs.FileSystem, place: str) -> None:
    """One file for each tag path and month, zstd, held back until it is whole so that row groups are large."""
    form = ds.ParquetFileFormat()
    ds.write_dataset(
        table,
        place,
        filesystem=filesystem,
        format=form,
        file_options=form.make_write_options(compression="zstd"),
        partitioning=PARTS,
        max_partitions=100_000,
        max_open_files=20_000,
        min_rows_per_group=1 << 18,
        max_rows_per_group=1 << 20,
        create_dir=False,
        existing_data_behavior="overwrite_or_ignore",
    )
