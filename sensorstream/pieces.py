"""What a lake knows of its source: for each tag path and piece of time how many rows there were, and their hash.

A piece is a day of the configured time zone, or the part of one that a run covered. A row without a count is a piece
whose readings are known to have changed since they were read: it is to be read again. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from .manifest import PIECES, chosen
from .windows import Window

Piece = tuple[str, int, int]  # tag path, start, end (s since 1970)


def window_of(piece: Piece) -> Window:
    return Window(*(datetime.fromtimestamp(edge, UTC) for edge in piece[1:]))


def whole(window: Window, timezone: str) -> list[Window]:
    """The pieces of ``window``: its days, the first and the last as far as it reaches."""
    return [part for _, part in window.days(timezone)]


def put(before: pa.Table, window: Window, paths: Collection[str], new: pa.Table | None) -> pa.Table:
    """``new`` rows in place of those that meet ``window`` and are of ``paths``; ``None`` forgets them.

    Of a piece across the border stays what is outside, as not known.
    """
    start, end = window.start_ms // 1000, window.end_ms // 1000
    met = chosen(before, window, paths)
    if not met.num_rows:
        return pa.concat_tables([before, *([new] if new is not None else [])])
    of_paths = pc.is_in(before.column("tagpath"), value_set=pa.array(list(paths), pa.string()))
    meets = pc.and_(pc.less(before.column("start"), end), pc.greater(before.column("end"), start))
    kept = before.filter(pc.invert(pc.and_(of_paths, meets)))
    across = met.filter(pc.or_(pc.less(met.column("start"), start), pc.greater(met.column("end"), end)))
    rest = []
    for row in across.select(["tagpath", "start", "end"]).to_pylist():
        if row["start"] < start:
            rest.append({**row, "end": start})
        if row["end"] > end:
            rest.append({**row, "start": end})
    parts = [kept, pa.Table.from_pylist(rest, schema=PIECES)]
    return pa.concat_tables([*parts, *([new] if new is not None else [])])


def updated(before: pa.Table, new: pa.Table) -> pa.Table:
    """``before`` with the rows of ``new`` for the pieces that both have; other rows of ``new`` come along."""
    named = set(zip(new.column("tagpath").to_pylist(), new.column("start").to_pylist(), strict=True))
    maybe = pc.is_in(before.column("tagpath"), value_set=new.column("tagpath").combine_chunks())
    stay, asked = before.filter(pc.invert(maybe)), before.filter(maybe)
    places = zip(asked.column("tagpath").to_pylist(), asked.column("start").to_pylist(), strict=True)
    kept = asked.filter(pa.array([place not in named for place in places], pa.bool_()))
    return pa.concat_tables([stay, kept, new])


def unknown(pieces: Iterable[Piece]) -> pa.Table:
    """Rows for pieces that are to be read again."""
    rows = [{"tagpath": path, "start": start, "end": end} for path, start, end in pieces]
    return pa.Table.from_pylist(rows, schema=PIECES)


def same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables of pieces hold the same rows, in any order."""
    order: Sequence[tuple[str, str]] = [("tagpath", "ascending"), ("start", "ascending")]
    return one.num_rows == other.num_rows and bool(one.sort_by(order).equals(other.sort_by(order)))
