"""What the lake still lacks of the historian: days that no run has read, and days that have changed since one did.

Looks only; the next run reads the changed days again, and ``ingest`` of a missing day fills it in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from ..config.settings import Config
from ..extras import needs
from ..historian import coverage, open_historian
from ..lake import scan
from ..lake.manifest import Manifest, at_one_commit
from ..lake.scan import open_lake
from ..lake.source_state import window_of
from ..lake.stores import open_store
from ..late.detect import look, lookback
from ..windows import Window, WindowLike, as_window, day_window, without, zone

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Changed:
    """Tag days that have changed since they were read, who found them, and why it was not the heap tail."""

    detector: str
    reasons: tuple[str, ...]
    days: pd.DataFrame  # tagpath, day

    def _repr_html_(self) -> str:
        why = f" ({escape(self.reasons[0])})" if self.reasons else ""
        return f"<p><b>{len(self.days):,} tag days</b> have changed, by {self.detector}{why}.</p>"


def changed_days(config: Config, detector: str | None = None) -> Changed:
    """Days of the last ``lookback_days`` of the lake whose readings in the historian are not what was read.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    detector
        ``fingerprint`` compares every day, whatever the end of the tables says; by default as ``config`` has it.

    Returns
    -------
    Changed
        ``days`` is a pandas DataFrame of ``tagpath`` and ``day``; ``detector`` and ``reasons`` say what told of them.

    Raises
    ------
    LakeError, SourceError
        There is no lake, or the historian cannot be read.
    """
    needs("changed_days", lab=("pandas",))
    import pandas as pd

    last = scan.last_day(config)
    after = day_window(last.end.astimezone(zone(config.timezone)).date(), config.timezone)
    with open_historian(config) as historian:
        held, here = open_lake(config), config.timezone
        back = at_one_commit(held, lambda now: lookback(historian, config, now.held_to(here), after, ()))
        historian.export_snapshot(back.tables)
        paths = frozenset(tag.path for tag in historian.tags(config.sensor_patterns))
        late = look(back, after, paths, detector or config.late_detector)
    site = zone(config.timezone)
    rows = [(piece[0], f"{window_of(piece).start.astimezone(site):%Y-%m-%d}") for piece in sorted(late.again)]
    return Changed(late.detector, late.reasons, pd.DataFrame(rows, columns=["tagpath", "day"]))


def missing_days(
    config: Config, window: WindowLike, patterns: Sequence[str] | None = None
) -> list[tuple[date, Window]]:
    """Days of ``window`` that the historian has tables for, and of which a tag was never read or is to be read again.

    A day that was read, at once or in parts, is not missing, whether or not it held a reading.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    window
        A ``Window``, or a day of the configured time zone: text such as ``2026-10-14`` or a date.
    patterns
        PostgreSQL regular expressions of tag paths; those of ``config`` by default.

    Returns
    -------
    list of (date, Window)
        Each day of the configured time zone with its part of ``window``, which ``ingest`` takes.

    Raises
    ------
    LakeError, SourceError
        The lake or the historian cannot be read.
    """
    window = as_window(window, config.timezone)
    with open_historian(config) as historian:
        paths = {tag.path for tag in historian.tags(config.patterns(patterns))}
        covered = coverage(historian.partition_tables(window), window)

    def known(manifest: Manifest) -> dict[Window, set[str]]:
        found = defaultdict(set)
        for month, _ in window.months(config.timezone):
            pieces = manifest.held_to(config.timezone).pieces(month)
            rows = pieces.filter(pc.is_valid(pieces.column("rows"))).select(["tagpath", "start", "end"])
            for row in rows.to_pylist():
                found[row["start"], row["end"]].add(row["tagpath"])
        return {window_of(("", *piece)): some for piece, some in found.items()}

    read = at_one_commit(open_store(config), known)
    return [
        (day, part)
        for day, part in window.days(config.timezone)
        if any(part.overlaps(one) for one in covered) and _unread(part, paths, read)
    ]


def _unread(part: Window, paths: set[str], read: Mapping[Window, set[str]]) -> bool:
    """Whether of any of ``paths`` some of ``part`` was never read, at once or piece by piece."""
    pieces = {piece: some for piece, some in read.items() if piece.overlaps(part)}
    left = paths.difference(*(some for piece, some in pieces.items() if piece.covers(part)))
    return any(without([part], (piece for piece, some in pieces.items() if path in some)) for path in left)
