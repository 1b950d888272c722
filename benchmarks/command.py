"""``sensorstream bench``: the cases, one after the other, and what becomes of their figures."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sensorstream.errors import ConfigError
from sensorstream.sandbox import Sandbox, down, up
from sensorstream.sandbox.state import State

from . import cold, docs, figures, picture, plants, table
from .cases import CASES, Case, Start
from .contender import KINDS, ContenderFailed, Spawned, spark_options
from .environment import ROOT, peers_python
from .machine import machine
from .order import make_order
from .rounds import Entrant, Result, Tell, measure

SANDBOX = ROOT / ".sandbox-bench"
FIGURES = ROOT / "build" / "bench"  # not among the reports: those are of runs
DOCS = ROOT / "docs" / "benchmark.md"

app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Asked:
    """The options of a run; ``None`` means the case's own."""

    readings: int | None
    rounds: int | None
    only: tuple[str, ...]

    def words(self, case: str) -> str:
        """The command that measures the same again."""
        words = ["sensorstream bench", *([f"--case {case}"] if case != "month" else [])]
        words += [f"--readings {self.readings}"] if self.readings else []
        words += [f"--rounds {self.rounds}"] if self.rounds else []
        return " ".join([*words, *(f"--only {name}" for name in self.only)])


@app.command()
def bench(
    case: Annotated[str, typer.Option(help=f"{', '.join(CASES)}, or all.")] = "month",
    readings: Annotated[int | None, typer.Option(min=1000, help="Readings of the plant; the case's own.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Timed rounds; the case's own.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="One contender of the case; repeatable.")] = None,
    write_docs: Annotated[bool, typer.Option("--write-docs", help="Write docs/benchmark.md as well.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the bench's servers running.")] = False,
    root: Annotated[
        Path, typer.Option(help="Folder of the bench's own sandbox.", show_default=".sandbox-bench")
    ] = SANDBOX,
) -> None:
    """Measure SensorStream against its peers; the first run makes their environment and ten million readings."""
    if case != "all" and case not in CASES:
        raise ConfigError(f'--case "{case}" is none of {", ".join(CASES)}, all')
    if unknown := sorted(set(only or ()) - KINDS.keys()):
        raise ConfigError(f'--only "{unknown[0]}" is none of {", ".join(KINDS)}')
    asked = Asked(readings, rounds, tuple(only or ()))
    console = Console()
    try:
        for name in CASES if case == "all" else (case,):
            found = run_case(name, asked, root, console)
            save(found, FIGURES)
            table.show(found, console)
            console.print(f"Figures and picture: build/bench/{name}.json, build/bench/{name}.png")
    finally:
        if not keep:
            down(root)
    if write_docs:
        docs.write(FIGURES, DOCS)
        console.print("Written: docs/benchmark.md")


def run_case(name: str, asked: Asked, root: Path, console: Console) -> dict[str, Any]:
    """Seed, start the contenders, measure; the case as it is saved."""
    case = CASES[name]
    starts = [s for s in case.starts(asked.readings or case.readings) if not asked.only or s.contender in asked.only]
    if not starts:
        raise ConfigError(f'case "{name}" has none of the contenders {", ".join(asked.only)}')
    sandbox = up(root)
    rounds = asked.rounds or case.rounds
    with _telling(console) as tell, ExitStack() as stack:
        stack.callback(clear, root / "scratch")
        clear(root / "scratch")
        peers = sys.executable
        if any(KINDS[start.contender].peer for start in starts):
            tell("the peers' environment")
            peers = str(peers_python())
        entrants, failed = [], []
        for start in starts:
            started = _start(start, case, sandbox, Path(peers), tell)
            if isinstance(started, Result):
                failed.append(started)
            else:
                stack.callback(started.contender.close)
                entrants.append(started)
        results = measure(
            entrants,
            rounds=rounds,
            servers=lambda: server_pids(root),
            tell=tell,
            before_round=(lambda: cold.cool(root)) if case.cold else None,
        )
        versions = {"PostgreSQL": _postgres_version(sandbox)}
        for entrant in entrants:
            versions |= entrant.contender.versions
    return {
        "case": name,
        "title": case.title,
        "note": case.note,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": asked.words(name),
        "rounds_asked": rounds,
        "machine": machine(),
        "versions": dict(sorted(versions.items())),
        **figures.to_json(name, [*results, *failed]),
    }


def _start(start: Start, case: Case, sandbox: Sandbox, peers: Path, tell: Tell) -> Entrant | Result:
    """Seed what it reads, start it, and wait until it is warm; a ``Result`` that says why if it does not start."""
    kind, plant = KINDS[start.contender], start.plant
    tell(f"{start.name}: seeding {plant.readings:,} readings")
    plants.make(sandbox, plant)
    scratch = sandbox.root / "scratch"
    order = make_order(
        sandbox,
        plant.dbname,
        plant.window,
        patterns=case.patterns,
        column=plant.column,
        scratch=scratch,
        kind=plant.kind,
    )
    tell(f"{start.name}: starting")
    try:
        contender = Spawned(
            start.name,
            kind,
            order.to_json(kind.options, spark_options() if kind.spark else {}),
            python=peers if kind.peer else Path(sys.executable),
            sandbox=sandbox,
            log=scratch / "logs" / f"{start.name.replace(' ', '-')}.log",
        )
    except ContenderFailed as error:
        return Result(start.name, kind.note, order.expected, kind.whole, failure=str(error))
    return Entrant(start.name, kind, order, contender)


def clear(scratch: Path) -> None:
    """Remove what contenders wrote to this machine's disk; their logs stay."""
    for name in ("lake", "dlt", "reports"):
        shutil.rmtree(scratch / name, ignore_errors=True)


def server_pids(root: Path) -> Mapping[str, int]:
    """Process ids of the two servers that do work for a contender."""
    state = State.load(root.resolve())
    servers = {"postgres": state.postgres, "s3": state.s3}
    return {name: server.process.pid for name, server in servers.items() if server.process}


def _postgres_version(sandbox: Sandbox) -> str:
    with psycopg.connect(sandbox.reader_dsn) as connection:
        return connection.info.parameter_status("server_version") or ""


def save(found: Mapping[str, Any], folder: Path) -> None:
    """Write the case's JSON and picture."""
    folder.mkdir(parents=True, exist_ok=True)
    name = found["case"]
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    picture.draw(found, folder / f"{name}.png")


@contextmanager
def _telling(console: Console) -> Iterator[Tell]:
    """What is being done, in one line that comes and goes; steps are not known before, so there is no end to it."""
    if not console.is_terminal:
        yield lambda text: print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda text: progress.update(task, description=text)
