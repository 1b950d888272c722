"""The plan of a run, and who is there to carry it out. Pure."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from html import escape

from ..config.layouts.description import Description
from ..formatting import html_table, on_a_screen
from ..historian import LeftOut, PartitionTable, Tag
from ..windows import Window
from .slices import Order, Share


@dataclass(frozen=True)
class Plan:
    """The whole of a run's reading, as decided before the first reading is read.

    ``host`` is where, of several that may be named; ``tables``, ``tags`` and ``shares`` are what is read;
    ``estimated_readings`` is a count of PostgreSQL's planner; ``notes`` say what was chosen and why; ``left_out`` are
    tables that look like readings and are not read.
    """

    host: str
    window: Window
    patterns: tuple[str, ...]
    layout: Description
    tables: tuple[PartitionTable, ...]
    tags: tuple[Tag, ...]
    every_tag: bool  # whether the historian has no other
    indexed: frozenset[int]  # tables, by position, of which most is wanted, and indexes tell whether it is all
    order: Order
    shares: tuple[Share, ...]
    connections: int  # of each share
    estimated_readings: int
    notes: tuple[str, ...]
    whole: frozenset[int] = frozenset()  # tables, by position, that hold nothing but what is wanted: see ``pinned``
    left_out: tuple[LeftOut, ...] = ()

    @property
    def ids(self) -> list[int]:
        return [number for tag in self.tags for number in tag.ids]

    @property
    def passed(self) -> dict[int, list[tuple[int, int | None]]]:
        """Tables, by position, that one share reads from end to end, every row wanted; and the pages of each slice."""
        pages = defaultdict(list)
        if len(self.shares) == 1:
            for piece in self.shares[0].slices:
                pages[piece.table].append(piece.pages)
        return {n: [p for p in found if p] for n, found in pages.items() if n in self.whole and None not in found}

    def rows(self) -> list[dict[str, object]]:
        """One row a slice, for a table on a screen: from which time or page, how many readings (estimate)."""
        return [
            {
                "task": number,
                "partition table": self.tables[piece.table].name,
                "from": f"{piece.window.start:%Y-%m-%d %H:%M}",
                "page": f"{piece.pages[0]:,}" if piece.pages else "",
                "tags": len({share.stretches[p].tag.path for p in piece.stretches}),
                "readings": piece.estimated_readings,
            }
            for number, share in enumerate(self.shares)
            for piece in share.slices
        ]

    def to_json(self) -> dict[str, object]:
        """What ``rows`` and the lines above them say, as plain JSON."""
        return {
            "window": self.window.to_json(),
            "patterns": list(self.patterns),
            "layout": self.layout.name,
            "tags": [tag.path for tag in self.tags],
            "partition_tables": [table.name for table in self.tables],
            "estimated_readings": self.estimated_readings,
            "slices": self.rows(),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        slices = self.rows()
        head = (
            f"Plan: {len(self.tags):,} tags, about {self.estimated_readings:,} readings, {self.window}, from"
            f" {', '.join(t.name for t in self.tables) or 'no table'} ({self.layout.name}), {len(slices):,} slices"
        )
        return on_a_screen(head, [" ".join(map(str, piece.values())) for piece in slices], self.notes)

    def _repr_html_(self) -> str:
        names = ", ".join(table.name for table in self.tables) or "no table"
        head = (
            f"<p><b>{len(self.tags):,} tags</b>, about <b>{self.estimated_readings:,} readings</b>,"
            f" {self.window}, from {escape(names)} ({escape(self.layout.name)})</p>"
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"{head}{html_table(self.rows())}<ul>{notes}</ul>"


@dataclass(frozen=True)
class Workers:
    """Who does the shares of a plan: so many tasks at once, and so many threads of all of them together; ``None`` is as
    many as connections may be held. Tasks on several machines are two at least, so that no single one does it all."""

    tasks: int | None
    threads: int | None
    machines: bool = False

    def within(self, connections: int) -> tuple[int, int]:
        """Tasks and threads where each thread has a connection."""
        tasks, threads = (
            connections if most is None else min(most, connections) for most in (self.tasks, self.threads)
        )
        return tasks, threads


def workers_of(master: str | None) -> Workers:
    """What a Spark master, as far as its address tells, or this machine (``None``) does at once."""
    here = len(os.sched_getaffinity(0))
    if master is None:
        return Workers(tasks=1, threads=here)
    local = re.fullmatch(r"local(?:\[(\d+|\*)(?:,\s*\d+)?\])?", master)
    if not local:
        return Workers(tasks=None, threads=None, machines=True)
    cores = here if local[1] == "*" else int(local[1] or 1)
    return Workers(tasks=cores, threads=cores)
