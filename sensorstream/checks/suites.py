"""The suites: JSON files in Great Expectations' own format, found beside the package. Pure but for reading them.

A value ``{"$PARAMETER": name}`` is filled in by the check. ``severity`` decides what a failure means: ``critical`` ends
the run, ``warning`` and ``info`` are shown. ``description`` is the expectation in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from ..config.strict_json import read
from ..config.wrong_values import sentence
from ..errors import ConfigError
from ..project_files import project_folder

PARAMETER = "$PARAMETER"


class Expectation(BaseModel):
    """What is asked of an expectation here; the rest is between the file and the library."""

    model_config = ConfigDict(strict=True)
    type: str
    kwargs: dict[str, Any]
    severity: Literal["critical", "warning", "info"] = "critical"
    description: str | None = None
    meta: dict[str, Any] | None = None

    @field_validator("kwargs")
    @classmethod
    def _known_kinds(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        for name, value in kwargs.items():
            if isinstance(value, dict) and not isinstance(value.get(PARAMETER, ""), str):
                raise ValueError(f'"{name}": {PARAMETER} is a name')
        return kwargs


@dataclass(frozen=True)
class Suite:
    """One file: its name without ``.json`` and its expectations as they stand there."""

    name: str
    expectations: tuple[dict[str, Any], ...]

    def given(self, parameters: Mapping[str, Any]) -> Suite:
        """The suite without the expectations that ask for a parameter which is ``None``: nothing to compare with.

        Raises ``ConfigError`` for a parameter that the check does not know.
        """
        for name in (name for expectation in self.expectations for name in _asked(expectation)):
            if name not in parameters:
                raise ConfigError(
                    f'{self.name}.json asks for the parameter "{name}": known are {", ".join(sorted(parameters))}'
                )
        kept = (e for e in self.expectations if all(parameters[name] is not None for name in _asked(e)))
        return Suite(self.name, tuple(kept))

    def at_most(self, column: str) -> float:
        """The greatest value that the suite expects of a column; without end where it expects none."""
        most = (e["kwargs"].get("max_value") for e in self.expectations if e["kwargs"].get("column") == column)
        return min((value for value in most if isinstance(value, int | float)), default=float("inf"))


def load_suite(name: str, folder: Path | None = None) -> Suite:
    """Read ``<folder>/<name>.json``.

    Raises
    ------
    ConfigError
        No such file, no JSON, no list of expectations, or one without type, keywords or a known severity.
    """
    path = (folder or project_folder("expectations")) / f"{name}.json"
    try:
        expectations = read(path).get("expectations")
    except FileNotFoundError:
        raise ConfigError(f"the suite {path} does not exist: restore it") from None
    except ValueError as error:
        raise ConfigError(f"the suite {path} {error}") from None
    if not isinstance(expectations, list):
        raise ConfigError(f"the suite {path} is not one of Great Expectations: it has no list of expectations")
    for number, expectation in enumerate(expectations, 1):
        try:
            Expectation.model_validate(expectation)
        except ValidationError as error:
            raise ConfigError(f"the suite {path}, expectation {number}: {sentence(error, Expectation)}") from None
    return Suite(name, tuple(expectations))


def _asked(expectation: Mapping[str, Any]) -> Iterator[str]:
    """The parameters that an expectation's keywords name."""
    for value in expectation["kwargs"].values():
        if isinstance(value, dict) and PARAMETER in value:
            yield value[PARAMETER]
