"""The layouts that come along, by name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from ...errors import ConfigError
from ..strict_json import parsed
from ..wrong_values import sentence
from .description import Description

HERE = Path(__file__).parent
FIRST = ("ignition", "generic")  # that "auto" looks for


def names() -> list[str]:
    """Of all of them, in the order in which "auto" tries them."""
    others = sorted(path.stem for path in HERE.glob("*.json") if path.stem not in FIRST)
    return [*FIRST, *others]


@lru_cache
def known(name: str) -> Description:
    """The layout that comes along by that name, or of a file that ends with ``.json``.

    Raises ``ConfigError`` for a file that is missing, or holds something else.
    """
    path = Path(name) if name.endswith(".json") else HERE / f"{name}.json"
    try:
        return Description.model_validate({"name": path.stem} | parsed(path.read_text(encoding="utf-8-sig")))
    except FileNotFoundError:
        raise ConfigError(
            f'"layout": file {path} does not exist: correct it, or name one of {", ".join(names())}'
        ) from None
    except ValidationError as error:
        raise ConfigError(f"layout file {path}: {sentence(error, Description)}") from None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"layout file {path} {error}") from None
