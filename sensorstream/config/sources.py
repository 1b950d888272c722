"""One configuration from several places, highest first: arguments, Airflow Variables, a JSON file, defaults.

Credentials of the historian may come from AWS Secrets Manager instead (see ``credentials``); ``provenance`` tells where
each value came from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from ..errors import ConfigError
from .airflow_variables import variables
from .settings import Config
from .strict_json import read
from .wrong_values import sentence

Source = Literal["file", "airflow", "aws"]
Layer = tuple[str, Mapping[str, Any]]  # where values come from, and they


def load(
    path: str | os.PathLike[str] | None = None,
    *,
    source: Source = "file",
    arguments: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration of a run.

    Parameters
    ----------
    path
        A JSON file with one object; ``None`` where another source holds everything.
    source
        ``airflow`` lays Airflow Variables over the file; ``aws`` insists on ``db_secret_id``.
    arguments
        Keys that win over every other source; a ``None`` value is no value.

    Returns
    -------
    Config
        Checked as far as it can be without historian and lake.

    Raises
    ------
    ConfigError
        A file that is missing or no JSON, an unknown key, a value of the wrong kind.
    """
    values = merged(layers(path, source, arguments))
    if not values:
        raise ConfigError("no configuration given: use --config FILE; in a notebook, config_path or `make lab`")
    config = check(values, where=str(path) if path else "the configuration")
    if config.aws_credentials_file and not Path(config.aws_credentials_file).is_file():
        raise ConfigError(
            f'"aws_credentials_file": {config.aws_credentials_file} does not exist: correct it, or leave '
            "the key out for the usual AWS chain"
        )
    if source == "aws" and not config.db_secret_id:
        raise ConfigError('config_source "aws" needs "db_secret_id": name the secret that holds the credentials')
    return config


def layers(
    path: str | os.PathLike[str] | None, source: Source = "file", arguments: Mapping[str, Any] | None = None
) -> list[Layer]:
    """What each source says, the lowest first; a later one wins key by key, inside ``db`` and ``spark_conf`` too."""
    if source not in get_args(Source):
        raise ConfigError(f'config_source "{source}" is none of {", ".join(get_args(Source))}')
    found: list[Layer] = [(f"file {path}", _read(Path(path)))] if path is not None else []
    if source == "airflow":
        found += [(f"Airflow Variable {name}", values) for name, values in variables()]
    return [*found, ("argument", {key: value for key, value in (arguments or {}).items() if value is not None})]


def merged(found: Sequence[Layer]) -> dict[str, Any]:
    """One object of several. Pure."""
    values: dict[str, Any] = {}
    for _, more in found:
        nested = {key: (values.get(key), more.get(key)) for key in ("db", "spark_conf")}
        both = {key: {**a, **b} for key, (a, b) in nested.items() if isinstance(a, Mapping) and isinstance(b, Mapping)}
        values |= {**more, **both}
    return values


def check(values: Mapping[str, Any], *, where: str) -> Config:
    """``values`` as a ``Config``; the first thing wrong with them as a ``ConfigError``."""
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"{where}: {sentence(error, Config)}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return read(path)
    except FileNotFoundError:
        raise ConfigError(f"configuration file {path} does not exist: check its path") from None
    except ValueError as error:
        raise ConfigError(f"configuration file {path} {error}") from None
