"""What a run would read: partition tables, tags, slices of about equal size, estimated readings. Reads no reading."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from .config import Config
from .historian import Historian, PartitionTable, Tag
from .windows import Window


@dataclass(frozen=True)
class Slice:
    """A piece of work: every reading of some tags in a window, from every table that may hold one.

    ``pieces`` are the windows that are fetched one after the other, so that none is too large for memory.
    """

    number: int
    tags: tuple[Tag, ...]
    pieces: tuple[Window, ...]
    estimated_readings: int


@dataclass(frozen=True)
class Plan:
    """The whole of a run's reading, as decided before the first reading is read."""

    window: Window
    patterns: tuple[str, ...]
    layout: str
    tables: tuple[PartitionTable, ...]
    tags: tuple[Tag, ...]
    slices: tuple[Slice, ...]
    estimated_readings: int
    notes: tuple[str, ...]

    @property
    def ids(self) -> list[int]:
        return [number for tag in self.tags for number in tag.ids]

    def rows(self) -> list[dict[str, object]]:
        """One row a slice, for a table on a screen."""
        return [
            {
                "slice": piece.number,
                "tags": len(piece.tags),
                "first tag": piece.tags[0].path,
                "last tag": piece.tags[-1].path,
                "pieces": len(piece.pieces),
                "readings (estimate)": piece.estimated_readings,
            }
            for piece in self.slices
        ]

    def _repr_html_(self) -> str:
        from html import escape

        def row(cells: Sequence[object], kind: str = "td") -> str:
            shown = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells)
            return "<tr>" + "".join(f"<{kind} style='text-align:left'>{escape(c)}</{kind}>" for c in shown) + "</tr>"

        rows = self.rows()
        head = (
            f"<p><b>{len(self.tags):,} tags</b>, about <b>{self.estimated_readings:,} readings</b>,"
            f" {self.window}, from {', '.join(t.name for t in self.tables) or 'no table'} ({self.layout})</p>"
        )
        if not rows:
            return head
        return f"{head}<table>{row(list(rows[0]), 'th')}{''.join(row(list(r.values())) for r in rows)}</table>"


def make_plan(historian: Historian, config: Config, window: Window, patterns: Sequence[str]) -> Plan:
    """Choose tables and tags, estimate, and cut into slices.

    Raises ``ConfigError`` (a pattern that is broken or matches no tag) and ``SourceError`` (a table of wrong shape).
    """
    tags = historian.tags(patterns)
    tables = historian.partition_tables(window)
    weights = estimate_by_tag(historian, tables, tags, window)
    slices = cut(tags, weights, window, readings_per_slice=config.readings_per_slice)
    return Plan(
        window=window,
        patterns=tuple(patterns),
        layout=historian.layout,
        tables=tables,
        tags=tags,
        slices=tuple(slices) if tables else (),
        estimated_readings=sum(weights),
        notes=tuple(historian.notes),
    )


def estimate_by_tag(
    historian: Historian, tables: Sequence[PartitionTable], tags: Sequence[Tag], window: Window
) -> list[int]:
    """Estimated readings of each tag in the window, from planner statistics (the rest is shared out evenly)."""
    guess = [0.0] * len(tags)
    every_id = max(len(historian.tags()), 1)
    for table in tables:
        readings = historian.estimate(table, window)
        shares = historian.shares(table)
        other = max(0.0, 1.0 - sum(shares.values())) / max(every_id - len(shares), 1)
        for position, tag in enumerate(tags):
            guess[position] += readings * sum(shares.get(number, other) for number in tag.ids)
    return [round(g) for g in guess]


def cut(tags: Sequence[Tag], weights: Sequence[int], window: Window, *, readings_per_slice: int) -> list[Slice]:
    """Cut tags, in order, into slices of about equal size, at most about ``readings_per_slice`` each.

    Returns slices whose tags together are ``tags``, each whole; the ``pieces`` of a slice tile the window, more than
    one where a single tag is busier than a slice may be.
    """
    total = max(sum(weights), 1)
    # Two slices at least, so that two workers share even a small run.
    count = max(2, -(-total // readings_per_slice))
    groups: dict[int, list[int]] = {}
    before = 0
    for position, weight in enumerate(weights):
        # A tag belongs to the slice in which its middle lies.
        groups.setdefault(min(count - 1, (2 * before + weight) * count // (2 * total)), []).append(position)
        before += weight
    slices = []
    for number, group in enumerate(groups.values()):
        readings = sum(weights[p] for p in group)
        pieces = _pieces(window, max(1, round(readings / readings_per_slice)))
        slices.append(Slice(number, tuple(tags[p] for p in group), tuple(pieces), readings))
    return slices


def _pieces(window: Window, count: int) -> list[Window]:
    """Tile ``window`` with ``count`` pieces of about equal length, whole seconds."""
    seconds = round((window.end - window.start).total_seconds())
    borders = sorted({seconds * n // count for n in range(count + 1)})
    points = [window.start + timedelta(seconds=s) for s in borders]
    return [Window(a, b) for a, b in itertools.pairwise(points)]
