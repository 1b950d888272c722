"""A plan's reading cut into shares, one a Spark task, and slices, one a query. Pure: knows estimates, no historian.

The shape follows what was measured on 10 M readings of 400 tags in one month (PostgreSQL 18, two cores, warm):

- A pass over a table's pages with the packing of what it finds costs 0.3 µs a reading, and 0.12 µs a row that it skips
  (0.2 µs where it need not look whether a row is wanted).
  Reading by the index on ``t_stamp`` costs a fifth more; by the index on ``(tagid, t_stamp)`` 0.75 µs a reading,
  because each stands in another page.
- So most tags of a window are read by time, all of them in one pass, and few tags of many by tag.
- A share gathers its tags over its slices, so that a file is whole however many slices it came in. Every share more
  is a pass more; what it buys is a second process for encoding, which pays when there are very many files.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil, sqrt
from typing import Literal

from ..historian import Tag
from ..historian.readings_sql import can_mix
from ..historian.statistics import Statistics
from ..windows import Window

Order = Literal["time", "tag"]

SKIPPED_US = 0.12  # a row of the window that a pass reads and another share wants
PACKED_US = 0.3  # a reading packed on the way
BY_TAG_US = 1.0  # a reading through the index on (tagid, t_stamp), with a margin for a cold cache
ENCODED_FILE_US = 250.0  # what encoding a file costs beside its readings

# Readings of a slice by pages: they come as one value, which a worker holds several times over. More of many tags, as
# what comes of each is waiting in a place of its own.
PAGES_AT_ONCE, MOST_PAGES_AT_ONCE, OF_EACH_TAG = 120_000, 500_000, 50

# Readings of busy tags that may wait on a worker's disk until the last page is read: 1.6 GB.
MOST_WAITING = 100_000_000

# Stretches that a busy tag's files are cut into: borders of the calendar, so that they stay from run to run.
HOURS = (1, 2, 3, 4, 6, 8, 12)
DAYS = (1, 2, 4, 8, 16)

# A table's position, the first of the pages that a slice reads, and the rows that PostgreSQL counts in them.
PageCount = tuple[int, int, int]


@dataclass(frozen=True)
class Stretch:
    """A tag and the interval of time whose readings are staged together; its files never reach over the borders."""

    tag: Tag
    window: Window
    estimated_readings: float


@dataclass(frozen=True)
class Slice:
    """What one query reads: rows of one partition table for some stretches of its share.

    ``pages`` is the part of the table's file, ``[first, end)``, that is read; ``None`` reads through an index.
    """

    table: int  # position in the plan
    window: Window
    pages: tuple[int, int | None] | None
    stretches: tuple[int, ...]  # positions in the share
    estimated_readings: int


@dataclass(frozen=True)
class Share:
    """What one Spark task does: stretches of tags, and the slices that bring their readings."""

    stretches: tuple[Stretch, ...]
    slices: tuple[Slice, ...]


def choose_order(known: Sequence[Statistics], selected: int, passes: int) -> Order:
    """By tag where that is estimated to cost the historian less, and an index serves it."""
    if not known or not all(about.by_tag for about in known):
        return "time"
    rows = sum(about.rows_in_window for about in known)
    by_time = passes * SKIPPED_US * max(rows, selected) + (PACKED_US - SKIPPED_US) * selected
    return "tag" if BY_TAG_US * selected < by_time else "time"


def best_shares(files: int, rows: int, *, workers: int, machines: bool) -> int:
    """How many shares to read by time: as many as pay for their pass by encoding beside each other.

    Parameters
    ----------
    files, rows
        Estimated files to encode, and rows of the window that each pass reads.
    workers
        Tasks that run at once.
    machines
        Whether the workers stand on several machines: then two shares at least, so that no single one does it all.
    """
    best = round(sqrt(files * ENCODED_FILE_US / (SKIPPED_US * max(rows, 1))))
    return max(1, min(workers, max(best, 2 if machines else 1)))


def stretches(window: Window, tz: str, *, parts: float) -> list[Window]:
    """Tile ``window`` with about ``parts`` stretches or more: hours of a day or days of a month of ``tz``."""
    if parts <= 1:
        return [window]
    longest = (window.end - window.start) / parts
    if days := next((days for days in reversed(DAYS) if timedelta(days=days) <= longest), None):
        starts = {part.start for day, part in window.days(tz) if (day.day - 1) % days == 0}
    else:
        hours = next((hours for hours in reversed(HOURS) if timedelta(hours=hours) <= longest), HOURS[0])
        starts = {day.start + timedelta(hours=n) for _, day in window.days(tz) for n in range(0, 26, hours)}
    borders = [window.start, *sorted(s for s in starts if window.start < s < window.end), window.end]
    return [Window(a, b) for a, b in pairwise(borders)]


def groups(weights: Sequence[float], count: int) -> list[list[int]]:
    """Positions of ``weights``, in order, in at most ``count`` groups of about equal weight, none empty."""
    total = max(sum(weights), 1e-9)
    found: dict[int, list[int]] = {}
    before = 0.0
    for position, weight in enumerate(weights):
        # A position belongs to the group in which its middle lies.
        number = int((before + weight / 2) * count / total)
        found.setdefault(min(count - 1, number), []).append(position)
        before += weight
    return list(found.values())


def shares_by_time(
    parts: Sequence[Stretch], known: Sequence[Statistics], *, count: int, at_once: int, per_slice: int
) -> list[Share]:
    """Shares of stretches; each reads every table once, in slices of at most about ``per_slice`` readings.

    ``at_once`` slices of a share are read at the same time, so there are several times as many where that is worth it.
    """
    found = []
    for group in groups([part.estimated_readings for part in parts], count):
        mine = tuple(parts[position] for position in group)
        selected = sum(part.estimated_readings for part in mine)
        rows = max(sum(about.rows_in_window for about in known), 1)
        slices: list[Slice] = []
        for number, about in enumerate(known):
            readings = selected * about.rows_in_window / rows
            by_pages = min(max(PAGES_AT_ONCE, OF_EACH_TAG * len(mine)), MOST_PAGES_AT_ONCE)
            most = min(per_slice, by_pages) if about.by_pages else per_slice
            pieces = max(-(-round(readings) // most), min(4 * at_once, round(about.rows_in_window / 100_000)), 1)
            slices += _slices(number, about, mine, pieces, readings)
        found.append(Share(mine, tuple(slices)))
    return found


def shares_by_tag(
    parts: Sequence[Stretch], held: Callable[[Window], Mapping[int, float]], *, count: int, per_slice: int
) -> list[Share]:
    """Shares of stretches; each slice reads some of one window, tag by tag.

    ``held`` tells of a window which tables hold readings of it, by position, and what part of them.
    """
    by_window: dict[Window, list[Stretch]] = defaultdict(list)
    for part in parts:
        by_window[part.window].append(part)
    most = max(1.0, min(per_slice, sum(part.estimated_readings for part in parts) / count))
    chunks = []
    for window, some in sorted(by_window.items()):
        weights = [part.estimated_readings for part in some]
        for chunk in groups(weights, max(1, ceil(sum(weights) / most))):
            chunks.append((window, [some[n] for n in chunk], sum(weights[n] for n in chunk)))
    shares = []
    for group in groups([weight for *_, weight in chunks], count):
        mine: list[Stretch] = []
        slices: list[Slice] = []
        for window, some, weight in (chunks[n] for n in group):
            chosen = tuple(range(len(mine), len(mine) + len(some)))
            mine += some
            # Every table of a chunk before the next chunk, so that its stretches are soon complete.
            slices += [Slice(n, window, None, chosen, round(weight * of)) for n, of in held(window).items()]
        shares.append(Share(tuple(mine), tuple(slices)))
    return shares


def _slices(number: int, about: Statistics, mine: Sequence[Stretch], pieces: int, readings: float) -> list[Slice]:
    whole = Window.around([part.window for part in mine])
    # Where busy tags have most of very many, their stretches had better be complete one after the other: pages bring
    # all at the end.
    cut = [part for part in mine if part.window != whole]
    of_cut, of_all = (sum(part.estimated_readings for part in some) for some in (cut, mine))
    can_wait = 2 * of_cut <= of_all or of_cut <= MOST_WAITING
    if about.by_pages and (not cut or (can_wait and can_mix(whole, [n for part in mine for n in part.tag.ids]))):
        pages = about.pages or 0
        pieces = min(pieces, max(pages, 1))
        firsts = [pages * n // pieces for n in range(pieces)]
        everyone = tuple(range(len(mine)))
        return [
            Slice(number, whole, (first, end), everyone, round(readings / pieces))
            for first, end in zip(firsts, [*firsts[1:], None], strict=True)
        ]
    # Borders of busy tags' stretches are borders of slices too, so that no row is read for a stretch it is not of.
    own = (border for part in mine for border in (part.window.start, part.window.end))
    borders = sorted({*_cuts(whole, about.borders_ms, pieces), *own})
    inside: list[list[int]] = [[] for _ in borders[1:]]
    for position, part in enumerate(mine):
        for n in range(bisect_left(borders, part.window.start), bisect_left(borders, part.window.end)):
            inside[n].append(position)
    return [
        Slice(
            number, Window(start, end), None, tuple(chosen), round(readings * (end - start) / (whole.end - whole.start))
        )
        for (start, end), chosen in zip(pairwise(borders), inside, strict=True)
        if chosen
    ]


def _cuts(whole: Window, borders_ms: Sequence[int], pieces: int) -> list[datetime]:
    """``pieces`` parts of about equal rows: at the statistics' borders where there are enough, else of equal length."""
    inside = [ms for ms in borders_ms if whole.start_ms < ms < whole.end_ms]
    if len(inside) >= pieces:
        chosen = [inside[len(inside) * n // pieces] for n in range(1, pieces)]
    else:
        chosen = [whole.start_ms + (whole.end_ms - whole.start_ms) * n // pieces for n in range(1, pieces)]
    points = {datetime.fromtimestamp(ms // 1000, UTC) for ms in chosen}
    return [whole.start, *sorted(p for p in points if whole.start < p < whole.end), whole.end]
