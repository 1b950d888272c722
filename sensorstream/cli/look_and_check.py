"""Commands that look and change nothing but where they are asked to: checks, verification, reports, configuration."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import LakeError
from ..formatting import printable
from .help import LOOK_AND_CHECK, Commands
from .options import AsJson, Asked, EngineName, Mode, Where, console, end_with, for_people

commands = Commands(LOOK_AND_CHECK)
config_commands = Commands(help="The configuration, and where it comes from.", no_args_is_help=True)
commands.add_typer(config_commands, name="config", rich_help_panel=LOOK_AND_CHECK)
layout_commands = Commands(help="The layout of the historian's tables.", no_args_is_help=True)
commands.add_typer(layout_commands, name="layout", rich_help_panel=LOOK_AND_CHECK)


@commands.command(example="check --date 2026-10-31 --docs data-docs")
def check(
    asked: Asked,
    docs: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the Data Docs of Great Expectations there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold source and lake of a window against what is expected of them, without a run."""
    settings, window = asked.settings_and_window()
    from ..checks.check_lake import check_lake
    from ..checks.check_source import check_source
    from ..checks.data_docs import data_docs
    from ..report.terminal import show_check

    with data_docs(docs) as pages:
        found = [look(settings, window, asked.pattern, docs=pages) for look in (check_source, check_lake)]
    for result in found:
        show_check(result, console(as_json))
    index = docs and str(docs / "index.html")
    if index:
        print(f"Data Docs {index}", file=for_people(as_json))
    told: dict[str, Any] = {result.subject: result.to_json() for result in found}
    end_with({"success": all(result.success for result in found), **told, "data_docs": index}, as_json)
    for result in found:
        result.raise_if_failed()


@commands.command(example="verify --start 2026-10-01 --end 2026-11-01")
def verify(
    asked: Asked,
    repair: Annotated[
        bool, typer.Option("--repair", help="Read from the source again what differs, and put it in place.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hold the lake against the source and against its own manifest; name every difference."""
    settings, window = asked.settings_and_window()
    from ..progress.display import shown
    from ..report.terminal import show_verification
    from ..report.verified import keep
    from ..verification.verify import verify as hold

    with shown() as tell:
        found = hold(settings, window, asked.pattern, repair=repair, progress=tell)
    show_verification(found, console(as_json))
    try:
        keep(settings, found)
    except LakeError as error:
        print(printable(f"the page of all runs does not tell of this: {error}"), file=sys.stderr)
    end_with(found.to_json(), as_json)
    found.raise_if_different()


@commands.command(example="reports --out all.html")
def reports(
    where: Where,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the page there instead of beside the reports.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the page of all runs: a calendar of days, trends, links to the reports.

    Every run does it at its end.
    """
    settings = where.settings()
    from ..report.index_page import build

    done = build(settings, out)
    print(f"index of {done.runs:,} runs: {done.place}", file=for_people(as_json))
    end_with(asdict(done), as_json)


@commands.command(example="doctor --config config.json")
def doctor(where: Where, as_json: AsJson = False) -> None:
    """Try whatever a night needs, and say what is missing: login, rights, clock, readings, store, disk, libraries.

    Reads no reading; writes a probe into lake and reports, and removes it.
    """
    settings = where.settings()
    from ..notebook_run.doctor import examine
    from ..report.terminal import show_tried

    tried = show_tried(examine(settings), console(as_json))
    end_with({"tried": [{"name": one.name, "verdict": one.verdict, "found": one.found} for one in tried]}, as_json)
    if missing := {one.name: one.failure for one in tried if one.failure}:
        raise type(next(iter(missing.values())))(f"not ready for a night: {', '.join(missing)}: see above what to do")


@config_commands.command("show", example="config show --config-source airflow")
def config_show(
    where: Where,
    engine: EngineName = None,
    write_mode: Mode = None,
    as_json: AsJson = False,
) -> None:
    """Every value, where it came from, secrets masked."""
    from ..config.provenance import explain

    arguments = {"engine": engine, "write_mode": write_mode}
    values = explain(where.file, where.config_source, arguments)
    if as_json:
        end_with({value.key: {"value": value.value, "origin": value.origin} for value in values}, as_json)
        return
    from ..report.terminal import show_values

    show_values(values, console(as_json))


@layout_commands.command("show", example="layout show thingsboard")
def layout_show(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One that comes along, or a file; all names without.")
    ] = None,
) -> None:
    """Print a layout that comes along, ready to edit."""
    from ..config.layouts.known import known, names

    if name is None:
        print("\n".join(names()))
    else:
        print(json.dumps(known(name).model_dump(mode="json", exclude_defaults=True), indent=2, ensure_ascii=False))


@layout_commands.command("guess", example="layout guess --config config.json > layout.json")
def layout_guess(where: Where) -> None:
    """Look at the historian's tables and propose a description, ready to edit."""
    settings = where.settings()
    from ..historian.layout_guess import guess_layout

    guess = guess_layout(settings)
    for remark in guess.remarks:
        print(printable(remark), file=sys.stderr)
    print(json.dumps(guess.layout, indent=2, ensure_ascii=False))


@layout_commands.command("check", example="layout check --config config.json")
def layout_check(where: Where, as_json: AsJson = False) -> None:
    """Say table by table what would be read: first and last reading, tags without readings, what does not fit."""
    settings = where.settings()
    from ..historian.layout_check import check_layout
    from ..report.terminal import show_layout

    found = check_layout(settings)
    show_layout(found, console(as_json))
    end_with(found.to_json(), as_json)
    found.raise_if_wrong()
