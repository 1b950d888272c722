"""Small tables for a notebook's screen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from ..config import Config

SECRET = re.compile(r"pass|secret|token|credential|access\.?key", re.IGNORECASE)
MASK = "••••••"


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


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Keys and values of nested objects in order, ``db.host`` for one inside ``db``; secrets as dots."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found += flat(value, f"{prefix}{name}.")
        else:
            hidden = value is not None and SECRET.search(name) and not name.endswith("secret_id")
            found.append((f"{prefix}{name}", MASK if hidden else value))
    return found


def written(value: Any) -> str:
    """A value as in the JSON file, text without its quotes. Pure."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
