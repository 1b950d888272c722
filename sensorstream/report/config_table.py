"""Small tables for a notebook's screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config.masking import flat
from ..config.settings import Config
from ..formatting import html_pairs


@dataclass(frozen=True)
class Shown:
    """Names and values as a table; ``folded`` are behind a word to click."""

    rows: Mapping[str, str]
    folded: Mapping[str, str] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        more = f"<details><summary>{len(self.folded)} defaults</summary>{html_pairs(self.folded)}</details>"
        return html_pairs(self.rows) + (more if self.folded else "")

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.rows.items())


def configuration(config: Config) -> Shown:
    """Keys with their values, secrets as dots: those that differ from the defaults, and folded, the others."""
    told = {name: written(value) for name, value in flat(config.masked())}
    differ = dict(flat(config.model_dump(mode="json", exclude_defaults=True)))
    rows = {name: told.pop(name) for name in list(told) if name in differ}
    return Shown(rows, folded=told)


def written(value: Any) -> str:
    """A value as in the JSON file, text without its quotes. Pure."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
