"""What ``verify`` says beside the differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from ..lake import source_state as of_source
from ..lake.manifest import PIECES, DataFile, of_paths
from ..lake.source_state import Grid
from ..publishing.publish import Scope
from ..staging.measured import Measured
from ..windows import Window, without
from .compare_files import Place


def uncovered(scope: Scope, covered: Sequence[Window], entries: frozenset[DataFile]) -> Iterator[str]:
    for part in without([scope.part(month) for month in scope.months], covered):
        count = sum(entry.interval.overlaps(part) for entry in entries)
        yield f"no partition table covers {part}: the readings of {count:,} committed files there are not compared"


def no_tags(paths: frozenset[str], entries: frozenset[DataFile]) -> Iterator[str]:
    if kept := {entry.tagpath for entry in entries if entry.tagpath in paths}:
        yield f"{_named(kept)} no tag of the historian any more: readings are not compared"


def pieces_notes(
    known: pa.Table, found: Measured, scope: Scope, covered: Sequence[Window], tags: frozenset[str],
    places: Sequence[Place],
) -> Iterator[str]:  # fmt: skip
    """Days of which the manifest knows something else than was read, though the readings are the same."""
    waiting = Counter(row["tagpath"] for row in known.to_pylist() if row["rows"] is None)
    if waiting:
        yield f"{waiting.total():,} days of {_named(waiting)} to be read again by a run to come"
    whole = [part for month in scope.months for part in of_source.whole(scope.part(month), scope.timezone)]
    whole = [part for part in whole if any(cover.covers(part) for cover in covered)]
    parts = {part.seconds for part in whole}
    differ = {(place.where[0], day.seconds[0]) for place in places for day in place.days}
    compared = [
        row
        for row in known.to_pylist()
        if row["rows"] is not None
        and row["tagpath"] in tags
        and (row["start"], row["end"]) in parts
        and (row["tagpath"], row["start"]) not in differ
    ]
    if not compared:
        return
    before = pa.Table.from_pylist(compared, schema=PIECES)
    mine = of_paths(found.prints, {row["tagpath"] for row in compared})
    now = Grid(before).counted(found.prints.filter(mine))
    changed = Counter(old["tagpath"] for old, new in zip(compared, now.to_pylist(), strict=True) if old != new)
    if changed:
        yield (
            f"rows of {changed.total():,} days of {_named(changed)} other in the source than when they were read,"
            " though their readings are the same"
        )


def appended_notes(places: Sequence[Place]) -> Iterator[str]:
    """What is no difference of a lake that is appended to."""
    for kind, words in (("surplus", "are not in the source"), ("different", "are different in the source")):
        found = [one for place in places for one in place.differences if one.kind == kind]
        if found:
            count = sum(one.count for one in found)
            yield f"{count:,} readings {words}, as append leaves them: {found[0]}"


def _named(paths: Mapping[str, int] | set[str]) -> str:
    first = sorted(paths)[0]
    return f"{first} is" if len(paths) == 1 else f"{len(paths):,} tag paths ({first} for one) are"
