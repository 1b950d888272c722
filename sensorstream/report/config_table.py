"""Small tables for a notebook's screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from ..config.masking import flat
from ..config.settings import Config


@dataclass(frozen=True)
class Shown:
    """Names and values as a table."""

    rows: Mapping[str, str]

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th scope='row' style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(value)}</td></tr>"
            for name, value in self.rows.items()
        )
        return f"<table>{cells}</table>"

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.rows.items())


def configuration(config: Config) -> Shown:
    """Every key with its value, in the order of the documentation; secrets as dots."""
    return Shown({name: written(value) for name, value in flat(config.masked())})


def written(value: Any) -> str:
    """A value as in the JSON file, text without its quotes. Pure."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
