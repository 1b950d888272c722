"""How many readings a tag usually has: those of the same weekdays before, as the manifest knows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from statistics import median

from ..config import Config
from ..lake.manifest import Manifest, at_one_commit
from ..lake.stores import open_store
from ..windows import Window, day_window, zone

WEEKS = 4


def usual_readings(config: Config, window: Window) -> Mapping[str, float]:
    """Median readings of each tag path over the four windows that were one to four weeks before ``window``.

    Only those count of which every day is known; empty for a window that is not made of whole days.
    """
    days = list(window.days(config.timezone))
    if any(part != day_window(day, config.timezone) for day, part in days):
        return {}
    store = open_store(config)

    def known(manifest: Manifest) -> dict[int, dict[str, int]]:
        """Rows of each day (its start, s since 1970) and tag path."""
        wanted = {
            day_window(day - timedelta(weeks=week), config.timezone).start_ms // 1000
            for day, _ in days
            for week in range(1, WEEKS + 1)
        }
        rows: dict[int, dict[str, int]] = defaultdict(dict)
        months = {f"{(window.start - timedelta(weeks=w)).astimezone(zone(config.timezone)):%Y-%m}" for w in range(6)}
        months |= {f"{(window.end - timedelta(weeks=w)).astimezone(zone(config.timezone)):%Y-%m}" for w in range(6)}
        for month in sorted(months & set(manifest.root.pieces)):
            for piece in manifest.pieces(month).select(["tagpath", "start", "rows"]).to_pylist():
                if piece["start"] in wanted and piece["rows"] is not None:
                    of_day = rows[piece["start"]]
                    of_day[piece["tagpath"]] = of_day.get(piece["tagpath"], 0) + piece["rows"]
        return rows

    rows = at_one_commit(store, known)
    counts: dict[str, list[int]] = defaultdict(list)
    for week in range(1, WEEKS + 1):
        before = [day_window(day - timedelta(weeks=week), config.timezone).start_ms // 1000 for day, _ in days]
        if all(start in rows for start in before):
            for path in set().union(*(rows[start] for start in before)):
                counts[path].append(sum(rows[start].get(path, 0) for start in before))
    return {path: median(found) for path, found in counts.items()}
