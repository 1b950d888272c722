"""Commands to try things with: the sandbox and what is in it, the demo, JupyterLab, Airflow, the benchmark."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError
from ..formatting import printable
from ..project_files import PACKAGE
from ..sandbox import ROOT
from ..sandbox.plant_tags import Layout, PlantOptions
from .help import SANDBOX, Commands, one_of
from .options import AsJson, console, end_with, for_people

if TYPE_CHECKING:
    from ..sandbox.plant import SeedSummary
    from ..sandbox.replay import ReplaySummary

commands = Commands(SANDBOX)
servers_commands = Commands(
    help="A real PostgreSQL, S3 and Secrets Manager on 127.0.0.1 to try things on.", no_args_is_help=True
)
commands.add_typer(servers_commands, name="sandbox", rich_help_panel=SANDBOX)

Root = Annotated[Path, typer.Option("--root", metavar="FOLDER", help="Folder of the sandbox: state, data, logs.")]
PLANT = PlantOptions()
DAY, MONTH = timedelta(days=1), timedelta(days=30)


@commands.command(example="demo")
def demo(
    spark: Annotated[
        bool, typer.Option("--spark", help="Once more on a Spark cluster: the same objects with the same bytes.")
    ] = False,
) -> None:
    """Start the sandbox, fill it with a simulated plant, run the whole pipeline on it."""
    from .demo import demo as show

    show(cluster=spark)


@commands.command(example="lab")
def lab() -> None:
    """JupyterLab on the notebooks, sandbox running, kernel ready."""
    from .local_servers import lab as start_lab

    start_lab()


@commands.command(example="airflow")
def airflow() -> None:
    """Airflow with the DAGs loaded, sandbox running."""
    from .local_servers import airflow as start_airflow

    start_airflow()


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def bench(context: typer.Context) -> None:
    """Measure against the peers: a table of ratios, a JSON file, a picture.

    Needs the project's folder.
    """
    root = PACKAGE.parent
    if not (root / "benchmarks" / "command.py").is_file():
        raise ConfigError(f"there is no folder benchmarks beside {PACKAGE}: run it in a clone of the project")
    sys.path.insert(0, str(root))
    from benchmarks.command import app as measure

    raise typer.Exit(measure(context.args, prog_name="sensorstream bench", standalone_mode=False) or 0)


@servers_commands.command(example="sandbox up")
def up(
    spark: Annotated[bool, typer.Option("--spark", help="A Spark cluster too: a master and two workers.")] = False,
    late: Annotated[
        bool, typer.Option("--late", help="Let the demo's plant hand in now what it would hand in tomorrow.")
    ] = False,
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """Start what is not running; data and passwords of an earlier start are kept.

    The demo's plant, where it stands, goes on to yesterday.
    """
    from ..sandbox import servers
    from ..sandbox.plant_days import grow
    from ..spark.java import java_home

    sandbox = servers.up(root, java=java_home() if spark else None)
    if added := grow(sandbox.owner_dsn, late=late):
        print(f"{added:,} readings of the last days were added to the simulated plant.", file=for_people(as_json))
    running = _show(root, as_json)
    places = {"Configuration": sandbox.config_path, "AWS credentials": sandbox.credentials_path}
    places |= {"On the cluster": sandbox.cluster_path} if spark else {}
    for name, path in places.items():
        print(f"{name}: {path}", file=for_people(as_json))
    names = ("config", "aws_credentials", "cluster_config")
    end_with(running | dict(zip(names, map(str, places.values()), strict=False)), as_json)


@servers_commands.command(example="sandbox down")
def down(
    remove: Annotated[bool, typer.Option("--remove", help="Delete their data and passwords too.")] = False,
    root: Root = ROOT,
) -> None:
    """Stop the servers; their data stays."""
    from ..sandbox import servers

    servers.down(root, remove=remove)
    print("The sandbox is stopped and gone." if remove else "The sandbox is stopped; its data stays.")


@servers_commands.command(example="sandbox status --json")
def status(root: Root = ROOT, as_json: AsJson = False) -> None:
    """Show which servers run, and where."""
    end_with(_show(root, as_json), as_json)


@servers_commands.command(example="sandbox seed --tags 200 --days 7")
def seed(
    tags: Annotated[int, typer.Option(min=1, metavar="COUNT", help="Tag paths with readings.")] = PLANT.tags,
    days: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="Whole days of readings, before --end.")
    ] = PLANT.days,
    end: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DAY",
            show_default=f"{PLANT.end}, and the last days before today",
            help="First day without readings (UTC).",
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="Mean time between readings of a tag.")
    ] = PLANT.rate_seconds,
    busy_tags: Annotated[
        int, typer.Option(min=0, metavar="COUNT", help="Tags that are read ten times as often.")
    ] = PLANT.busy_tags,
    layout: Annotated[Layout, typer.Option(metavar=one_of(Layout), help="Whose tables to make.")] = PLANT.layout,
    number: Annotated[
        int, typer.Option("--seed", metavar="NUMBER", help="Another number, another plant.")
    ] = PLANT.seed,
    fresh: Annotated[bool, typer.Option("--fresh", help="Drop what stands there, replayed files too.")] = PLANT.fresh,
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """Fill the historian with a simulated plant; the same options make the same rows."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ..sandbox import plant_days, servers
    from ..sandbox.other_historians.seed import seed as fill

    options = PlantOptions(
        tags=tags,
        days=days,
        end=end.date() if end else PLANT.end,
        goes_on=end is None,
        rate_seconds=rate,
        busy_tags=busy_tags,
        layout=layout,
        seed=number,
        fresh=fresh,
    )
    sandbox = servers.up(root)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(as_json), transient=True) as progress:
        task = progress.add_task("readings", total=options.expected_readings)
        summary = fill(sandbox.owner_dsn, options, lambda count: progress.advance(task, count))
    servers.describe(root, options)
    plant_days.grow(sandbox.owner_dsn, options)
    print(f"{_loaded(summary)} ({summary.seconds:.1f} s)", file=for_people(as_json))
    end_with(_plain(summary), as_json)


@servers_commands.command(example="sandbox replay boiler.csv --timezone Europe/Berlin")
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A wide or long table of readings: CSV or Parquet.")],
    time: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="The column of times; twice for a date and a clock. All are found out."),
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column that names the tags.")] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="The column of values; several where each is a tag of its own."),
    ] = None,
    quality: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of quality codes.")] = None,
    prefix: Annotated[
        str | None, typer.Option(metavar="PATH", help="Folder of the tag paths; the file's name when not given.")
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Zone of times that name none.")] = "UTC",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what each column is, and load nothing.")] = False,
    only: Annotated[
        bool,
        typer.Option("--only", help="The sandbox's configuration names this file's tags alone; `make demo` undoes it."),
    ] = False,
    root: Root = ROOT,
    as_json: AsJson = False,
) -> None:
    """Load one's own CSV or Parquet file into the historian."""
    from ..sandbox import replay as replaying
    from ..sandbox import replay_csv, servers
    from ..sandbox.replay_columns import Named

    named = Named(tuple(time or ()), tag, tuple(value or ()), quality)
    recording = replay_csv.read_series(file, prefix=prefix, timezone=timezone, named=named)
    for column, what in replay_csv.shortened(recording.made):
        print(printable(f"{file.name}: {column}: {what}"), file=for_people(as_json))
    for remark in recording.remarks:
        print(printable(f"{file.name}: {remark}"), file=for_people(as_json))
    if dry_run:
        print("Nothing was loaded.", file=for_people(as_json))
        return end_with({"columns": dict(recording.made), "remarks": recording.remarks}, as_json)
    sandbox = servers.up(root)
    summary = replaying.replay(sandbox.owner_dsn, recording)
    servers.look_at(root, replaying.patterns(recording) if only else ())
    before = f", {summary.doubled} of them at a time that stood before" if summary.doubled else ""
    print(f"{_loaded(summary)}{before}", file=for_people(as_json))
    first = max(summary.start, summary.end - MONTH)
    command = f"{Path(sys.executable).parent / 'sensorstream'} run --config {sandbox.config_path}"
    print(f"Go on: {command} --start {first:%Y-%m-%d} --end {summary.end + DAY:%Y-%m-%d}", file=for_people(as_json))
    end_with(_plain(summary), as_json)


def _show(root: Path, as_json: bool) -> dict[str, Any]:
    """Print which servers run; the same for ``--json``."""
    from rich.table import Table

    from ..sandbox import servers

    found = servers.status(root)
    table = Table("server", "address", "process")
    for server in found:
        table.add_row(server.name, server.address, str(server.pid) if server.running else "not running")
    console(as_json).print(table)
    return {"servers": [asdict(server) | {"running": server.running} for server in found]}


def _loaded(summary: SeedSummary | ReplaySummary) -> str:
    return (
        f"{summary.readings:,} readings of {summary.tags} tags from {summary.start:%Y-%m-%d} to {summary.end:%Y-%m-%d} "
        f"in {len(summary.tables)} tables"
    )


def _plain(summary: SeedSummary | ReplaySummary) -> dict[str, Any]:
    return asdict(summary) | {"start": summary.start.isoformat(), "end": summary.end.isoformat()}
