"""What can be wrong with a lake, as values; and readings held against readings. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..transform.readings import SCHEMA, inside, times_ms
from ..windows import Window

Kind = Literal[
    "killed run",  # a run ended while it published
    "state",  # an object of the manifest is missing or not what was written
    "table",  # the Iceberg table and the manifest differ
    "damaged",  # a committed file is missing or not what was committed
    "overlap",  # committed files of one tag path and month share time
    "foreign",  # an object among the readings that nobody committed
    "leftover",  # an object of the bookkeeping that the manifest does not name
    "missing",  # readings of the source that the lake has not
    "surplus",  # readings of the lake that the source has not
    "different",  # readings that both have, with another value, text or quality
]
EXAMPLES = 3  # readings shown of a difference
Shown = Mapping[str, Any]  # value, text and quality of a reading


@dataclass(frozen=True)
class Example:
    """A reading that differs: its time, and what it is on either side; ``None`` where it is not."""

    time: str  # ISO 8601
    lake: Shown | None
    source: Shown | None

    def __str__(self) -> str:
        sides = [_words(side) for side in (self.lake, self.source)]
        if None not in (self.lake, self.source) and sides[0] == sides[1]:
            sides = [f"quality {side['quality']}" for side in (self.lake, self.source) if side]
        return f"{self.time}: {sides[0]} in the lake, {sides[1]} in the source"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be: of what kind, where, and in words what."""

    kind: Kind
    tagpath: str | None
    month: str | None
    what: str
    key: str | None = None  # the object, if it is one
    count: int = 1  # readings, or objects
    examples: tuple[Example, ...] = ()

    @property
    def same_as(self) -> tuple[str, str | None, str | None, str | None]:
        """What two verifications call the same difference."""
        return self.kind, self.tagpath, self.month, self.key

    def __str__(self) -> str:
        where = self.key or " ".join(part for part in (self.tagpath, self.month) if part)
        return f"{where}: {self.what}" if where else self.what


@dataclass(frozen=True)
class Compared:
    """The readings of a tag path and month on both sides: times (ms since 1970) where they differ."""

    lake: pa.Table
    source: pa.Table
    missing: np.ndarray
    surplus: np.ndarray
    different: np.ndarray

    def differences(self, tagpath: str, month: str) -> Iterator[Difference]:
        for kind, times, what in (
            ("missing", self.missing, "missing in the lake"),
            ("surplus", self.surplus, "not in the source"),
            ("different", self.different, "different"),
        ):
            if count := len(times):
                examples = tuple(self._example(int(time)) for time in times[:EXAMPLES])
                noun = "reading" if count == 1 else "readings"
                sentence = f"{count:,} {noun} {what}: {examples[0]}"
                yield Difference(kind, tagpath, month, sentence, count=count, examples=examples)  # type: ignore[arg-type]

    def _example(self, time: int) -> Example:
        moment = datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds")
        return Example(moment, _reading(self.lake, time), _reading(self.source, time))


def compare(lake: pa.Table, source: pa.Table) -> Compared:
    """Hold readings (``SCHEMA``, times rising) against readings, to the bit of each value."""
    theirs, ours = times_ms(source), times_ms(lake)
    both, here, there = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    one, other = lake.take(pa.array(here)), source.take(pa.array(there))
    unlike = np.zeros(len(both), bool)
    for name in SCHEMA.names[1:]:
        unlike |= _unlike(one.column(name), other.column(name))
    return Compared(
        lake,
        source,
        missing=np.setdiff1d(theirs, ours, assume_unique=True),
        surplus=np.setdiff1d(ours, theirs, assume_unique=True),
        different=both[unlike],
    )


def within_all(tables: Iterable[pa.Table], parts: Sequence[Window]) -> pa.Table:
    """The readings of ``parts``; these as well as ``tables`` are in order of time."""
    readings = pa.concat_tables([SCHEMA.empty_table(), *tables])
    return pa.concat_tables([SCHEMA.empty_table(), *(inside(readings, part) for part in parts)]).combine_chunks()


def _unlike(one: pa.ChunkedArray, other: pa.ChunkedArray) -> np.ndarray:
    nulls = [column.is_null().to_numpy() for column in (one, other)]
    if pa.types.is_floating(one.type):
        bits = [column.fill_null(0.0).to_numpy().view(np.int64) for column in (one, other)]
        return (nulls[0] != nulls[1]) | (bits[0] != bits[1])
    unequal = pc.fill_null(pc.not_equal(one, other), False).to_numpy()
    return (nulls[0] != nulls[1]) | unequal


def _reading(readings: pa.Table, time: int) -> Shown | None:
    times = times_ms(readings)
    place = int(np.searchsorted(times, time))
    if place == len(times) or times[place] != time:
        return None
    row = readings.select(SCHEMA.names[1:]).slice(place, 1).to_pylist()[0]
    value = row["value"]
    # JSON has no word for these.
    return row | {"value": str(value)} if value is not None and not math.isfinite(value) else row


def _words(side: Shown | None) -> str:
    if side is None:
        return "nothing"
    parts = [str(side["value"])] if side["value"] is not None else []
    parts += [f'"{side["text"]}"'] if side["text"] is not None else []
    return " ".join(parts) or "neither value nor text"
