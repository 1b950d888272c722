"""The ranges that values should keep to: ``ranges.json``, learned from history by a command and then edited by people.

``{"ranges": [{"pattern": "temperature$", "lowest": -20, "highest": 150, "still_hours": 6}, {"unit": "bar", ...}]}``:
the first entry that fits a tag counts, a pattern is searched in the tag path, a unit is compared as it is. Each limit
may be left out. ``still_hours``: so long the value may stand still.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import inf
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, FiniteFloat, ValidationError, model_validator

from ..config.parts import Part, Said, Text
from ..config.strict_json import read
from ..config.wrong_values import sentence
from ..errors import ConfigError
from ..historian import Tag
from ..project_files import project_folder

FILE = "ranges.json"
MARGIN = 0.5  # of what was seen, on either side


def _searched(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f'"{pattern}" is no pattern: {error}') from None
    return pattern


class Range(Part):
    """Limits of the tags whose path fits ``pattern`` or whose unit is ``unit``; None is no limit."""

    pattern: Annotated[Said, AfterValidator(_searched)] | None = None
    unit: Text | None = None
    lowest: FiniteFloat | None = None
    highest: FiniteFloat | None = None
    still_hours: FiniteFloat | None = None

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if (self.pattern is None) == (self.unit is None):
            raise ValueError("give a pattern or a unit, one of them")
        if self.borders[0] > self.borders[1]:
            raise ValueError(f"lowest {self.lowest:g} is above highest {self.highest:g}")
        return self

    @property
    def still_ms(self) -> float | None:
        return None if self.still_hours is None else self.still_hours * 3_600_000

    @property
    def borders(self) -> tuple[float, float]:
        return -inf if self.lowest is None else self.lowest, inf if self.highest is None else self.highest

    def __str__(self) -> str:
        if self.lowest is None:
            return "any value" if self.highest is None else f"at most {self.highest:g}"
        return f"at least {self.lowest:g}" if self.highest is None else f"{self.lowest:g} to {self.highest:g}"


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
        entries = read(path).get("ranges")
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ConfigError(f"{path} {error}") from None
    if not isinstance(entries, list):
        raise ConfigError(f'{path} has no list of ranges under the key "ranges"')
    return [_range(path, number, entry) for number, entry in enumerate(entries, 1)]


def _range(path: Path, number: int, entry: Any) -> Range:
    try:
        return Range.model_validate(entry)
    except ValidationError as error:
        raise ConfigError(f"{path}, range {number}: {sentence(error, Range)}") from None


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
    groups: dict[tuple[str | None, str | None], list[Seen]] = defaultdict(list)
    for tag, found in seen:
        last = re.escape(tag.path.rsplit("/", 1)[-1])
        groups[(None, tag.unit) if tag.unit else (f"(^|/){last}$", None)].append(found)
    result = []
    for (pattern, unit), members in groups.items():
        lowest, highest = min(one.lowest for one in members), max(one.highest for one in members)
        margin = MARGIN * ((highest - lowest) or abs(highest) or 1.0)
        low = 0.0 if lowest >= 0 > lowest - margin else _rounded(lowest - margin, down=True)
        high = None if any(one.counter for one in members) else _rounded(highest + margin, down=False)
        result.append(Range(pattern=pattern, unit=unit, lowest=low, highest=high))
    return sorted(result, key=lambda found: (found.unit or "", found.pattern or ""))


def write_ranges(path: Path, ranges: Sequence[Range]) -> None:
    """Write the file; keys that say nothing are left out."""
    rows = [found.model_dump(exclude_none=True) for found in ranges]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"ranges": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _rounded(value: float, *, down: bool) -> float:
    """To two digits, away from what was seen."""
    return float(Context(prec=2, rounding=ROUND_FLOOR if down else ROUND_CEILING).create_decimal(Decimal(value)))
