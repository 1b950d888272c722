"""What a lake knows of its source: for each tag path and piece of time how many rows there were, and their hash.

A piece is a day of the configured time zone, or the part of one that a run covered. A row without a count is a piece
whose readings are known to have changed since they were read: it is to be read again. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..windows import Window
from .manifest import PIECES, chosen

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


def days(paths: Iterable[str], parts: Iterable[Window], timezone: str) -> pa.Table:
    """Rows for every day of ``parts`` and each of ``paths``, of which nothing is known yet."""
    every, found = sorted(paths), [day for part in parts for day in whole(part, timezone)]
    starts, ends = ([edge(day) for day in found] for edge in (lambda d: d.start_ms // 1000, lambda d: d.end_ms // 1000))
    columns = [
        pa.array(every, pa.string()).take(pa.array(np.repeat(np.arange(len(every)), len(found)))),
        pa.array(np.tile(np.array(starts, np.int64), len(every))),
        pa.array(np.tile(np.array(ends, np.int64), len(every))),
    ]
    count = len(every) * len(found)
    return pa.table([*columns, pa.nulls(count, pa.int64()), pa.nulls(count, pa.uint64())], schema=PIECES)


class Grid:
    """Pieces laid out by tag path and by the borders of all of them, so that counts are added up at once."""

    def __init__(self, pieces: pa.Table) -> None:
        self.pieces = pieces.combine_chunks()
        starts, ends = (self.pieces.column(name).to_numpy() for name in ("start", "end"))
        self.borders = np.unique(np.concatenate([starts, ends]))  # s since 1970
        names = self.pieces.column("tagpath").combine_chunks().dictionary_encode()
        self.number = {path: n for n, path in enumerate(names.dictionary.to_pylist())}
        self._path = names.indices.to_numpy()
        self._first, self._last = np.searchsorted(self.borders, starts), np.searchsorted(self.borders, ends)

    @property
    def borders_ms(self) -> list[int]:
        return [int(border) * 1000 for border in self.borders]

    def sums(self, paths: Sequence[int], columns: Sequence[int], values: np.ndarray) -> np.ndarray:
        """The sum of ``values`` in each piece: each is of a path (``number``), between two borders (``columns``).

        What lies before the first border or after the last is of no piece.
        """
        whole = np.zeros((len(self.number), len(self.borders)), values.dtype)
        rows, places = np.asarray(paths, int), np.asarray(columns, int)
        inside = (places >= 0) & (places < len(self.borders) - 1)
        np.add.at(whole, (rows[inside], places[inside] + 1), values[inside])
        whole = np.cumsum(whole, axis=1, dtype=values.dtype)
        return whole[self._path, self._last] - whole[self._path, self._first]

    def there(self) -> np.ndarray:
        """Of which path there is a piece between which borders: a row a path, a column a place."""
        edges = np.zeros((len(self.number), len(self.borders)), int)
        np.add.at(edges, (self._path, self._first), 1)
        np.add.at(edges, (self._path, self._last), -1)
        return np.cumsum(edges, axis=1)[:, :-1] > 0

    def counted(self, prints: pa.Table) -> pa.Table:
        """The pieces with what ``prints`` (``staged_rows.PRINTS``) say of them; no rows where they say nothing."""
        paths = [self.number[path] for path in prints.column("tagpath").to_pylist()]
        columns = np.searchsorted(self.borders, prints.column("start").to_numpy(), side="right") - 1
        rows = self.sums(paths, columns, prints.column("rows").to_numpy())
        hashes = self.sums(paths, columns, prints.column("hash").to_numpy())
        kept = [self.pieces.column(name) for name in ("tagpath", "start", "end")]
        return pa.table([*kept, pa.array(rows), pa.array(hashes)], schema=PIECES)

    def named(self, which: np.ndarray) -> list[Piece]:
        """The pieces that a mask chooses."""
        some = self.pieces.filter(pa.array(which)).select(["tagpath", "start", "end"])
        return [(row["tagpath"], row["start"], row["end"]) for row in some.to_pylist()]
