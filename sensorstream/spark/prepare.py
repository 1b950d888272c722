"""What ``make`` runs after the packages are installed: bytecode, and for ``--spark`` Java and the JDBC driver.

A sentence each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from sensorstream.errors import SensorStreamError
from sensorstream.spark.java import java_home
from sensorstream.spark.jdbc_driver import fetch_driver, find_driver

# What a run, its workers, its notebooks and its checks import.
IMPORTED = (
    *(
        "sensorstream.cli.main",
        "sensorstream.cli.demo",
        "sensorstream.notebook_run.run",
        "sensorstream.pipeline.ingest",
    ),
    *("boto3", "rich.progress", "sensorstream.staging.this_machine", "psycopg", "pyarrow.parquet", "pandas", "obstore"),
    *("papermill", "ipykernel", "nbconvert", "matplotlib.pyplot", "great_expectations"),
    "sensorstream.lake.iceberg.pointer",
)
COMPILE_SECONDS = 300


def main(spark: bool) -> None:
    """Prepare the runtime; without the driver only the ``jdbc`` engine is missing, so that is no failure."""
    compile_imports()
    if not spark:
        return
    try:
        java_home()
    except SensorStreamError as error:
        sys.exit(f"sensorstream: {error}")
    try:
        if find_driver(None) is None:
            print(f"sensorstream: JDBC driver fetched to {fetch_driver()}")
    except SensorStreamError as error:
        print(f"sensorstream: the jdbc engine is not available, all else is: {error}", file=sys.stderr)


def compile_imports() -> None:
    """Have Python keep the bytecode of what a run imports, where nothing did so yet; a failure is no failure.

    pip compiles what it installs, uv does not; where ``PYTHONDONTWRITEBYTECODE`` is set, as in many images, every
    process would then compile pandas and Great Expectations again, for seconds.
    """
    specs = [find_spec(name) for name in ("great_expectations", "pyiceberg")]
    if all(Path(cache_from_source(spec.origin)).exists() for spec in specs if spec and spec.origin):
        return
    print("sensorstream: keeping the bytecode of the installed packages: some seconds, once", flush=True)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    script = "import contextlib, importlib\n" + "".join(
        f"with contextlib.suppress(Exception): importlib.import_module({name!r})\n" for name in IMPORTED
    )
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, timeout=COMPILE_SECONDS)


if __name__ == "__main__":
    main(spark="--spark" in sys.argv)
