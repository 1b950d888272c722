"""Where each value of a configuration came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .credentials import login
from .masking import MASK, flat
from .settings import Config
from .sources import Layer, Source, layers, load

DEFAULT = "default"


@dataclass(frozen=True)
class Value:
    """One value as it counts in a run; secrets are dots."""

    key: str
    value: Any
    origin: str


def explain(
    path: str | os.PathLike[str] | None, source: Source = "file", arguments: Mapping[str, Any] | None = None
) -> list[Value]:
    """Every value of the configuration that ``load`` gives for the same arguments, in the order of its keys.

    Where ``db_secret_id`` is set, the secret is asked: what it says of the login counts above the file and the
    Variables. Raises ``ConfigError`` as ``load`` and ``login`` do.
    """
    config = load(path, source=source, arguments=arguments)
    found = layers(path, source, arguments)
    values = [Value(key, value, _origin(key, found)) for key, value in flat(config.masked())]
    return _with_secret(config, values) if config.db_secret_id else values


def _origin(key: str, found: list[Layer]) -> str:
    """The highest layer that says ``key``; one that gives the object it is in as a whole counts too."""
    first, _, rest = key.partition(".")
    for name, values in reversed(found):
        if first not in values:
            continue
        inner = values[first]
        if first != "db" or not rest or (isinstance(inner, Mapping) and rest in inner):
            return name
    return DEFAULT


def _with_secret(config: Config, values: list[Value]) -> list[Value]:
    used = login(config)
    shown = {name: MASK if name == "password" else getattr(used, name) for name in used.of_secret}
    origin = f"AWS Secrets Manager, {config.db_secret_id}"
    return [
        Value(value.key, shown[name], origin) if (name := value.key.removeprefix("db.")) in shown else value
        for value in values
    ]
