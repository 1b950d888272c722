"""What staged files are: all but their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from ..errors import NotReconciled
from ..lake.manifest import DataFile
from ..planning.slices import PageCount
from ..transform.clean import Tally
from ..transform.staged_rows import read_counts, read_prints, read_rejected, read_tally


@dataclass(frozen=True)
class Contents:
    """Readings of a tag path in a part of time, and how many of them have a value or a text."""

    readings: int = 0
    values: int = 0
    texts: int = 0

    @staticmethod
    def of(readings: pa.Table) -> Contents:
        """What a table of readings holds."""
        valued, worded = (readings.num_rows - readings.column(name).null_count for name in ("value", "text"))
        return Contents(readings.num_rows, valued, worded)

    def __add__(self, other: Contents) -> Contents:
        return Contents(self.readings + other.readings, self.values + other.values, self.texts + other.texts)


@dataclass(frozen=True)
class Measured:
    """What the staged files hold: their statistics, the counts of their readings, what each (by its key) contains, the
    rejected readings, the fingerprints of all that was read (``staged_rows.PRINTS``), and what PostgreSQL counted."""

    entries: list[DataFile]
    contents: Mapping[str, Contents]
    tally: Tally
    rejected_streams: list[bytes]
    prints: pa.Table
    counts: list[PageCount]

    @cached_property
    def rejected(self) -> pa.Table:
        """``staged_rows.REJECTED_OF_RUN``; unpacked when it is asked for."""
        return read_rejected(self.rejected_streams)

    def reconcile(self, source: int) -> None:
        """Hold the counts against each other and the historian's own; ``NotReconciled`` names the difference."""
        read, deduplicated = self.tally.read, self.tally.deduplicated
        written, rejected = sum(entry.rows for entry in self.entries), sum(self.tally.rejected.values())
        if read != source:
            raise NotReconciled(
                f"read {read:,} readings where the historian counts {source:,} in the same snapshot:"
                " nothing of it is published, run again and report this"
            )
        if read != written + rejected + deduplicated:
            raise NotReconciled(
                f"read {read:,} readings but {written:,} written + {rejected:,} rejected + {deduplicated:,}"
                f" deduplicated make {written + rejected + deduplicated:,}: nothing of it is published, run again and"
                " report this"
            )


def measured(rows: Iterable[Mapping[str, Any]], keep: Callable[[DataFile, bytes], None] | None = None) -> Measured:
    """What rows of ``staged_rows.STAGED`` say; where they come with the bytes of files, ``keep`` takes these."""
    columns = list(DataFile.__dataclass_fields__)
    contents: dict[str, Contents] = {}
    entries: list[DataFile] = []
    total = Tally()
    small: dict[str, list[Any]] = {"rejected": [], "prints": [], "counts": []}
    for row in rows:
        if row["kind"] == "file":
            entry = DataFile(*(row[column] for column in columns))
            entries.append(entry)
            contents[entry.key] = Contents(entry.rows, row["valued"], row["worded"])
            if keep:
                keep(entry, row["data"])
        elif row["kind"] == "tally":
            total.add(read_tally(row["tally"]))
        else:
            small[row["kind"]].append(row["tally"] if row["kind"] == "counts" else row["small"])
    return Measured(
        entries=sorted(entries),
        contents=contents,
        tally=total,
        rejected_streams=small["rejected"],
        prints=read_prints(small["prints"]),
        counts=read_counts(small["counts"]),
    )
