"""Progress where people look: a bar in a terminal, lines in a log, one line in a notebook's cell."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from ..atomic_files import replace_text
from .steps import Progress, Step, every

LINE_SECONDS = 10.0  # between two lines of a log
CELL_SECONDS = 0.3  # between two changes of a notebook's cell
FILE = "progress.txt"  # in a run's folder: the notebook writes it, whoever waits for the notebook reads it


@contextmanager
def shown() -> Iterator[Progress]:
    """On standard error: a bar that vanishes at the end, or, where that is no terminal, a line from time to time."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines(lambda line: print(line, file=sys.stderr, flush=True))
        return
    words = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis"))
    with Bar(BarColumn(20), TimeElapsedColumn(), words, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda step: bar.update(task, description=str(step), completed=step.share, total=1.0)


def lines(write: Callable[[str], None]) -> Progress:
    """A line every ten seconds; a phase that takes less says nothing."""
    last: list[Any] = [None, time.monotonic()]  # phase, when it was last spoken of

    def tell(step: Step) -> None:
        now = time.monotonic()
        if step.phase != last[0]:
            last[:] = [step.phase, now]
        elif now - last[1] >= LINE_SECONDS:
            last[1] = now
            write(str(step))

    return tell


def in_notebook(run_folder: str | os.PathLike[str] | None = None) -> Progress:
    """One line under the cell, kept up to date, with a bar where it is shown; the last of each phase stays. It is kept
    in ``run_folder`` as well, for those who wait for the notebook: terminal and log."""
    from IPython.display import HTML, display

    said: dict[str, Step] = {}
    handle = display(HTML("starting"), display_id=True)
    last = [0.0]

    def tell(step: Step) -> None:
        fresh = step.phase not in said
        said[step.phase] = step
        if not fresh and step.share < 1 and time.monotonic() - last[0] < CELL_SECONDS:
            return
        last[0] = time.monotonic()
        if run_folder:
            replace_text(Path(run_folder) / FILE, str(step))
        if handle is not None:
            handle.update(Line(tuple(said.values())))

    return tell


class Line:
    """The steps of a run as a notebook shows them."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps

    def __repr__(self) -> str:
        return "; ".join(map(str, self.steps))

    def _repr_html_(self) -> str:
        rows = []
        for step in self.steps:
            bar = f'<progress value="{step.share:.3f}" aria-label="{escape(step.phase)}"></progress> '
            rows.append(f"<div>{bar if step.share < 1 else ''}{escape(str(step))}</div>")
        return "".join(rows)


@contextmanager
def followed(folder: Path, write: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, write what a notebook keeps in its run's folder, every ten seconds if it is new."""
    said = read_line(folder)

    def follow() -> None:
        nonlocal said
        if (line := read_line(folder)) != said:
            write(line)
            said = line

    with every(LINE_SECONDS, follow):
        yield


def read_line(folder: Path) -> str:
    """What a notebook kept last, empty if nothing."""
    try:
        return (folder / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
