"""A whole run through its notebooks: source check, ingest, lake check, and the report of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from ..config.provenance import Value, explain
from ..config.settings import OVERRIDES, Config
from ..config.sources import load
from ..errors import LakeError, SensorStreamError
from ..extras import needs
from ..pipeline.run_record import RunRecord, run_id
from ..progress.display import read_line
from ..report import storage
from ..report.terminal import address, say, show_found, show_plan, show_record, show_run
from ..signals import stopped
from ..windows import Window, window_of
from .execute import code_cells, find
from .execute import execute as execute_notebook

RECORD = "record.json"
STEPS = ("check_source", "ingest", "check_lake")
NEEDED = {
    "lab": ("papermill", "ipykernel", "nbconvert", "matplotlib", "jinja2", "tsdownsample"),
    "checks": ("great_expectations", "pandas"),
}


@dataclass(frozen=True)
class RunOutcome:
    """What a run left: its folder with the executed notebooks, the report, and the record.

    Both are paths, or begin with ``s3://`` where reports are kept there.
    """

    folder: str
    report: str
    record: RunRecord


def run(
    config_path: str | os.PathLike[str] | None,
    *,
    config_source: Any = "file",
    date: str | None = None,
    start: str | None = None,
    end: str | None = None,
    patterns: Sequence[str] | None = None,
    engine: str | None = None,
    write_mode: str | None = None,
    allow_loss: bool | None = None,
    console: Console | None = None,
    verbose: bool = False,
) -> RunOutcome:
    """Execute the three notebooks and write the report, whether or not the run succeeds.

    Parameters
    ----------
    config_path
        The JSON file of the configuration; ``None`` where ``config_source`` holds everything.
    config_source
        ``file``, ``airflow`` or ``aws``, as for ``load``.
    date, start, end
        A day of the configured time zone; or a window, half open, ISO 8601, whole seconds; a bare date is midnight.
    patterns
        PostgreSQL regular expressions of tag paths; those of the configuration by default.
    engine, write_mode, allow_loss
        Keys of the configuration that this run sets itself.
    console, verbose
        Where progress and summary are shown, standard output by default; ``verbose``: plan, record and checks too.

    Returns
    -------
    RunOutcome
        ``folder`` is ``<reports_path>/<run id>/<started>``; the report is ``report.html`` in it.

    Raises
    ------
    SensorStreamError
        What the failing notebook raised; it and the report are kept as far as they came. ``LakeError`` where all
        went well but the report could not be kept; it says where it is instead.
    """
    needs("sensorstream run", **NEEDED)
    console = console or Console(highlight=False)
    arguments = dict(zip(OVERRIDES, (engine, write_mode, allow_loss), strict=True))
    config = load(config_path, source=config_source, arguments=arguments)
    window = window_of(config.timezone, day=date, start=start, end=end)
    name = f"{run_id(window, config.patterns(patterns))}/{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    place = storage.kept_at(config, folder := storage.run_folder(config, name), name)
    report = f"{place}/report.html"
    parameters = {
        "config_path": str(Path(config_path).resolve()) if config_path else None,
        "config_source": config_source,
        **{"date": date, "start": start, "end": end},
        "patterns": list(config.patterns(patterns)) if patterns else None,
        "run_folder": str(folder),
        **arguments,
    }
    failure: SensorStreamError | None = None
    settings: list[Value] | None = None
    try:
        settings = explain(config_path, config_source, arguments)
        with _room_in(folder):
            _execute(config, window, folder, parameters, console, verbose)
    except (KeyboardInterrupt, SensorStreamError) as error:
        failure = stopped(error)  # a supervisor ends the kernels too, which would be said to have died
    _write_report(folder, config, window, failure, patterns, settings, (parameters["config_path"], config_source))
    if failure:
        try:
            _keep(config, folder, name, report, console)
        except SensorStreamError as error:  # the run's own failure says more of what to do
            say(console, str(error), head="report")
        raise type(failure)(str(failure).replace(str(folder), place)) from failure
    record = replace(_record(folder), report=report)
    record.save(folder / RECORD)
    _show(record, config, folder, console, verbose)
    _keep(config, folder, name, report, console)
    return RunOutcome(place, report, record)


@contextmanager
def _room_in(folder: Path) -> Iterator[None]:
    """``LakeError`` where the folder of a run takes no executed notebook, or no log of a kernel."""
    try:
        yield
    except OSError as error:
        said = f"{folder}, where the run keeps what it executes: {error.strerror or error}: make room there"
        raise LakeError(said, published=(folder / RECORD).exists()) from error


def _record(folder: Path) -> RunRecord:
    """What the ingest notebook recorded; ``SensorStreamError`` where one of somebody's own records nothing."""
    if not (folder / RECORD).exists():
        raise SensorStreamError(
            f"the notebook ingest.ipynb leaves no {RECORD} in {folder}: end it as the one of the package does, with the"
            f" record's save(run_folder / {RECORD!r})"
        )
    return RunRecord.read(folder / RECORD)


def _write_report(
    folder: Path, config: Config, window: Window, failure: SensorStreamError | None, patterns: Sequence[str] | None,
    settings: Sequence[Value] | None, opened: tuple[str | None, str],
) -> None:  # fmt: skip
    from ..report import run_page

    try:
        run_page.write(folder, config, window, failure, patterns=patterns, settings=settings, opened=opened)
    except (OSError, ValueError) as error:  # also of a notebook that half is there of
        said = getattr(error, "strerror", error)
        raise failure or LakeError(
            f"the readings are in the lake and checked, but no report can be written to {folder}: {said}:"
            " make room there, and run again for the report"
        ) from error


def _show(record: RunRecord, config: Config, folder: Path, console: Console, verbose: bool) -> None:
    from ..report import run_page

    (show_record if verbose else show_run)(record, console)
    show_found(run_page.stands_out(folder, config.timezone), console)


def _keep(config: Config, folder: Path, name: str, report: str, console: Console) -> None:
    """The run's folder to where reports are kept, and the page of all runs with it."""
    from ..report import index_page

    storage.keep(config, folder, name)
    index = index_page.build(config)
    for name, place in (("report", report), ("all runs", index.place)):
        say(console, address(place), head=name)


class LastLine(ProgressColumn):
    """What the ingest notebook says of its progress."""

    max_refresh = 0.5

    def __init__(self, folder: Path) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis"))
        self.folder = folder

    def render(self, task: Task) -> Text:
        return Text(read_line(self.folder) if task.description == "ingest" and not task.finished else "", style="dim")


# What kernels import before it is their turn. The checks' library takes so long that the first check need not wait for
# it: the historian sums up meanwhile. What is imported stays, so that the garbage collector need not look at it.
TO_CHECK = """
from threading import Thread
from sensorstream.checks.gx_library import load_library
import pandas
Thread(target=load_library).start()
"""
TO_INGEST = """
import gc
gc.disable()
import sensorstream.pipeline.ingest, sensorstream.progress.display, sensorstream.report
import matplotlib.backends.backend_svg, pandas
gc.freeze()
gc.enable()
"""


def _execute(
    config: Config, window: Window, folder: Path, parameters: dict[str, Any], console: Console, verbose: bool
) -> None:
    """One notebook after the other, the lake's check beside the pictures of ingest: both checks in one kernel, whose
    library takes longest to import, and the kernel of ingest begun while that is still at it."""
    from .kernel import OURS, Kernel

    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        LastLine(folder),
    )
    # Kernels end before the thread that waits for one is waited for.
    with ThreadPoolExecutor(1) as aside, ExitStack() as kernels, Progress(*columns, console=console) as progress:

        def begin(name: str, ahead: str) -> Kernel:
            kernel = Kernel(folder / f"{name}.log", OURS + ahead)
            kernels.callback(kernel.close)
            return kernel

        def execute(name: str, kernel: Kernel, on_cell: Callable[[], None] = lambda: None) -> None:
            progress.start_task(tasks[name])

            def advance() -> None:
                progress.advance(tasks[name])
                on_cell()

            execute_notebook(paths[name], folder / f"{name}.ipynb", parameters, kernel=kernel, on_cell=advance)
            progress.update(tasks[name], completed=progress.tasks[tasks[name]].total)
            if verbose and name != "ingest":
                from ..report import run_page

                progress.console.print(run_page.check_summary(folder, name), style="green", soft_wrap=True)

        checks = begin("checks", TO_CHECK)
        paths = {name: find(name) for name in STEPS}
        tasks = {
            name: progress.add_task(name.replace("_", " "), total=code_cells(path), start=False)
            for name, path in paths.items()
        }
        checking = aside.submit(execute, "check_source", checks)
        from ..report import run_page

        run_page.prepare(config)
        # The second last: with three at once on two cores, the checks would be ready later.
        ingest = begin("ingest", TO_INGEST)
        checking.result()
        checks.forget()
        if verbose:
            from ..pipeline.preview import plan as make_plan

            show_plan(make_plan(config, window, parameters["patterns"]), progress.console)
        checked: list[Future[None]] = []

        def check_what_is_recorded() -> None:
            if not checked and (folder / RECORD).exists():
                checked.append(aside.submit(execute, "check_lake", checks))

        try:
            execute("ingest", ingest, check_what_is_recorded)
        except SensorStreamError:
            wait(checked)  # what is in the lake is checked, whatever becomes of its pictures
            raise
        ingest.close()  # its memory, and a Java of its own
        _record(folder)
        check_what_is_recorded()  # where the last cell is what wrote the record
        checked[0].result()
