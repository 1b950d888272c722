"""How many readings a tag usually has: those of the same weekdays before, as the manifest knows them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import timedelta
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from ..config.settings import Config
from ..lake.manifest import Manifest, at_one_commit
from ..lake.stores import open_store
from ..windows import Window, day_window

WEEKS = 4


def usual_readings(config: Config, window: Window) -> Mapping[str, float]:
    """Median readings of each tag path over the four windows that were one to four weeks before ``window``.

    Only those count of which every day is known; empty for a window that is not made of whole days.
    """
    days = list(window.days(config.timezone))
    if any(part != day_window(day, config.timezone) for day, part in days):
        return {}
    weeks = [[day - timedelta(weeks=week) for day, _ in days] for week in range(1, WEEKS + 1)]
    start_of = {day: day_window(day, config.timezone).seconds[0] for week in weeks for day in week}
    wanted = pa.array(list(start_of.values()), pa.int64())

    def known(manifest: Manifest) -> dict[int, Counter[str]]:
        """Rows of each day (its start, s since 1970) and tag path."""
        rows: dict[int, Counter[str]] = defaultdict(Counter)
        for month in sorted({f"{day:%Y-%m}" for day in start_of} & set(manifest.root.pieces)):
            pieces = manifest.pieces(month).select(["tagpath", "start", "rows"])
            pieces = pieces.filter(pc.and_(pc.is_in(pieces["start"], wanted), pc.is_valid(pieces["rows"])))
            for piece in pieces.to_pylist():
                rows[piece["start"]][piece["tagpath"]] += piece["rows"]
        return rows

    rows = at_one_commit(open_store(config), known)
    counts: dict[str, list[int]] = defaultdict(list)
    for week in weeks:
        of_days = [rows[start_of[day]] for day in week if start_of[day] in rows]
        if len(of_days) == len(week):
            for path in set().union(*of_days):
                counts[path].append(sum(of_day[path] for of_day in of_days))
    return {path: median(found) for path, found in counts.items()}
