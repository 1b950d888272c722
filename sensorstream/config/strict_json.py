"""JSON that people write: what a parser would pass over or choke on is said in a sentence."""

from __future__ import annotations

import json
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

MOST_BYTES = 10_000_000


def read(path: Path | Traversable) -> dict[str, Any]:
    """The object that a file of JSON holds; ``ValueError`` goes on where the file's name ends.

    Raises ``FileNotFoundError`` as well.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)  # a device may have no end
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read: {error}") from None
    if len(data) > MOST_BYTES:
        raise ValueError(f"holds more than {MOST_BYTES / 1e6:.0f} MB: check its path")
    values = parsed(text)
    if not isinstance(values, dict):
        raise ValueError(f"holds a {type(values).__name__}, not one JSON object")
    return values


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
