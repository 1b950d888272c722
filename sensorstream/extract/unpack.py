"""What the packed query returns, as Arrow. Pure: one numpy view a group, no loop over readings."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ..transform import RAW

NUMBER, NOTHING, TEXT, BOTH = range(4)

HEADS = {
    NUMBER: np.dtype([("t", ">i8"), ("v", ">f8")]),
    NOTHING: np.dtype([("t", ">i8")]),
    TEXT: np.dtype([("t", ">i8"), ("n", ">i4")]),
    BOTH: np.dtype([("t", ">i8"), ("v", ">f8"), ("n", ">i4")]),
}


def unpack(
    tagid: int, quality: int | None, kind: int, count: int, heads: bytes, texts: bytes | None, *, source: int
) -> pa.Table:
    """One group of the packed query as rows of ``RAW``.

    Raises ``ValueError`` if the bytes do not hold exactly ``count`` readings.
    """
    view = np.frombuffer(heads, HEADS[kind])
    if len(view) != count:
        raise ValueError(f"tag id {tagid}: {count:,} readings announced, {len(view):,} packed")
    value = pa.array(view["v"].astype("f8")) if kind in (NUMBER, BOTH) else pa.nulls(count, pa.float64())
    text = _texts(view["n"], texts or b"") if kind in (TEXT, BOTH) else pa.nulls(count, pa.string())
    return pa.table(
        [
            pa.array(np.full(count, tagid, "i8")),
            pa.array(np.full(count, source, "i4")),
            pa.array(view["t"].astype("i8")),
            value,
            text,
            pa.array(np.full(count, quality, "i4")) if quality is not None else pa.nulls(count, pa.int32()),
        ],
        schema=RAW,
    )


def _texts(lengths: np.ndarray, texts: bytes) -> pa.Array:
    ends = np.cumsum(lengths, dtype="i8")
    if ends[-1] != len(texts):
        raise ValueError(f"{ends[-1]:,} bytes of text announced, {len(texts):,} packed")
    offsets = np.concatenate([np.zeros(1, "i8"), ends])
    long = pa.Array.from_buffers(
        pa.large_string(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(texts)], null_count=0
    )
    return long.cast(pa.string())
