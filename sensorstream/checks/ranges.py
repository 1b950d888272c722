"""The ranges that values should keep to: ``ranges.json``, learned from history by a command and then edited by people.

``{"ranges": [{"pattern": "temperature$", "lowest": -20, "highest": 150, "still_hours": 6}, {"unit": "bar", ...}]}``:
the first entry that fits a tag counts, a pattern is searched in the tag path, a unit is compared as it is. Each limit
may be left out. ``still_hours``: so long the value may stand still.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import inf, isfinite
from pathlib import Path
from typing import Any

from ..config.strict_json import parsed
from ..errors import ConfigError
from ..historian import Tag
from ..project_files import project_folder

FILE = "ranges.json"
MARGIN = 0.5  # of what was seen, on either side
KEYS = ("lowest", "highest", "still_hours")


@dataclass(frozen=True)
class Range:
    """Limits of the tags whose path fits ``pattern`` or whose unit is ``unit``; None is no limit."""

    pattern: str | None = None
    unit: str | None = None
    lowest: float | None = None
    highest: float | None = None
    still_hours: float | None = None

    @property
    def still_ms(self) -> float | None:
        return None if self.still_hours is None else self.still_hours * 3_600_000

    @property
    def borders(self) -> tuple[float, float]:
        return -inf if self.lowest is None else self.lowest, inf if self.highest is None else self.highest

    def __str__(self) -> str:
        if self.lowest is None or self.highest is None:
            return f"at most {self.highest:g}" if self.highest is not None else f"at least {self.lowest:g}"
        return f"{self.lowest:g} to {self.highest:g}"


@dataclass(frozen=True)
class Seen:
    """The lowest and highest value of a tag, and whether its value never fell: a counter has no highest value."""

    lowest: float
    highest: float
    counter: bool


def load_ranges(folder: Path | None = None) -> list[Range]:
    """What ``ranges.json`` in the folder of expectations says; none without the file.

    Raises ``ConfigError`` for a file that is none, or an entry that fits nothing or says nothing, by its number.
    """
    path = (folder or project_folder("expectations")) / FILE
    try:
        entries = parsed(path.read_text(encoding="utf-8"))["ranges"]
        return [_range(path, number, entry) for number, entry in enumerate(entries, 1)]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f'{path} is no list of ranges under the key "ranges": {error}') from None
    except ValueError as error:
        raise ConfigError(f"{path} {error}") from None


def _range(path: Path, number: int, entry: Mapping[str, Any]) -> Range:
    unknown = sorted(set(entry) - {"pattern", "unit", *KEYS})
    if unknown:
        raise ConfigError(f'{path}, range {number}: "{unknown[0]}" is not known: use pattern, unit, {", ".join(KEYS)}')
    found = Range(**entry)
    if (found.pattern is None) == (found.unit is None):
        raise ConfigError(f"{path}, range {number}: give a pattern or a unit, one of them")
    try:
        re.compile(found.pattern or "")
    except re.error as error:
        raise ConfigError(f'{path}, range {number}: pattern "{found.pattern}" is none: {error}') from None
    for name in KEYS:
        value = getattr(found, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value)):
            raise ConfigError(f'{path}, range {number}: {name} "{str(value)[:40]}" is no number')
    if found.borders[0] > found.borders[1]:
        raise ConfigError(f"{path}, range {number}: lowest {found.lowest:g} is above highest {found.highest:g}")
    return found


def _finite(value: float) -> bool:
    """Whether a number of JSON is one that a double holds: it knows NaN, and integers of any length."""
    try:
        return isfinite(value)
    except OverflowError:
        return False


def matcher(ranges: Sequence[Range]) -> Callable[[Tag], Range | None]:
    """Which range is a tag's: the first that fits."""
    compiled = [(found, re.compile(found.pattern) if found.pattern is not None else None) for found in ranges]

    def of(tag: Tag) -> Range | None:
        for found, pattern in compiled:
            if pattern.search(tag.path) if pattern is not None else found.unit == tag.unit:
                return found
        return None

    return of


def learned(seen: Iterable[tuple[Tag, Seen]]) -> list[Range]:
    """Ranges for the units of the tags, or for the last part of the path of those without a unit, widened by half."""
    groups: dict[Range, list[Seen]] = defaultdict(list)
    for tag, found in seen:
        last = re.escape(tag.path.rsplit("/", 1)[-1])
        groups[Range(unit=tag.unit) if tag.unit else Range(pattern=f"(^|/){last}$")].append(found)
    result = []
    for key, members in groups.items():
        lowest, highest = min(one.lowest for one in members), max(one.highest for one in members)
        margin = MARGIN * ((highest - lowest) or abs(highest) or 1.0)
        low = 0.0 if lowest >= 0 > lowest - margin else _rounded(lowest - margin, down=True)
        high = None if any(one.counter for one in members) else _rounded(highest + margin, down=False)
        result.append(Range(key.pattern, key.unit, low, high))
    return sorted(result, key=lambda found: (found.unit or "", found.pattern or ""))


def write_ranges(path: Path, ranges: Sequence[Range]) -> None:
    """Write the file; keys that say nothing are left out."""
    rows = [{name: value for name, value in asdict(found).items() if value is not None} for found in ranges]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"ranges": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _rounded(value: float, *, down: bool) -> float:
    """To two digits, away from what was seen."""
    return float(Context(prec=2, rounding=ROUND_FLOOR if down else ROUND_CEILING).create_decimal(Decimal(value)))
