"""Which tags there are, and those that a few words find. Fifty thousand are searched in some milliseconds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from ..config.settings import Config
from ..errors import LakeError, SensorStreamError
from ..historian import open_historian
from ..historian.patterns import read_alike
from ..lake import scan
from ..lake.tag_metadata import note, tag_table

FIELDS = ("unit", "area", "type")


@dataclass(frozen=True)
class TagList:
    """Tag paths in order, each with what is known of it: ``unit``, ``description``, ``datatype`` and ``note``."""

    paths: tuple[str, ...]
    facts: Mapping[str, tuple[str, ...]]  # unit, description, datatype, note; empty where unknown

    @staticmethod
    def of(table: pa.Table, timezone: str = "UTC") -> TagList:
        """From a table with ``tagpath``, and of the lake's metadata of tags what else it has."""
        facts = {
            row["tagpath"]: (
                *(row.get(name) or "" for name in ("unit", "description", "datatype")),
                note(row, timezone),
            )
            for row in table.to_pylist()
        }
        return TagList(tuple(sorted(facts)), facts)

    def named(self, patterns: Sequence[str]) -> TagList:
        """Those that one of the patterns finds; all where Python may read one of them otherwise than PostgreSQL."""
        if not read_alike(patterns):
            return self
        found = re.compile("|".join(f"(?:{pattern})" for pattern in patterns)).search
        return TagList(tuple(filter(found, self.paths)), self.facts)

    def unit(self, path: str) -> str:
        return self.facts.get(path, ("",))[0]

    def datatype(self, path: str) -> str:
        return self.facts.get(path, ("", "", ""))[2]

    def note(self, path: str) -> str:
        """Whether the tag is retired, or has had several ids."""
        return self.facts.get(path, ("",))[-1]

    def is_text(self, path: str) -> bool:
        return self.datatype(path) in ("string", "date")

    @cached_property
    def _searched(self) -> list[tuple[str, str]]:
        """Each path, and all that is looked through for it, in small letters."""
        return [(path, " ".join((path, *self.facts[path])).casefold()) for path in self.paths]


def find(tags: TagList, text: str) -> list[str]:
    """Tag paths that hold every word of ``text`` in path, unit, description, type or note; capitals do not matter.

    ``unit:bar``, ``area:plant1/press`` and ``type:string`` look at that alone. Those whose last part begins with the
    first word come first.
    """
    words = [word.casefold() for word in text.split()]
    named = [word.split(":", 1) for word in words if word.partition(":")[0] in FIELDS and ":" in word]
    plain = [word for word in words if word.partition(":")[0] not in FIELDS or ":" not in word]
    found = [path for path, searched in tags._searched if all(word in searched for word in plain)]
    for field, value in named:
        if not value:
            continue  # half typed
        found = [path for path in found if _has(tags, path, field, value)]
    if plain:
        found.sort(key=lambda path: not scan.measure(path).casefold().startswith(plain[0]))
    return found


def _has(tags: TagList, path: str, field: str, value: str) -> bool:
    unit, _, datatype, _ = tags.facts[path]
    if field == "area":
        return scan.area(path).casefold().startswith(value)
    return (unit if field == "unit" else datatype).casefold() == value


def tag_list(config: Config) -> TagList:
    """The tags that the last run saw and the configuration names; where the lake knows none, the historian is asked.

    Raises ``LakeError`` where neither is there, with what to do.
    """
    lacks = "the lake knows none of the tags that sensor_patterns name"
    try:
        known = TagList.of(scan.tags(config), config.timezone).named(config.sensor_patterns)
        if known.paths:
            return known
    except LakeError as lake:
        lacks = str(lake)
    try:
        with open_historian(config) as historian:
            found = historian.tags(config.sensor_patterns)
    except SensorStreamError as source:
        raise LakeError(f"{lacks}; and the historian does not help: {source}") from None
    return TagList.of(tag_table(found), config.timezone)
