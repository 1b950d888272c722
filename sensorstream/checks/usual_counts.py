"""How many readings a tag usually has: those of the same weekdays before, as the manifest knows them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import timedelta
from statistics import median

import numpy as np
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
    wanted = {day: day_window(day, config.timezone) for week in weeks for day in week}
    borders = np.array(sorted(day.seconds for day in wanted.values()))

    def known(manifest: Manifest) -> dict[int, dict[str, int]]:
        """Rows of each day (its start, s since 1970) and tag path, of those of which all of the day is known: it may
        have been read in parts."""
        rows, seconds = (defaultdict[int, Counter[str]](Counter) for _ in range(2))
        for month in sorted({f"{day:%Y-%m}" for day in wanted} & set(manifest.root.pieces)):
            pieces = manifest.pieces(month)
            day = borders[np.searchsorted(borders[:, 0], pieces["start"].to_numpy(), side="right") - 1]
            inside = (day[:, 0] <= pieces["start"].to_numpy()) & (pieces["end"].to_numpy() <= day[:, 1])
            mine = pieces.append_column("day", pa.array(day[:, 0])).filter(pa.array(inside))
            for piece in mine.filter(pc.is_valid(mine["rows"])).to_pylist():
                rows[piece["day"]][piece["tagpath"]] += piece["rows"]
                seconds[piece["day"]][piece["tagpath"]] += piece["end"] - piece["start"]
        length = {start: end - start for start, end in borders.tolist()}
        return {
            day: {path: n for path, n in of.items() if seconds[day][path] == length[day]} for day, of in rows.items()
        }

    rows = at_one_commit(open_store(config), known)
    counts: dict[str, list[int]] = defaultdict(list)
    for week in weeks:
        of_days = [rows.get(wanted[day].start_ms // 1000, {}) for day in week]
        for path in set.intersection(*map(set, of_days)):
            counts[path].append(sum(of_day[path] for of_day in of_days))
    return {path: median(found) for path, found in counts.items()}
