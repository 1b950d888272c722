"""The table of all tags of a run: kept as ``tags.json`` in its folder, and in its report as compact columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from html import escape
from itertools import pairwise
from os.path import commonprefix
from pathlib import Path
from typing import Any

from ..atomic_files import replace_json
from ..formatting import html_table, plain
from .run_statistics import NoStatistics, RunStatistics, TagFigures

NAME = "tags.json"
MOST_SHOWN = 20  # rows in a notebook
COLUMNS = [field.name for field in fields(TagFigures)]


@dataclass(frozen=True)
class AllTags:
    """What a run brought of each tag: count, least, mean, greatest, last, share of good readings, unit, type, note."""

    tags: tuple[TagFigures, ...]
    missing: str = ""  # why there are none

    def save(self, path: Path) -> None:
        """Write them as columns; nothing where there are none."""
        if self.missing:
            return
        replace_json(path, {name: [getattr(tag, name) for tag in self.tags] for name in COLUMNS})

    def _repr_html_(self) -> str:
        if self.missing:
            return f"<p>No table of tags, {escape(self.missing)}</p>"
        rows = [{name: _shown(value) for name, value in asdict(tag).items()} for tag in self.tags[:MOST_SHOWN]]
        more = len(self.tags) - MOST_SHOWN
        rest = f"<p>and {more:,} more: the report has all of them, to search and to sort</p>" if more > 0 else ""
        return html_table(rows) + rest


def all_tags(statistics: RunStatistics) -> AllTags:
    """The figures of each tag of the run, in order of their paths; where they could not be gathered, why."""
    if isinstance(statistics, NoStatistics):
        return AllTags((), f"{type(statistics.error).__name__}: {statistics.error}")
    return AllTags(statistics.tags)


def compact(columns: Mapping[str, Any], gaps: Mapping[str, int] | None, pictures: Mapping[str, str]) -> dict[str, Any]:
    """The saved columns for the page's script: few digits, and of a path what differs; with them how many ``gaps`` each
    tag has (``None`` where no check has looked), and the ids of ``pictures`` of tags in the page. Pure."""
    paths = columns["tagpath"]
    return {
        "paths": front_coded(paths),
        "count": columns["count"],
        **{name: [_few(value) for value in columns[name]] for name in ("least", "mean", "greatest", "last")},
        "gaps": [gaps.get(one, 0) for one in paths] if gaps is not None else None,
        "good": [None if share is None else round(100 * share, 2) for share in columns["good"]],
        **{name: indexed(columns[name]) for name in ("unit", "datatype", "note")},
        "pictures": dict(pictures),
    }


def front_coded(names: Sequence[str]) -> list[str | int]:
    """Of each name how many characters (as a browser counts them) it shares with the one before, and the rest. Pure."""
    found: list[str | int] = []
    for before, name in pairwise(["", *names]):
        shared = commonprefix([before, name])  # noqa: RUF071 (of characters)
        found += [len(shared.encode("utf-16-le")) // 2, name[len(shared) :]]
    return found


def indexed(values: Iterable[str | None]) -> dict[str, Any]:
    """Each value once, and which of them stands where. Pure."""
    places: dict[str, int] = {}
    codes = [places.setdefault(value or "", len(places)) for value in values]
    return {"values": list(places), "codes": codes}


def _few(value: float | str | None) -> float | str | None:
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _shown(value: float | str | None) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else plain(value) if isinstance(value, float) else value
