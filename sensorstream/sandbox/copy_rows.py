"""Readings of many tags as PostgreSQL's binary COPY format, in time order. Pure.

Nearly every row of a layout has the same length, whichever of its value columns is filled, so rows are made by numpy
as records and put in order as records. Strings and NULLs have other lengths: those rows are rare, and spliced in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ignition_values import DATATYPE_FLOAT, DATATYPE_STRING
from .plant_signals import Readings
from .plant_tags import Layout, Tag

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
COLUMNS = {
    "ignition": "tagid, intvalue, floatvalue, stringvalue, datevalue, dataintegrity, t_stamp",
    "generic": "tagid, t_stamp, value, dataintegrity",
}

_NULL = struct.pack(">i", -1)


def block(layout: Layout, tags: Sequence[tuple[Tag, Readings]]) -> bytes:
    """COPY rows of some tags' readings, ordered by time, then tag id; header and trailer are not in it."""
    size = _row(layout, DATATYPE_FLOAT).itemsize
    whole: list[NDArray[Any]] = []
    times: list[NDArray[np.int64]] = []
    spliced: list[tuple[int, int, bytes]] = []
    for tag, read in tags:
        regular = read.valued if tag.datatype != DATATYPE_STRING else np.zeros(len(read.valued), bool)
        whole.append(_records(layout, tag, read, regular).view(f"V{size}"))
        times.append(read.t_stamp[regular])
        spliced += _irregular(layout, tag, read, ~regular)
    if not times:
        return b""
    t_stamp = np.concatenate(times)
    order = np.argsort(t_stamp, kind="stable")
    rows = memoryview(np.concatenate(whole)[order].tobytes())
    spliced.sort()
    places = np.searchsorted(t_stamp[order], [t for t, _, _ in spliced], side="right")
    pieces: list[bytes | memoryview] = []
    done = 0
    for place, (_, _, row) in zip((places * size).tolist(), spliced, strict=True):
        pieces += (rows[done:place], row)
        done = place
    return b"".join([*pieces, rows[done:]])


def _row(layout: Layout, datatype: int) -> NDArray[Any]:
    """A row for one value of eight bytes; Ignition's other three value columns are NULL, four bytes each."""
    value = ">f8" if layout == "generic" or datatype == DATATYPE_FLOAT else ">i8"
    if layout == "generic":
        widths = {"t_stamp": ">i8", "value": value, "dataintegrity": ">i4"}
    else:
        columns = {f"null{i}" if i != datatype else "value": "" if i != datatype else value for i in range(4)}
        widths = {**columns, "dataintegrity": ">i4", "t_stamp": ">i8"}
    widths = {"tagid": ">i4", **widths}
    fields = [("columns", ">i2")]
    for name, width in widths.items():
        fields += [(f"{name}_size", ">i4"), *([(name, width)] if width else [])]
    row = np.full(np.dtype(fields).itemsize, 255, np.uint8).view(fields)
    row["columns"] = len(widths)
    for name in filter(widths.get, widths):
        row[f"{name}_size"] = row.dtype[name].itemsize
    return row


def _records(layout: Layout, tag: Tag, read: Readings, keep: NDArray[np.bool_]) -> NDArray[Any]:
    records = _row(layout, tag.datatype).repeat(int(keep.sum()))
    if len(records):
        records["tagid"] = tag.id
        records["value"] = np.asarray(read.values)[keep]
        records["dataintegrity"] = read.quality[keep]
        records["t_stamp"] = read.t_stamp[keep]
    return records


def _irregular(layout: Layout, tag: Tag, read: Readings, keep: NDArray[np.bool_]) -> Iterator[tuple[int, int, bytes]]:
    for i in np.flatnonzero(keep).tolist():
        t_stamp, quality = int(read.t_stamp[i]), struct.pack(">ii", 4, int(read.quality[i]))
        tagid, when = struct.pack(">ii", 4, tag.id), struct.pack(">iq", 8, t_stamp)
        value = _NULL
        if read.valued[i] and isinstance(read.values, list):
            text = read.values[i].encode()
            value = struct.pack(">i", len(text)) + text
        if layout == "generic":
            row = struct.pack(">h", 4) + tagid + when + value + quality
        else:
            row = struct.pack(">h", 7) + tagid + _NULL * 2 + value + _NULL + quality + when
        yield t_stamp, tag.id, row
