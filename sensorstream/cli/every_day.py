"""Commands of every day: what would be read, the readings moved, the whole run with its report."""

from __future__ import annotations

import sys

from ..formatting import printable
from .help import EVERY_DAY, Commands
from .options import AsJson, Asked, How, Verbose, console, end_with

commands = Commands(EVERY_DAY)


@commands.command(example="plan --date 2026-10-31")
def plan(asked: Asked, as_json: AsJson = False) -> None:
    """Show what a run would read: partition tables, tags, slices, estimated readings.

    Reads no reading, writes nothing.
    """
    settings, window = asked.settings_and_window()
    from ..pipeline.preview import plan as make
    from ..report.terminal import show_plan

    found = make(settings, window, asked.pattern)
    show_plan(found, console(as_json))
    end_with(found.to_json(), as_json)


@commands.command(example="ingest --date 2026-10-31 --pattern '^plant1/press/'")
def ingest(asked: Asked, how: How, as_json: AsJson = False) -> None:
    """Move the readings of a window to the lake: the module alone, no notebook."""
    settings, window = asked.settings_and_window(**how.arguments)
    from ..fast_import import arrow_without_pandas
    from ..pipeline.ingest import ingest as move
    from ..progress.display import shown
    from ..report.terminal import show_record
    from ..staging import master_of

    if master_of(settings) is None:
        arrow_without_pandas()
    with shown() as tell:
        record = move(settings, window, asked.pattern, progress=tell)
    show_record(record, console(as_json))
    for warning in record.warnings:
        print(f"sensorstream: warning: {printable(warning)}", file=sys.stderr)
    end_with(record.to_json(), as_json)


@commands.command(example="run --date 2026-10-31")
def run(asked: Asked, how: How, verbose: Verbose = False, as_json: AsJson = False) -> None:
    """Source check, ingest and lake check as notebooks, with a report: what Airflow runs."""
    asked.settings_and_window(**how.arguments)
    from ..notebook_run.run import run as execute

    done = execute(
        asked.file,
        config_source=asked.config_source,
        date=asked.date,
        start=asked.start,
        end=asked.end,
        patterns=asked.pattern,
        **how.arguments,
        console=console(as_json),
        verbose=verbose,
    )
    end_with(done.record.to_json(), as_json)
