"""Sensor patterns from a configuration service: fetched, checked, compiled by PostgreSQL before anyone uses them."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..config.credentials import login
from ..config.settings import Config
from ..config.wrong_values import first_of
from ..errors import ConfigError, SensorStreamError
from ..historian import connect
from ..historian.patterns import refuse_bad_patterns

PATIENCE_SECONDS = 30
MOST_BYTES = 1_000_000


class Offer(BaseModel):
    """What the service answers: ``{"sensor_patterns": ["^plant1/", ...], "version": "optional"}``, nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sensor_patterns: tuple[str, ...] = Field(min_length=1, max_length=10_000)
    version: str | None = None

    @field_validator("sensor_patterns")
    @classmethod
    def _no_empty_one(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if not all(pattern.strip() for pattern in patterns):
            raise ValueError("an empty pattern would select every tag")
        return patterns


@dataclass(frozen=True)
class Change:
    """Patterns before and after."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    version: str | None = None

    def __bool__(self) -> bool:
        return self.before != self.after

    @property
    def text(self) -> str:
        """What came and what went, in one line."""
        came = [f"+ {pattern}" for pattern in self.after if pattern not in self.before]
        went = [f"- {pattern}" for pattern in self.before if pattern not in self.after]
        return ", ".join(came + went) or ("another order" if self else "unchanged")


def offered(config: Config) -> Change:
    """The patterns that the service at ``patterns_url`` offers, held against those that count now.

    Raises
    ------
    ConfigError
        The answer does not have the schema, or PostgreSQL refuses a pattern: keep what there is.
    SensorStreamError
        The service does not answer; it may later.
    SourceError
        The historian cannot be reached, so that nothing can be compiled.
    """
    if config.patterns_url is None:
        raise ConfigError('there is no "patterns_url": name the address of the configuration service')
    offer = parse(fetch(config.patterns_url), where=config.patterns_url)
    with connect(login(config)) as connection:
        refuse_bad_patterns(connection, offer.sensor_patterns)
    return Change(config.sensor_patterns, offer.sensor_patterns, offer.version)


def fetch(url: str) -> bytes:
    """What the service answers."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            body: bytes = answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise SensorStreamError(
            f"configuration service {url} answered HTTP {error.code}: is the address right?"
        ) from None
    except OSError as error:
        raise SensorStreamError(f"configuration service {url} cannot be reached: {error}") from None
    if len(body) > MOST_BYTES:
        raise ConfigError(f"configuration service {url} answered more than {MOST_BYTES:,} bytes: is the address right?")
    return body


def parse(body: bytes, *, where: str) -> Offer:
    """The answer as an ``Offer``; ``ConfigError`` says what is wrong with it. Pure."""
    try:
        return Offer.model_validate_json(body)
    except ValidationError as error:
        key, why = first_of(error)
        raise ConfigError(f'configuration service {where}: "{key or "answer"}": {why}: the old patterns stay') from None
