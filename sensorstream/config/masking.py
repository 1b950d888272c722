"""What may be shown of values by name: secrets are dots. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SECRET = re.compile(r"pass|secret|token|credential|access\.?key", re.IGNORECASE)
MASK = "••••••"


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
