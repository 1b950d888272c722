"""What a lake knows of its source: for each tag path and piece of time how many rows there were, and their hash.

A piece is a day of the configured time zone, or the part of one that a run covered. A row without a count is a piece
whose readings are known to have changed since they were read: it is to be read again. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..windows import Window
from .manifest import ORDER, PIECES, meets, of_paths, without_rows

Piece = tuple[str, int, int]  # tag path, start, end (s since 1970)


def window_of(piece: Piece) -> Window:
    return Window.of_seconds(*piece[1:])


def named(rows: pa.Table) -> list[Piece]:
    """The pieces that ``rows`` are of."""
    return list(zip(*(rows.column(name).to_pylist() for name in ("tagpath", "start", "end")), strict=True))


def whole(window: Window, timezone: str) -> list[Window]:
    """The pieces of ``window``: its days, the first and the last as far as it reaches."""
    return [part for _, part in window.days(timezone)]


def put(before: pa.Table, window: Window, paths: Collection[str], new: pa.Table) -> pa.Table:
    """``new`` rows in place of those that meet ``window`` and are of ``paths``.

    Of a piece across the border stays what is outside, as not known.
    """
    start, end = window.seconds
    gone = pc.and_(meets(before, window), of_paths(before, paths))
    across = pc.and_(gone, pc.or_(pc.less(before.column("start"), start), pc.greater(before.column("end"), end)))
    rest = [
        (path, *edges)
        for path, first, last in named(before.filter(across))
        for edges in ((first, start), (end, last))
        if edges[0] < edges[1]
    ]
    return pa.concat_tables([before.filter(pc.invert(gone)), unknown(rest), new])


def forgotten(before: pa.Table, pieces: Iterable[Piece]) -> pa.Table:
    """``before`` with ``pieces`` as not known, in place of whatever meets them: none of a path ever overlap."""
    wanted = set(pieces)
    there = wanted & set(named(before.filter(of_paths(before, {path for path, *_ in wanted}))))
    before = pa.concat_tables([without_rows(before, {piece[:2] for piece in there}), unknown(sorted(there))])
    alike: dict[Window, set[str]] = defaultdict(set)
    for piece in wanted - there:
        alike[window_of(piece)].add(piece[0])
    for window, paths in alike.items():
        before = put(before, window, paths, unknown((path, *window.seconds) for path in sorted(paths)))
    return before


def unknown(pieces: Iterable[Piece]) -> pa.Table:
    """Rows for pieces that are to be read again."""
    rows = [{"tagpath": path, "start": start, "end": end} for path, start, end in pieces]
    return pa.Table.from_pylist(rows, schema=PIECES)


def same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables of pieces hold the same rows, in any order."""
    return one.num_rows == other.num_rows and bool(one.sort_by(ORDER).equals(other.sort_by(ORDER)))


def days(paths: Iterable[str], parts: Iterable[Window], timezone: str) -> pa.Table:
    """Rows for every day of ``parts`` and each of ``paths``, of which nothing is known yet."""
    every, found = sorted(paths), [day.seconds for part in parts for day in whole(part, timezone)]
    columns = [
        pa.array(every, pa.string()).take(pa.array(np.repeat(np.arange(len(every)), len(found)))),
        *(pa.array(np.tile(edges, len(every))) for edges in np.array(found, np.int64).reshape(-1, 2).T),
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
        return named(self.pieces.filter(pa.array(which)))
