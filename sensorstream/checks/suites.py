"""The suites: JSON files in Great Expectations' own format, found beside the package. Pure but for reading them.

A value ``{"$PARAMETER": name}`` is filled in by the check. ``severity`` decides what a failure means: ``critical`` ends
the run, ``warning`` and ``info`` are shown. ``description`` is the expectation in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.strict_json import parsed
from ..errors import ConfigError
from ..project_files import project_folder

SEVERITIES = ("critical", "warning", "info")
PARAMETER = "$PARAMETER"


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
        asked = (e["kwargs"] for e in self.expectations if e["kwargs"].get("column") == column)
        return min((most for kwargs in asked if (most := kwargs.get("max_value")) is not None), default=float("inf"))


def load_suite(name: str, folder: Path | None = None) -> Suite:
    """Read ``<folder>/<name>.json``.

    Raises
    ------
    ConfigError
        No such file, no JSON, no list of expectations, or one without type, keywords or a known severity.
    """
    path = (folder or project_folder("expectations")) / f"{name}.json"
    try:
        suite = parsed(path.read_text(encoding="utf-8"))
        expectations = suite["expectations"]
        for number, expectation in enumerate(expectations, 1):
            if not isinstance(expectation["type"], str) or not isinstance(expectation["kwargs"], dict):
                raise TypeError("type or kwargs")
            if (severity := expectation.get("severity", "critical")) not in SEVERITIES:
                raise ConfigError(
                    f'{path}, expectation {number}: severity "{severity}" is none of {", ".join(SEVERITIES)}'
                )
    except FileNotFoundError:
        raise ConfigError(f"the suite {path} does not exist: restore it") from None
    except (OSError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"the suite {path} is not one of Great Expectations, a list of type and kwargs: {error}"
        ) from None
    except ValueError as error:
        raise ConfigError(f"the suite {path} {error}") from None
    return Suite(name, tuple(expectations))


def _asked(expectation: Mapping[str, Any]) -> Iterator[str]:
    """The parameters that an expectation's keywords name."""
    for value in expectation["kwargs"].values():
        if isinstance(value, dict) and PARAMETER in value:
            yield value[PARAMETER]
