"""How steadily the historian's rows came, from counts of small pieces of the window. Pure.

A clock that was set back leaves a tag with pieces of time that were written twice: their rows stand in the table both
before and after rows of later pieces (``ctid`` tells), and there are more of them than usual. Readings that a gateway
held back and delivered late stand behind later ones as well, but their pieces hold no more than their share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple

from ..windows import Window

PIECE_MS, MOST_CELLS = 900_000, 200_000  # pieces are no shorter, and no more than so many for all tags together
BINS = 12  # of the window, in which silence is looked for
DENSE = 2  # readings a bin, on the average: of a tag with fewer no silence is told
TWICE = 1.25  # of its usual readings a piece holds that was written again


@dataclass(frozen=True)
class Pieces:
    """Equal pieces of a window, ms."""

    start_ms: int
    width_ms: int
    count: int

    @classmethod
    def of(cls, window: Window, tags: int) -> Pieces:
        length = window.end_ms - window.start_ms
        count = max(BINS, min(length // PIECE_MS, MOST_CELLS // max(tags, 1)))
        return cls(window.start_ms, -(-length // count), count)

    def borders(self, piece: int) -> tuple[int, int]:
        return self.start_ms + piece * self.width_ms, self.start_ms + (piece + 1) * self.width_ms

    def bin(self, piece: int) -> int:
        """The bin in which a piece lies."""
        return piece * BINS // self.count

    def bin_of(self, moment_ms: int) -> int:
        """The bin in which a moment lies; past the window the last one and one more."""
        return max(0, min(BINS, (moment_ms - self.start_ms) * BINS // (self.width_ms * self.count)))


class Cell(NamedTuple):
    """The rows of one tag id in one piece, of one table: how many, and where the first and the last of them stand."""

    piece: int
    readings: int
    first_row: int
    last_row: int


def joined(cells: Iterable[Cell]) -> list[Cell]:
    """Those of one piece together: its rows by quality code."""
    found: dict[int, Cell] = {}
    for cell in cells:
        if other := found.get(cell.piece):
            rows = min(cell.first_row, other.first_row), max(cell.last_row, other.last_row)
            cell = Cell(cell.piece, cell.readings + other.readings, *rows)
        found[cell.piece] = cell
    return list(found.values())


def silence(bins: Iterable[int], first: int, last: int) -> int:
    """The longest run of bins in ``[first, last)`` that are not among ``bins``."""
    seen = [first - 1, *sorted({number for number in bins if first <= number < last}), last]
    return max(0, *(after - before - 1 for before, after in pairwise(seen)))


def written_twice(cells: Sequence[Cell]) -> list[tuple[int, int]]:
    """Runs of pieces (first, last) that one tag id wrote again after later ones, in time order."""
    cells = sorted(cells, key=lambda cell: cell.piece)
    if len(cells) < 4:
        return []
    usual = median(cell.readings for cell in cells)
    full = {cell.piece for cell in cells if cell.readings > TWICE * usual}
    again = []
    later = cells[-1].first_row
    # From the end, with the piece next to it left out: rows on both sides of a border may be out of order by a little.
    for cell, after in zip(reversed(cells[:-2]), reversed(cells[2:]), strict=True):
        later = min(later, after.first_row)
        if cell.first_row < later < cell.last_row and cell.piece in full:
            again.append(cell.piece)
    runs = []
    for _, run in groupby(enumerate(reversed(again)), key=lambda pair: pair[1] - pair[0]):
        numbers = [piece for _, piece in run]
        # The last two that were written again have nothing later between both times.
        end = next(n for n in range(numbers[-1], numbers[-1] + 3) if n + 1 not in full or n == numbers[-1] + 2)
        runs.append((numbers[0], end))
    return runs
