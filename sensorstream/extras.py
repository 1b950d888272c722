"""Libraries that an extra of the package brings, and what is said where one is not installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from .errors import ConfigError


def needs(what: str, **extras: Sequence[str]) -> None:
    """``ConfigError`` with the first module of each of ``extras`` that is not installed, and how to install it::

    needs("check_source", checks=("great_expectations", "pandas"))
    """
    missing = {extra: name for extra, names in extras.items() for name in reversed(names) if find_spec(name) is None}
    if missing:
        *some, last = dict.fromkeys(missing.values())
        names = f"{', '.join(some)} and {last}" if some else last
        raise ConfigError(f"{what} needs {names}: pip install 'sensorstream[{','.join(missing)}]'")
