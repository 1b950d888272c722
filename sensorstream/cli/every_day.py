"""Commands of every day: what would be read, the readings moved, the whole run with its report."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import typer

from ..formatting import printable
from .help import EVERY_DAY, Command, example
from .options import (
    AllowLoss,
    AsJson,
    ConfigFile,
    ConfigSource,
    Date,
    End,
    EngineName,
    Mode,
    Patterns,
    Start,
    Verbose,
    asked,
    console,
    end_with,
    file_of,
)

commands = typer.Typer()
command = partial(commands.command, cls=Command, rich_help_panel=EVERY_DAY)


@command(epilog=example("plan --date 2026-10-31", dated=True))
def plan(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    date: Date = None,
    start: Start = None,
    end: End = None,
    pattern: Patterns = None,
    as_json: AsJson = False,
) -> None:
    """Show what a run would read: partition tables, tags, slices, estimated readings.

    Reads no reading, writes nothing.
    """
    settings, window = asked(config, config_source, date, start, end)
    from ..pipeline.preview import plan as make
    from ..report.terminal import show_plan

    found = make(settings, window, pattern)
    show_plan(found, console(as_json))
    end_with(found.to_json(), as_json)


@command(epilog=example("ingest --date 2026-10-31 --pattern '^plant1/press/'", dated=True))
def ingest(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    date: Date = None,
    start: Start = None,
    end: End = None,
    pattern: Patterns = None,
    engine: EngineName = None,
    write_mode: Mode = None,
    allow_loss: AllowLoss = False,
    as_json: AsJson = False,
) -> None:
    """Move the readings of a window to the lake: the module alone, no notebook."""
    arguments = {"engine": engine, "write_mode": write_mode, "allow_loss": allow_loss or None}
    settings, window = asked(config, config_source, date, start, end, **arguments)
    from ..fast_import import arrow_without_pandas
    from ..pipeline.ingest import ingest as move
    from ..progress.display import shown
    from ..report.terminal import show_record
    from ..staging import master_of

    if master_of(settings) is None:
        arrow_without_pandas()
    with shown() as tell:
        record = move(settings, window, pattern, progress=tell)
    show_record(record, console(as_json))
    for warning in record.warnings:
        print(f"sensorstream: warning: {printable(warning)}", file=sys.stderr)
    end_with(record.to_json(), as_json)


@command(epilog=example("run --date 2026-10-31", dated=True))
def run(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    date: Date = None,
    start: Start = None,
    end: End = None,
    pattern: Patterns = None,
    engine: EngineName = None,
    write_mode: Mode = None,
    allow_loss: AllowLoss = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Source check, ingest and lake check as notebooks, with a report: what Airflow runs."""
    arguments: dict[str, Any] = {"engine": engine, "write_mode": write_mode, "allow_loss": allow_loss or None}
    asked(config, config_source, date, start, end, **arguments)
    from ..notebook_run.run import run as execute

    done = execute(
        file_of(config, config_source),
        config_source=config_source,
        date=date,
        start=start,
        end=end,
        patterns=pattern,
        **arguments,
        console=console(as_json),
        verbose=verbose,
    )
    end_with(done.record.to_json(), as_json)
