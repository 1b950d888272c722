"""Plan, record and verification as tables in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..formatting import printable, size
from ..pipeline.run_record import RunRecord, late_words, summary

if TYPE_CHECKING:
    from ..checks.result import CheckResult
    from ..config.provenance import Value
    from ..historian.layout_check import LayoutLook
    from ..notebook_run.doctor import Tried
    from ..planning.plan import Plan
    from ..publishing.compaction import Compacted
    from ..verification.result import Verification
    from .verdict import Sentence

MOST_SLICES = 24  # rows of the table


def shown(value: object, style: str = "") -> Text:
    """A name, or a sentence with one, as it is: neither markup nor a command to the terminal."""
    return Text(printable(str(value)), style)


def say(console: Console, sentence: str, style: str = "", *, head: str = "") -> None:
    """Print a line, however long, with a bold word before it."""
    console.print(Text.assemble((f"{head:<15}" if head else "", "bold"), shown(sentence, style)), soft_wrap=True)


def show_plan(plan: Plan, console: Console) -> None:
    """Print what a run would read: totals, a row a slice, notes."""
    console.print(
        f"[bold]{len(plan.tags):,} tags[/], about [bold]{plan.estimated_readings:,} readings[/], {plan.window}"
        f" ({plan.layout.name} layout)",
        highlight=False,
        soft_wrap=True,
    )
    say(console, f"partition tables: {', '.join(t.name for t in plan.tables) or 'none'}")
    rows = plan.rows()
    table = Table(box=SIMPLE, pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, justify="left" if name in ("partition table", "from") else "right", no_wrap=True)
    for row in rows[:MOST_SLICES]:
        table.add_row(*(shown(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row.values()))
    console.print(table)
    if len(rows) > MOST_SLICES:
        console.print(f"and {len(rows) - MOST_SLICES:,} slices more", highlight=False)
    for note in plan.notes:
        say(console, f"note: {note}")


def show_record(record: RunRecord, console: Console) -> None:
    """Print what a run did."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in summary(record).items():
        table.add_row(f"[bold]{name}[/]", shown(value))
    console.print(table)


def show_run(record: RunRecord, console: Console) -> None:
    """Print what a run did in a few lines: readings, files, late readings."""
    rejected = sum(record.rows_rejected.values())
    reasons = ", ".join(reason.replace("_", " ") for reason in record.rows_rejected)
    say(
        console,
        f"{record.rows_read:,} of {record.tags_selected:,} tags read: {record.rows_written:,} written,"
        f" {rejected:,} rejected{f' ({reasons})' if reasons else ''}, {record.rows_deduplicated:,} deduplicated",
        head="readings",
    )
    say(
        console,
        f"{record.files_written:,} written ({size(record.bytes_written)}), {record.files_unchanged:,} unchanged,"
        f" {record.files_removed:,} removed; {record.seconds['total']:.1f} s",
        head="files",
    )
    if record.late and record.late["tag_days"]:
        say(console, late_words(record.late), head="late")
    for warning in record.warnings:
        say(console, warning, "yellow", head="warning")


def show_found(found: Sequence[Sentence], console: Console) -> None:
    """Print what stands out."""
    for each in found:
        say(console, each.text, "red" if each.fails else "yellow", head="check")
    if not found:
        say(console, "nothing stands out", "green", head="check")


def show_tried(tried: Iterable[Tried], console: Console) -> list[Tried]:
    """Print each thing as it is tried, with what was found; all of them."""
    marks = {"fine": ("✓", ""), "doubt": ("!", "yellow"), "missing": ("✗", "bold red")}
    every = []
    for one in tried:
        mark, style = marks[one.verdict]
        say(console, one.found, style, head=f"{mark} {one.name}")
        every.append(one)
    return every


def show_layout(found: LayoutLook, console: Console) -> None:
    """Print what a layout makes of a historian: a row a table, then what was found of the tags."""
    say(console, f"layout {found.layout}, times in UTC", "bold")
    for one in found.tables:
        times = f"{one.first:%Y-%m-%d %H:%M:%S} to {one.last:%Y-%m-%d %H:%M:%S}" if one.first and one.last else "empty"
        say(console, f"{one.name}: {one.failure or f'{times}, {one.values}'}", "bold red" if one.failure else "")
    for sentence in found.sentences:
        say(console, sentence)


def address(place: str) -> str:
    """What a terminal or a browser opens: a file as ``file://``, the rest as it is."""
    return place if "://" in place else Path(place).resolve().as_uri()


def show_check(found: CheckResult, console: Console) -> None:
    """Print the verdict of a check, and what does not hold."""
    say(console, found.summary(), "green" if found.success else "bold red")
    table = Table("verdict", "expectation", "found", box=SIMPLE, pad_edge=False)
    for finding in (*found.failed, *found.warnings):
        table.add_row(finding.verdict, shown(finding.expectation), shown(finding.found()))
    if table.rows:
        console.print(table)
    for note in found.notes:
        say(console, f"note: {note}")


def show_compacted(done: Compacted, console: Console) -> None:
    """Print what compaction did."""
    if not done.months:
        say(console, "nothing to compact: no two files of a tag and month can become one")
        return
    files = f"{done.files_before:,} files became {done.files_after:,}"
    say(console, f"{', '.join(done.months)}: {files}, {done.bytes_before:,} bytes became {done.bytes_after:,}")


def show_verification(found: Verification, console: Console) -> None:
    """Print what differs and what was repaired, the first of both."""
    from ..verification.result import MOST_SHOWN
    from ..verification.result import summary as looked_at

    rows = found.rows()
    table = Table(box=SIMPLE, pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold", no_wrap=name in ("difference", "month", "repaired"))
    for row in rows[:MOST_SHOWN]:
        table.add_row(*map(shown, row.values()))
    if rows:
        console.print(table)
    if len(rows) > MOST_SHOWN:
        console.print(f"and {len(rows) - MOST_SHOWN:,} more: --json names them all", highlight=False)
    for note in found.notes:
        say(console, f"note: {note}")
    counts = f"{len(found.differences):,} differences, {len(found.repaired):,} repaired"
    say(console, f"{counts}, {looked_at(found)}")


def show_values(values: Sequence[Value], console: Console) -> None:
    """Print a configuration: key, value, origin."""
    from .config_table import written

    table = Table("key", "value", "from", box=SIMPLE, pad_edge=False)
    for value in values:
        table.add_row(*map(shown, (value.key, written(value.value), value.origin)))
    console.print(table)
