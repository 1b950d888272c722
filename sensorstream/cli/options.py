"""The options that several commands have, each spelled once, and what a command makes of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from ..config.settings import Config, Engine, WriteMode
from ..config.sources import Source, load
from ..errors import ConfigError
from ..windows import Window, window_of
from .help import one_of

if TYPE_CHECKING:
    from rich.console import Console

VARIABLE = "SENSORSTREAM_CONFIG"
USUAL_FILE = Path("config.json")  # of the working folder

EngineName = Annotated[
    Engine | None, typer.Option("--engine", metavar=one_of(Engine), help="How readings leave the historian.")
]
Mode = Annotated[
    WriteMode | None,
    typer.Option(
        "--write-mode", metavar=one_of(WriteMode), help="Replace the window's readings, or add what is not there."
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the plan, the whole record and the checks.")]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="One JSON object as the last line of output; all else on standard error."),
]

submitted: dict[str, Any] = {}  # keys that spark-submit decides


@dataclass(frozen=True)
class Where:
    """Options of every command that has a configuration."""

    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "--config-path", metavar="FILE",
            help=f"The configuration; without it, the file that {VARIABLE} names, else {USUAL_FILE} in this folder.",
        ),
    ] = None  # fmt: skip
    config_source: Annotated[
        Source,
        typer.Option(
            metavar=one_of(Source),
            help="The file alone, Airflow Variables above it, or the login from AWS Secrets Manager.",
        ),
    ] = "file"

    def settings(self, **arguments: Any) -> Config:
        """The configuration."""
        return load(self.file, source=self.config_source, arguments=arguments | submitted)

    @property
    def file(self) -> Path | None:
        """The file of the configuration; ``None`` where Airflow Variables may say it all and no file is named."""
        if self.config:
            return self.config
        if named := os.environ.get(VARIABLE):
            if not Path(named).exists():
                raise ConfigError(f"{VARIABLE} names {named}, which does not exist: set it right, or use --config FILE")
            return Path(named)
        if self.config_source == "airflow":
            return None
        if not USUAL_FILE.exists():
            raise ConfigError(
                f"no configuration: use --config FILE, name the file in {VARIABLE}, or write {USUAL_FILE} in"
                f" {Path.cwd()}"
            )
        return USUAL_FILE


@dataclass(frozen=True)
class Asked(Where):
    """Options of every command that has a window too; ``pattern`` says which tags."""

    date: Annotated[str | None, typer.Option(metavar="DAY", help="A day in the configured time zone.")] = None
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="First instant, ISO 8601; a bare date is midnight.")
    ] = None
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="First instant after the window, written the same way.")
    ] = None
    pattern: Annotated[
        list[str] | None, typer.Option(metavar="REGEX", help="PostgreSQL regular expression of tag paths; repeatable.")
    ] = None

    def settings_and_window(self, **arguments: Any) -> tuple[Config, Window]:
        """The configuration, and the window in its time zone."""
        settings = self.settings(**arguments)
        return settings, window_of(settings.timezone, self.date, start=self.start, end=self.end)


@dataclass(frozen=True)
class How:
    """Options of every command that writes; what is not said counts as configured."""

    engine: EngineName = None
    write_mode: Mode = None
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="Publish even where tags lose most of what the lake holds of them.")
    ] = False

    @property
    def arguments(self) -> dict[str, Any]:
        """The same as keys of the configuration."""
        return {"engine": self.engine, "write_mode": self.write_mode, "allow_loss": self.allow_loss or None}


def for_people(as_json: bool) -> TextIO:
    """Where sentences go: beside ``--json`` standard output is for programs."""
    return sys.stderr if as_json else sys.stdout


def console(as_json: bool) -> Console:
    """The same for tables."""
    from rich.console import Console

    return Console(file=for_people(as_json), highlight=False)


def end_with(found: Mapping[str, Any], as_json: bool) -> None:
    """Print the JSON object of ``--json``, where it is asked for."""
    if as_json:
        print(json.dumps(found))
