"""Commands that keep lake, expectations and tables of engines in order."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import ConfigError
from ..formatting import printable
from .help import UPKEEP, Commands, one_of
from .options import AsJson, Asked, Where, console, end_with, for_people

TableEngine = Literal["athena", "redshift", "snowflake", "trino", "spark", "duckdb"]  # of lake.ddl: it imports pyarrow

commands = Commands(UPKEEP)


@commands.command(example="compact --month 2026-10")
def compact(
    where: Where,
    month: Annotated[
        list[str] | None,
        typer.Option("--month", metavar="MONTH", help="Only this month (2026-10), over or not; repeatable."),
    ] = None,
    iceberg: Annotated[
        bool, typer.Option("--to-iceberg", help="Make a lake that was begun without an Iceberg table one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Merge the small files of months that are over; no reading changes."""
    if iceberg and month:
        raise ConfigError("--to-iceberg rewrites the whole lake: leave out --month")
    settings = where.settings()
    from ..progress.display import shown
    from ..publishing.compaction import compact as merge
    from ..publishing.compaction import to_iceberg
    from ..report.terminal import show_compacted

    with shown() as tell:
        done = to_iceberg(settings, progress=tell) if iceberg else merge(settings, month, progress=tell)
    show_compacted(done, console(as_json))
    end_with(asdict(done), as_json)


@commands.command(example="recover")
def recover(where: Where, as_json: AsJson = False) -> None:
    """Finish or undo what a killed run left; the next run would do it by itself."""
    settings = where.settings()
    from ..lake.stores import open_store
    from ..publishing.lease import recover as put_right

    done = put_right(open_store(settings))
    sentence = done or f"nothing to recover: no run was ended in {settings.lake}"
    print(printable(sentence), file=for_people(as_json))
    end_with({"lake": settings.lake, "recovered": done}, as_json)


@commands.command(example="ranges --start 2026-09-01 --end 2026-10-01")
def ranges(
    asked: Asked,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write, in place of expectations/ranges.json.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn from a window of history which values to expect, for people to look over."""
    settings, window = asked.settings_and_window()
    from ..checks.learn_ranges import learn_ranges
    from ..checks.ranges import FILE, write_ranges
    from ..project_files import project_folder

    found = learn_ranges(settings, window, asked.pattern)
    if not found:
        raise ConfigError(f"no tag has numbers in {window}: nothing is learned, choose a window with readings")
    path = out or project_folder("expectations") / FILE
    write_ranges(path, found)
    print(f"{len(found)} ranges learned from {window} are in {path}: look them over", file=for_people(as_json))
    end_with({"file": str(path), "ranges": [learned.model_dump() for learned in found]}, as_json)


@commands.command(example="ddl --for duckdb")
def ddl(
    where: Where,
    engine: Annotated[
        TableEngine | None,
        typer.Option("--for", metavar=one_of(TableEngine), help="Whose SQL: athena's, of a lake in a folder duckdb's."),
    ] = None,
    database: Annotated[
        str, typer.Option(metavar="NAME", help="Database of Athena and Glue, external schema of Redshift.")
    ] = "sensorstream",
    table: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the table, of Spark's or DuckDB's view.")
    ] = "readings",
    register: Annotated[
        bool, typer.Option("--register", help="Create or update the table in the AWS Glue catalog instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the SQL that makes the lake a table of an engine, or register it in AWS Glue."""
    if register and engine:
        raise ConfigError("--register serves every engine that asks Glue: leave out --for")
    settings = where.settings()
    from ..lake.ddl import engine_of, statements
    from ..lake.glue import register as put
    from ..lake.iceberg.ddl import table_statements
    from ..lake.scan import metadata, places

    if not register:
        if settings.iceberg:
            sql = table_statements(settings, metadata(settings), engine_of(settings, engine))
        else:
            sql = statements(settings, places(settings), engine, database=database, table=table)
        print(sql, end="", file=for_people(as_json))
        end_with({"sql": sql}, as_json)
        return
    done = put(settings, places(settings), database=database, table=table)
    print(
        f"Glue table {done.name}: {done.partitions:,} partitions, {done.added:,} added, {done.removed:,} removed",
        file=for_people(as_json),
    )
    end_with(asdict(done), as_json)


@commands.command(example="package --out libraries.tar.gz")
def package(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The archive to write.")] = Path("libraries.tar.gz"),
    as_json: AsJson = False,
) -> None:
    """Pack the libraries of a run for a Spark cluster whose Python has none.

    Prints the settings that use them.
    """
    from ..spark.libraries import pack

    settings = pack(out)
    for setting in settings:
        print(f"--conf {setting}", file=for_people(as_json))
    end_with({"archive": str(out), "spark_conf": dict(setting.split("=", 1) for setting in settings)}, as_json)
