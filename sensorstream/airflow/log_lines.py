"""What a task did, in lines for its log."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def did(folder: Path, notebook: str, timezone: str) -> list[str]:
    """What a notebook of the run in ``folder`` found, or moved: what the command line says of it."""
    from ..pipeline.run_record import RunRecord
    from ..report.anomalies import listed
    from ..report.run_page import check
    from ..report.terminal import show_found, show_run
    from ..report.verdict import sentences

    if notebook == "ingest":
        record = RunRecord.read(folder / "record.json")
        return _lines(lambda console: show_run(record, console))
    found = check(folder, notebook)
    if not found:
        return []
    told = sentences([found], listed(folder), timezone)
    return [found["summary"], *_lines(lambda console: show_found(told, console))]


def stands_out(folder: Path, timezone: str) -> list[str]:
    """What stands out in the run, as its report says."""
    from ..report.run_page import stands_out
    from ..report.terminal import show_found

    return _lines(lambda console: show_found(stands_out(folder, timezone), console))


def _lines(show: Callable[[Console], None]) -> list[str]:
    from rich.console import Console

    text = StringIO()
    show(Console(file=text, highlight=False, color_system=None, width=200))
    return text.getvalue().splitlines()
