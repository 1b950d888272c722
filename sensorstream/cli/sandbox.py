"""``sensorstream sandbox``: the servers, and what is in them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from sensorstream.sandbox import servers
from sensorstream.sandbox.plant_tags import Layout, PlantOptions
from sensorstream.spark.java import java_home

app = typer.Typer(help="A real PostgreSQL, S3 and Secrets Manager on 127.0.0.1 to try things on.", no_args_is_help=True)

Root = Annotated[Path, typer.Option("--root", help="Folder of the sandbox: state, data, logs.")]
PLANT = PlantOptions()


@app.command()
def up(
    spark: Annotated[bool, typer.Option("--spark", help="A Spark cluster too: a master and two workers.")] = False,
    root: Root = servers.ROOT,
) -> None:
    """Start what is not running; data and passwords of an earlier start are kept."""
    sandbox = servers.up(root, java=java_home() if spark else None)
    _show(root)
    print(f"Configuration: {sandbox.config_path}\nAWS credentials: {sandbox.credentials_path}")
    if spark:
        print(f"On the cluster: {sandbox.cluster_path}")


@app.command()
def down(
    remove: Annotated[bool, typer.Option("--remove", help="Delete their data and passwords too.")] = False,
    root: Root = servers.ROOT,
) -> None:
    """Stop the servers; their data stays."""
    servers.down(root, remove=remove)
    print("The sandbox is stopped and gone." if remove else "The sandbox is stopped; its data stays.")


@app.command()
def status(root: Root = servers.ROOT) -> None:
    """Show which servers run, and where."""
    _show(root)


@app.command()
def seed(
    tags: Annotated[int, typer.Option(min=1, help="Tag paths with readings.")] = PLANT.tags,
    days: Annotated[int, typer.Option(min=1, help="Whole days of readings, before --end.")] = PLANT.days,
    end: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day without readings (UTC).")] = datetime(
        PLANT.end.year, PLANT.end.month, PLANT.end.day
    ),
    rate: Annotated[float, typer.Option(min=0.01, help="Mean seconds between readings of a tag.")] = PLANT.rate_seconds,
    busy_tags: Annotated[int, typer.Option(min=0, help="Tags that are read ten times as often.")] = PLANT.busy_tags,
    layout: Annotated[Layout, typer.Option(help="Whose tables to make.")] = PLANT.layout,
    number: Annotated[int, typer.Option("--seed", help="Another number, another plant.")] = PLANT.seed,
    fresh: Annotated[bool, typer.Option("--fresh", help="Drop what stands there, replayed files too.")] = PLANT.fresh,
    root: Root = servers.ROOT,
) -> None:
    """Fill the historian with a simulated plant; the same options make the same rows."""
    from sensorstream.sandbox import plant

    options = PlantOptions(
        tags=tags,
        days=days,
        end=end.date(),
        rate_seconds=rate,
        busy_tags=busy_tags,
        layout=layout,
        seed=number,
        fresh=fresh,
    )
    sandbox = servers.up(root)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("readings", total=options.expected_readings)
        summary = plant.seed(sandbox.owner_dsn, options, lambda count: progress.advance(task, count))
    print(
        f"{summary.readings:,} readings of {summary.tags} tags from {summary.start:%Y-%m-%d} to {summary.end:%Y-%m-%d} "
        f"in {len(summary.tables)} tables ({summary.seconds:.1f} s)"
    )


@app.command()
def replay(
    csv: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A wide or long table of sensor readings.")],
    prefix: Annotated[str | None, typer.Option(help="Folder of the tag paths; the file's name when not given.")] = None,
    timezone: Annotated[str, typer.Option(help="Zone of times that name none.")] = "UTC",
    root: Root = servers.ROOT,
) -> None:
    """Load one's own CSV file into the historian."""
    from sensorstream.sandbox import replay as replaying

    summary = replaying.replay(servers.up(root).owner_dsn, csv, prefix=prefix, timezone=timezone)
    for remark in summary.remarks:
        print(f"{csv.name}: {remark}")
    print(
        f"{summary.readings:,} readings of {summary.tags} tags from {summary.start:%Y-%m-%d} to {summary.end:%Y-%m-%d} "
        f"in {len(summary.tables)} tables, {summary.doubled} of them at a time that stood before"
    )


def _show(root: Path) -> None:
    table = Table("server", "address", "process")
    for server in servers.status(root):
        table.add_row(server.name, server.address, str(server.pid) if server.running else "not running")
    Console().print(table)
