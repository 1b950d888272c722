"""Lines to copy that read exactly the window of a run: in Python, and in DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..config.settings import Config
from ..historian.patterns import read_alike
from ..lake.ddl import standard_text, statements
from ..windows import Window, day_window, zone

EVERY = [".*"]


def in_python(
    config: Config, window: Window, patterns: Sequence[str], paths: Sequence[str], opened: Sequence[Any]
) -> str:
    """Three lines of Python; ``paths`` are those of the run, ``opened`` path and source that ``load`` was given."""
    path, source = opened
    given = [repr(path)] if path else []
    given += [f"source={source!r}"] if source != "file" else []
    by_pattern, every = _selects(patterns, paths), list(patterns) == EVERY
    chosen = "" if every else f", patterns={list(patterns)!r}" if by_pattern else f", tags={list(paths)!r}"
    return (
        "import sensorstream\n"
        f"config = sensorstream.load({', '.join(given)})\n"
        f'readings = sensorstream.read_lake(config, {_when(window, config.timezone)}{chosen}, into="pandas")'
    )


def in_duckdb(config: Config, window: Window, patterns: Sequence[str], paths: Sequence[str]) -> str:
    """The view of the lake, and a query of it."""
    months = [f"'{month}'" for month, _ in window.months(config.timezone)]
    start, end = (f"TIMESTAMPTZ '{at.isoformat()}'" for at in (window.start, window.end))
    where = [f"month IN ({', '.join(months)})", f"datetime >= {start}", f"datetime < {end}"]
    if not _selects(patterns, paths):
        where.append(f"url_decode(tagpath) IN [{', '.join(map(standard_text, paths))}]")
    elif list(patterns) != EVERY:
        any_of = standard_text("|".join(f"(?:{pattern})" for pattern in patterns))
        where.append(f"regexp_matches(url_decode(tagpath), {any_of})")
    view = statements(config, [], "duckdb", database="sensorstream", table="readings")
    return f"{view}SELECT * FROM readings\nWHERE {' AND '.join(where)};"


def _selects(patterns: Sequence[str], paths: Sequence[str]) -> bool:
    """Whether ``patterns`` select ``paths``, if any are known, here as in PostgreSQL, which knows a tag by its
    gateway's name as well. Arrow looks for them, as DuckDB does, in linear time: Python might take for ever."""
    if not paths:
        return True
    try:
        any_of = "|".join(f"(?:{pattern})" for pattern in patterns)
        found = pc.match_substring_regex(pa.array(paths, pa.string()), any_of)
    except pa.ArrowException:
        return False
    return read_alike(patterns) and bool(pc.all(found).as_py())


def _when(window: Window, timezone: str) -> str:
    """As short as ``read_lake`` takes it: a day, or start and end in the site's time zone."""
    start, end = (at.astimezone(zone(timezone)) for at in (window.start, window.end))
    if window == day_window(start.date(), timezone):
        return f'"{start.date()}"'
    return ", ".join(f'"{at.isoformat()}"' for at in (start, end))
