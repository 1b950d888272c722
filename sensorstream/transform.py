"""Raw rows of one tag path to clean readings: quality rule, UTC milliseconds, one reading a time. Pure.

The winner where several rows have one time: the highest tag id (the newest), then the later partition table, then, in
a table without a key, the higher quality code, the larger value (as its bits), the larger text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .config import Config
from .encode import SCHEMA

RAW = pa.schema(
    [
        ("tagid", pa.int64()),
        ("source", pa.int32()),  # position of the partition table in the plan
        ("t_stamp", pa.int64()),  # ms since 1970 UTC
        ("value", pa.float64()),
        ("text", pa.string()),
        ("dataintegrity", pa.int32()),
    ]
)

# Of one tag path; the path itself is said once for all of them.
REJECTED = pa.schema([("tagid", pa.int64()), *(SCHEMA.field(n) for n in SCHEMA.names), ("reason", pa.string())])

GOOD_IGNITION = (192,)
BAD_GENERIC = (0,)


@dataclass(frozen=True)
class QualityRule:
    """Which quality codes are kept: those in ``good`` (``None``: any) that are not in ``bad``."""

    good: tuple[int, ...] | None
    bad: tuple[int, ...]

    def reason(self, code: int | None) -> str | None:
        """Why a reading with this code is rejected; ``None`` if it is kept."""
        if code is None:
            return "no_quality"
        if code in self.bad:
            return "bad_quality"
        if self.good is not None and code not in self.good:
            return "bad_quality" if not self.bad else "unlisted_quality"
        return None


def quality_rule(config: Config, layout: str) -> QualityRule:
    """The rule that ``config`` asks for; with neither list, Ignition keeps 192 and generic drops 0."""
    if config.good_quality is None and config.bad_quality is None:
        return QualityRule(GOOD_IGNITION, ()) if layout == "ignition" else QualityRule(None, BAD_GENERIC)
    return QualityRule(config.good_quality, config.bad_quality or ())


@dataclass(frozen=True)
class Clean:
    """The readings of one path: kept (``SCHEMA``, sorted, times distinct), rejected (``REJECTED``), and the counts."""

    kept: pa.Table
    rejected: pa.Table
    deduplicated: int


@lru_cache(maxsize=1)
def _nothing() -> Clean:
    # Made when first needed: an Arrow array made at import would bring pandas along.
    return Clean(SCHEMA.empty_table(), REJECTED.empty_table(), 0)


@dataclass
class Tally:
    """Counts of readings that add up over paths and slices."""

    read: int
    written: int
    deduplicated: int
    rejected: Counter[str]
    codes: Counter[str]

    @staticmethod
    def empty() -> Tally:
        return Tally(0, 0, 0, Counter(), Counter())

    @staticmethod
    def of(*, read: int, written: int, code: int) -> Tally:
        """Readings of one quality code, none of them rejected."""
        return Tally(read, written, read - written, Counter(), Counter({str(code): read}))

    def add(self, other: Tally) -> None:
        self.read += other.read
        self.written += other.written
        self.deduplicated += other.deduplicated
        self.rejected += other.rejected
        self.codes += other.codes


def clean(raw: pa.Table, rule: QualityRule) -> tuple[Clean, Tally]:
    """Apply the rule, sort, and keep one reading a time.

    Parameters
    ----------
    raw
        Rows of ``RAW`` of every id of one tag path, any order.
    """
    if not raw.num_rows:
        return _nothing(), Tally.empty()
    raw = raw.combine_chunks()
    quality = raw.column("dataintegrity")
    codes: Counter[str] = Counter()
    reasons: dict[int | None, str] = {}
    for found in pc.value_counts(quality).to_pylist():
        codes[str(found["values"])] = found["counts"]
        if why := rule.reason(found["values"]):
            reasons[found["values"]] = why
    rejected, reason_counts = REJECTED.empty_table(), Counter[str]()
    if reasons:
        for code, why in reasons.items():
            reason_counts[why] += codes[str(code)]
        if reason_counts.total() == raw.num_rows:
            tally = Tally(raw.num_rows, 0, 0, reason_counts, codes)
            return Clean(SCHEMA.empty_table(), _rejected(raw, reasons), 0), tally
        bad = pc.is_in(quality, value_set=pa.array(list(reasons), pa.int32()))
        rejected, raw = _rejected(raw.filter(bad), reasons), raw.filter(pc.invert(bad))
    kept = _one_a_time(raw)
    tally = Tally(
        read=sum(codes.values()),
        written=kept.num_rows,
        deduplicated=raw.num_rows - kept.num_rows,
        rejected=reason_counts,
        codes=codes,
    )
    return Clean(_readings(kept), rejected, tally.deduplicated), tally


def _one_a_time(raw: pa.Table) -> pa.Table:
    times = raw.column("t_stamp").to_numpy()
    if len(times) < 2:
        return raw
    steps = np.diff(times)
    if (steps > 0).all():
        return raw
    if (steps < 0).any():
        order = np.argsort(times, kind="stable")
        raw, times = raw.take(pa.array(order)), times[order]
    if (np.diff(times) == 0).any():
        ranked = raw.append_column("bits", _bits(raw.column("value")))
        keys = ["t_stamp", "tagid", "source", "dataintegrity", "bits", "text"]
        # Nulls first and the last row of a time wins, so a value beats none.
        order = pc.sort_indices(ranked, sort_keys=[(key, "ascending", "at_start") for key in keys])
        raw = raw.take(order)
        times = raw.column("t_stamp").to_numpy()
        raw = raw.filter(pa.array(np.append(np.diff(times) > 0, True)))
    return raw


def _bits(values: pa.ChunkedArray) -> pa.Array:
    """Doubles as integers: a total order even over NaN and the two zeros."""
    array = values.combine_chunks()
    return pa.Array.from_buffers(pa.int64(), len(array), [array.buffers()[0], array.buffers()[1]], offset=array.offset)


def readings(times: np.ndarray, value: pa.Array, text: pa.Array | None, quality: pa.Array | int) -> pa.Table:
    """Columns as ``SCHEMA``: ``times`` in ms since 1970 UTC; no text, or one quality code, for all where so given."""
    count = len(times)
    return pa.table(
        [
            pa.array(times).view(pa.timestamp("ms", tz="UTC")),
            value,
            pa.nulls(count, pa.string()) if text is None else text,
            pa.repeat(pa.scalar(quality, pa.int32()), count) if isinstance(quality, int) else quality,
        ],
        schema=SCHEMA,
    )


def _readings(raw: pa.Table) -> pa.Table:
    return readings(
        raw.column("t_stamp").to_numpy(), raw.column("value"), raw.column("text"), raw.column("dataintegrity")
    )


def _rejected(raw: pa.Table, reasons: dict[int | None, str]) -> pa.Table:
    if not (np.diff(raw.column("t_stamp").to_numpy()) > 0).all():
        keys = ["t_stamp", "tagid", "source", "dataintegrity"]
        raw = raw.take(pc.sort_indices(raw, sort_keys=[(key, "ascending") for key in keys]))
    found = _readings(raw)
    which = pc.index_in(raw.column("dataintegrity"), value_set=pa.array(list(reasons), pa.int32()))
    reason = pa.array(list(reasons.values()), pa.string()).take(which.combine_chunks())
    return pa.table([raw.column("tagid"), *found.columns, reason], schema=REJECTED)
