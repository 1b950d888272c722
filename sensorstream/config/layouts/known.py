"""The layouts that come along, by name."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from ...errors import ConfigError
from ..strict_json import read
from ..wrong_values import sentence
from .description import Description

HERE = files(__package__)  # on executors in an archive
FIRST = ("ignition", "generic")  # that "auto" looks for


def names() -> list[str]:
    """Of all of them, in the order in which "auto" tries them."""
    others = sorted(
        {path.name.removesuffix(".json") for path in HERE.iterdir() if path.name.endswith(".json")} - {*FIRST}
    )
    return [*FIRST, *others]


def known(name: str) -> Description:
    """The layout that comes along by that name, or of a file that ends with ``.json``.

    Raises ``ConfigError`` for a file that is missing, or holds something else.
    """
    if not name.endswith(".json"):
        return _of(HERE / f"{name}.json", name)
    path = Path(name)
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise ConfigError(f"layout file {path} is no file: name one")
    return _of(path, path.stem)


def _of(file: Path | Traversable, name: str) -> Description:
    try:
        return Description.model_validate({"name": name} | read(file))
    except FileNotFoundError:
        raise ConfigError(
            f'"layout": file {file} does not exist: correct it, or name one of {", ".join(names())}'
        ) from None
    except ValidationError as error:
        raise ConfigError(f"layout file {file}: {sentence(error, Description)}") from None
    except ValueError as error:
        raise ConfigError(f"layout file {file} {error}") from None
