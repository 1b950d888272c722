"""What may be shown of values: secrets, known by the name of a key or of an option inside a text, are dots. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NAME = r"pass|secret|token|credential|access[-_.]?key"
SECRET = re.compile(NAME, re.IGNORECASE)
MASK = "••••••"
# In a text: ``-Dkey.password=...`` of Java, ``token: ...``, ``?sig_token=...`` of an address, ``//user:...@host``.
WITHIN = re.compile(
    rf"""([\w.-]*(?:{NAME})[\w.-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s"'&,;]+)""", re.IGNORECASE
)  # fmt: skip
USER = re.compile(r"(//[^/\s:@]*:)[^/\s@]+(?=@)")


def shown(name: str, value: Any) -> Any:
    """``value`` of the key ``name`` with its secrets as dots, and those of what is inside it."""
    if isinstance(value, Mapping):
        return {inner: shown(inner, each) for inner, each in value.items()}
    if value is not None and SECRET.search(name) and not name.endswith("secret_id"):
        return MASK
    return USER.sub(rf"\1{MASK}", WITHIN.sub(rf"\1{MASK}", value)) if isinstance(value, str) else value


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Keys and values of nested objects in order, ``db.host`` for one inside ``db``; secrets as dots."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found += flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", shown(name, value)))
    return found
