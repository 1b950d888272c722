"""The command line: thin, every command calls the module and shows what it returns.

What a command needs is imported when its arguments are known to be good: help, completion and a wrong word are at once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from .. import __version__
from ..errors import STOPPED, SensorStreamError
from ..formatting import printable
from ..signals import stopped
from . import every_day, init, look_and_check, sandbox, upkeep
from .help import Group
from .options import submitted as keys_of_spark

app = typer.Typer(
    cls=Group,
    help="Sensor readings from a PostgreSQL historian to clean, partitioned Parquet on S3, checked and reported.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# Typer brings its own click; of its exceptions only the leaves have public names.
USAGE_ERROR: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
NO_THREAD = "can't start new thread"
MORE_MEMORY = 'give this machine or container more, or lower "readings_per_slice" or "jdbc_num_partitions"'

for group in (init, every_day, look_and_check, upkeep, sandbox):
    app.add_typer(group.commands)


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


def main(arguments: list[str] | None = None, *, submitted: Callable[[], Mapping[str, Any]] = dict) -> None:
    """One sentence on standard error and the exit code of the failure; a traceback with ``--debug``."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    if not debug:
        # What libraries log beside a failure that is told here anyway: Py4J of Ctrl-C, psycopg of a lost connection.
        logging.getLogger().addHandler(logging.NullHandler())
    try:
        keys_of_spark.update(submitted())
        code = app([word for word in words if word != "--debug"], prog_name="sensorstream", standalone_mode=False)
        if code == STOPPED:  # Typer makes this of Ctrl-C
            raise KeyboardInterrupt
    except SensorStreamError as error:
        code = _say(str(error), error.exit_code, debug)
    except USAGE_ERROR as error:
        if not error.format_message():  # a command of commands alone: its help says more
            error.show()
            sys.exit(2)
        message = error.format_message().replace("Value error, ", "").rstrip(".")  # pydantic's word before ours
        command = error.ctx.command_path if getattr(error, "ctx", None) else "sensorstream"
        code = _say(f"{message} (see {command} --help)", 2, debug)
    except (typer.Abort, KeyboardInterrupt):
        end = stopped()
        code = _say(str(end), end.exit_code, debug)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and NO_THREAD not in str(error):
            raise
        said = f" ({error})" if str(error) else ""
        code = _say(f"this process gets no more memory{said}: {MORE_MEMORY}", 1, debug)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        code = _say(f"{error.strerror or error}{where}: is the disk full, or may the folder not be written?", 1, debug)
    sys.exit(code if isinstance(code, int) else 0)


def _say(sentence: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"sensorstream: {printable(sentence)}", file=sys.stderr)
    return code
