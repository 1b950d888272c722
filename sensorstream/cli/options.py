"""The options that several commands have, each spelled once, and what a command makes of them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
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

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "--config-path", metavar="FILE",
        help=f"The configuration; without it, the file that {VARIABLE} names, else {USUAL_FILE} in this folder.",
    ),
]  # fmt: skip
ConfigSource = Annotated[
    Source,
    typer.Option(
        metavar=one_of(Source),
        help="The file alone, Airflow Variables above it, or the login from AWS Secrets Manager.",
    ),
]
Date = Annotated[str | None, typer.Option("--date", metavar="DAY", help="A day in the configured time zone.")]
Start = Annotated[
    str | None, typer.Option("--start", metavar="TIME", help="First instant, ISO 8601; a bare date is midnight.")
]
End = Annotated[
    str | None, typer.Option("--end", metavar="TIME", help="First instant after the window, written the same way.")
]
Patterns = Annotated[
    list[str] | None,
    typer.Option("--pattern", metavar="REGEX", help="PostgreSQL regular expression of tag paths; repeatable."),
]
EngineName = Annotated[
    Engine | None, typer.Option("--engine", metavar=one_of(Engine), help="How readings leave the historian.")
]
Mode = Annotated[
    WriteMode | None,
    typer.Option(
        "--write-mode", metavar=one_of(WriteMode), help="Replace the window's readings, or add what is not there."
    ),
]
AllowLoss = Annotated[
    bool, typer.Option("--allow-loss", help="Publish even where tags lose most of what the lake holds of them.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the plan, the whole record and the checks.")]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="One JSON object as the last line of output; all else on standard error."),
]

submitted: dict[str, Any] = {}  # keys that spark-submit decides


def asked(
    config: Path | None, source: Source, date: str | None, start: str | None, end: str | None, **arguments: Any
) -> tuple[Config, Window]:
    """The configuration and the window of a command line."""
    settings = settings_of(config, source, **arguments)
    return settings, window_of(settings.timezone, date, start=start, end=end)


def settings_of(config: Path | None, source: Source, **arguments: Any) -> Config:
    """The configuration of a command line."""
    return load(file_of(config, source), source=source, arguments=arguments | submitted)


def file_of(given: Path | None, source: Source) -> Path | None:
    """The file of the configuration; ``None`` where Airflow Variables may say it all and no file is named."""
    if given:
        return given
    if named := os.environ.get(VARIABLE):
        if not Path(named).exists():
            raise ConfigError(f"{VARIABLE} names {named}, which does not exist: set it right, or use --config FILE")
        return Path(named)
    if source == "airflow":
        return None
    if not USUAL_FILE.exists():
        raise ConfigError(
            f"no configuration: use --config FILE, name the file in {VARIABLE}, or write {USUAL_FILE} in {Path.cwd()}"
        )
    return USUAL_FILE


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
