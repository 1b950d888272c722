"""JSON that people write: what a parser would pass over or choke on is said in a sentence. Pure."""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str) -> Any:
    """What a text of JSON says; ``ValueError`` goes on where the text's name ends. Pure."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} in line {error.lineno}") from None
    except RecursionError:
        raise ValueError("is nested too deep: write it as docs/configuration.md does") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'says "{key}" twice: remove one')
        found[key] = value
    return found


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        raise ValueError(f"holds a number of {len(digits):,} digits: correct it") from None
