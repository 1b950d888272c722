"""The command line: thin, every command calls the module and shows what it returns."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from .. import __version__
from ..config.settings import Config
from ..config.sources import load
from ..errors import STOPPED, ConfigError, SensorStreamError
from ..progress.display import shown
from ..report.terminal import show_check, show_compacted, show_plan, show_record, show_verification
from ..sandbox.state import CLUSTER, CONFIG
from ..windows import Window, window_of
from .sandbox import app as sandbox_app

app = typer.Typer(
    help="Sensor readings from a PostgreSQL historian to clean, partitioned Parquet on S3, checked and reported.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
# Typer brings its own click; of its exceptions only the leaves have public names.
USAGE_ERROR: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

app.add_typer(sandbox_app, name="sandbox")
config_app = typer.Typer(help="The configuration, and where it comes from.", no_args_is_help=True)
app.add_typer(config_app, name="config")

ConfigFile = Annotated[Path | None, typer.Option("--config", "--config-path", help="JSON file of the configuration.")]
ConfigSource = Annotated[str, typer.Option(help="file, airflow (Variables) or aws (Secrets Manager).")]
Date = Annotated[str | None, typer.Option("--date", help="A day in the configured time zone: 2026-10-14.")]
Start = Annotated[str | None, typer.Option(help="First instant, ISO 8601; a bare date is midnight.")]
End = Annotated[str | None, typer.Option(help="First instant after the window, ISO 8601.")]
Patterns = Annotated[
    list[str] | None, typer.Option("--pattern", help="PostgreSQL regular expression of tag paths; repeatable.")
]
Engine = Annotated[str | None, typer.Option(help="packed or jdbc.")]
WriteMode = Annotated[str | None, typer.Option(help="overwrite or append.")]
AllowLoss = Annotated[
    bool, typer.Option("--allow-loss", help="Publish even where tags lose most of what the lake holds of them.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the run record as JSON in the last line.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def every(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@app.command()
def plan(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    date: Date = None,
    start: Start = None,
    end: End = None,
    pattern: Patterns = None,
) -> None:
    """Show what a run would read: partition tables, tags, slices, estimated readings. Reads no reading."""
    from ..pipeline.preview import plan as make

    settings, window = _asked(config, config_source, date, start, end)
    found = make(settings, window, pattern)
    show_plan(found, Console())


@app.command()
def ingest(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    date: Date = None,
    start: Start = None,
    end: End = None,
    pattern: Patterns = None,
    engine: Engine = None,
    write_mode: WriteMode = None,
    allow_loss: AllowLoss = False,
    as_json: AsJson = False,
) -> None:
    """Move the readings of a window to the lake: the module alone, no notebook."""
    from ..fast_import import arrow_without_pandas
    from ..pipeline.ingest import ingest as move
    from ..staging import master_of

    arguments = {"engine": engine, "write_mode": write_mode, "allow_loss": allow_loss or None}
    settings, window = _asked(config, config_source, date, start, end, **arguments)
    if master_of(settings) is None:
        arrow_without_pandas()
    with shown() as tell:
        record = move(settings, window, pattern, progress=tell)
    show_record(record, Console(stderr=as_json))
    for warning in record.warnings:
        print(f"sensorstream: warning: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(record.to_json()))


@app.command()
def run(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    date: Date = None,
    start: Start = None,
    end: End = None,
    pattern: Patterns = None,
    engine: Engine = None,
    write_mode: WriteMode = None,
    allow_loss: AllowLoss = False,
    as_json: AsJson = False,
) -> None:
    """Source check, ingest and lake check as notebooks, with an HTML report: what Airflow runs."""
    from rich.console import Console

    from ..notebook_run.run import run as execute

    arguments: dict[str, Any] = {"engine": engine, "write_mode": write_mode, "allow_loss": allow_loss or None}
    _asked(config, config_source, date, start, end, **arguments)
    done = execute(
        config,
        config_source=config_source,
        date=date,
        start=start,
        end=end,
        patterns=pattern,
        **arguments,
        console=Console(highlight=False, stderr=as_json),
    )
    if as_json:
        print(json.dumps(done.record.to_json()))


@app.command()
def verify(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    date: Date = None,
    start: Start = None,
    end: End = None,
    pattern: Patterns = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Read from the source again what differs, and put it in place.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every difference as JSON in the last line.")] = False,
) -> None:
    """Hold the lake against the source and against its own manifest: every difference is named."""
    from ..verification.verify import verify as hold

    settings, window = _asked(config, config_source, date, start, end)
    with shown() as tell:
        found = hold(settings, window, pattern, repair=repair, progress=tell)
    show_verification(found, Console(stderr=as_json))
    if as_json:
        print(json.dumps(found.to_json()))
    found.raise_if_different()


@app.command()
def check(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    date: Date = None,
    start: Start = None,
    end: End = None,
    pattern: Patterns = None,
    docs: Annotated[Path | None, typer.Option(help="Folder for the Data Docs of Great Expectations.")] = None,
) -> None:
    """Hold source and lake of a window against what is expected of them, without a run."""
    from ..checks.check_lake import check_lake
    from ..checks.check_source import check_source
    from ..checks.data_docs import data_docs

    settings, window = _asked(config, config_source, date, start, end)
    with data_docs(docs) as pages:
        found = [look(settings, window, pattern, docs=pages) for look in (check_source, check_lake)]
    for result in found:
        show_check(result, Console())
    if docs:
        Console().print(f"[bold]Data Docs[/] {docs / 'index.html'}", soft_wrap=True)
    for result in found:
        result.raise_if_failed()


@app.command()
def ranges(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    start: Start = None,
    end: End = None,
    pattern: Patterns = None,
    out: Annotated[Path | None, typer.Option(help="The file to write; expectations/ranges.json.")] = None,
) -> None:
    """Learn from a window of history which values to expect, for people to look over."""
    from ..checks.learn_ranges import learn_ranges
    from ..checks.ranges import FILE, write_ranges
    from ..project_files import project_folder

    settings, window = _asked(config, config_source, None, start, end)
    found = learn_ranges(settings, window, pattern)
    if not found:
        raise ConfigError(f"no tag has numbers in {window}: nothing is learned, choose a window with readings")
    path = out or project_folder("expectations") / FILE
    write_ranges(path, found)
    Console().print(f"{len(found)} ranges learned from {window} are in {path}: look them over", soft_wrap=True)


@app.command()
def compact(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    month: Annotated[
        list[str] | None, typer.Option("--month", help="Only this month, over or not: 2026-10; repeatable.")
    ] = None,
) -> None:
    """Merge the small files of months that are over; no reading changes."""
    from ..publishing.compaction import compact as merge

    with shown() as tell:
        done = merge(_settings(config, config_source), month, progress=tell)
    show_compacted(done, Console())


@app.command()
def recover(config: ConfigFile = None, config_source: ConfigSource = "file") -> None:
    """Finish or undo what a killed run left; the next run would do it by itself."""
    from ..lake.stores import open_store
    from ..publishing.lease import recover as put_right

    settings = _settings(config, config_source)
    Console().print(put_right(open_store(settings)) or f"nothing to recover: no run was ended in {settings.lake}")


@app.command()
def reports(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    out: Annotated[Path | None, typer.Option(help="Write the page to this file instead of beside the reports.")] = None,
) -> None:
    """Build the page of all runs: a calendar of days, trends, and links to the reports. A run does it at its end."""
    from ..report.index_page import build

    done = build(_settings(config, config_source), out)
    Console(highlight=False).print(f"index of {done.runs:,} runs: {done.place}", soft_wrap=True)


@config_app.command("show")
def config_show(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    engine: Engine = None,
    write_mode: WriteMode = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: key to value and origin.")] = False,
) -> None:
    """Every value, where it came from, secrets masked."""
    from ..config.provenance import explain
    from ..report.terminal import show_values

    _use_sandbox_credentials(config)
    values = explain(config, config_source, {"engine": engine, "write_mode": write_mode})  # type: ignore[arg-type]
    if as_json:
        print(json.dumps({value.key: {"value": value.value, "origin": value.origin} for value in values}, indent=2))
    else:
        show_values(values, Console())


@app.command()
def demo(
    spark: Annotated[
        bool, typer.Option("--spark", help="Once more on a Spark cluster: the same objects with the same bytes.")
    ] = False,
) -> None:
    """Start the sandbox, fill it with a simulated plant, and run the whole pipeline through its notebooks."""
    from .demo import demo as show

    show(cluster=spark)


@app.command()
def package(
    out: Annotated[Path, typer.Option(help="The archive to write: libraries.tar.gz.")] = Path("libraries.tar.gz"),
) -> None:
    """Pack the libraries of a run for a Spark cluster whose Python has none; print the settings that use them."""
    from ..spark.libraries import pack

    for setting in pack(out):
        print(f"--conf {setting}")


@app.command()
def lab() -> None:
    """JupyterLab on the notebooks, sandbox running, kernel ready."""
    from .local_servers import lab as start_lab

    start_lab()


@app.command()
def airflow() -> None:
    """Airflow with the DAGs loaded, sandbox running."""
    from .local_servers import airflow as start_airflow

    start_airflow()


@app.command()
def ddl(
    config: ConfigFile = None,
    config_source: ConfigSource = "file",
    engine: Annotated[
        str | None, typer.Option("--for", help="athena, redshift, spark or duckdb; athena, for a folder duckdb.")
    ] = None,
    database: Annotated[
        str, typer.Option(help="Database of Athena and Glue, external schema of Redshift.")
    ] = "sensorstream",
    table: Annotated[str, typer.Option(help="Name of the table, of Spark's or DuckDB's view.")] = "readings",
    register: Annotated[
        bool, typer.Option("--register", help="Create or update the table in the AWS Glue catalog instead.")
    ] = False,
) -> None:
    """Print the SQL that makes the lake a table of an engine, or register it in the AWS Glue catalog."""
    from ..lake.ddl import statements
    from ..lake.glue import register as put
    from ..lake.scan import places

    settings = _settings(config, config_source)
    if not register:
        print(statements(settings, places(settings), engine, database=database, table=table), end="")
        return
    if engine:
        raise ConfigError("--register serves every engine that asks Glue: leave out --for")
    done = put(settings, places(settings), database=database, table=table)
    print(f"Glue table {done.name}: {done.partitions:,} partitions, {done.added:,} added, {done.removed:,} removed")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def bench(context: typer.Context) -> None:
    """Measure against the peers: a table of ratios, a JSON file, a picture. Needs the project's folder."""
    from ..project_files import PACKAGE

    root = PACKAGE.parent
    if not (root / "tests" / "benchmarks" / "command.py").is_file():
        raise ConfigError(f"there is no tests/benchmarks beside {PACKAGE}: run it in a clone of the project")
    sys.path.insert(0, str(root))
    from tests.benchmarks.command import app as measure

    raise typer.Exit(measure(context.args, prog_name="sensorstream bench", standalone_mode=False) or 0)


def _asked(
    config: Path | None, source: str, date: str | None, start: str | None, end: str | None, **arguments: Any
) -> tuple[Config, Window]:
    """The configuration and the window of a command line."""
    settings = _settings(config, source, **arguments)
    return settings, window_of(settings.timezone, day=date, start=start, end=end)


def _settings(config: Path | None, source: str, **arguments: Any) -> Config:
    _use_sandbox_credentials(config)
    return load(config, source=source, arguments=arguments | _submitted)  # type: ignore[arg-type]


_submitted: dict[str, Any] = {}  # keys that spark-submit decides


def _use_sandbox_credentials(config: Path | None) -> None:
    """The sandbox's own AWS credentials file, where the configuration is the sandbox's and no other is set."""
    if config is None:
        return
    beside = config.resolve().parent / "aws"
    if config.name in (CONFIG, CLUSTER) and beside.is_file() and (beside.parent / "state.json").is_file():
        os.environ.setdefault("AWS_SHARED_CREDENTIALS_FILE", str(beside))


def main(arguments: list[str] | None = None, *, submitted: Callable[[], Mapping[str, Any]] = dict) -> None:
    """Entry point: one sentence on standard error and the exit code of the failure; a traceback with ``--debug``."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    if not debug:
        # What libraries log beside a failure that is told here anyway: Py4J of Ctrl-C, psycopg of a lost connection.
        logging.getLogger().addHandler(logging.NullHandler())
    try:
        _submitted.update(submitted())
        code = app([word for word in words if word != "--debug"], standalone_mode=False)
        if code == STOPPED:  # Typer makes this of Ctrl-C
            raise KeyboardInterrupt
    except SensorStreamError as error:
        code = _say(str(error), error.exit_code, debug)
    except USAGE_ERROR as error:
        if not error.format_message():  # a command of commands alone: its help says more
            error.show()
            sys.exit(2)
        code = _say(f"{error.format_message()}: see sensorstream --help", 2, debug)
    except (typer.Abort, KeyboardInterrupt):
        code = _say("stopped", STOPPED, debug)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        code = _say(f"{error.strerror or error}{where}: is the disk full, or may the folder not be written?", 1, debug)
    sys.exit(code if isinstance(code, int) else 0)


def _say(sentence: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"sensorstream: {sentence}", file=sys.stderr)
    return code
