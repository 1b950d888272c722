"""The command line for ``spark-submit``, whose master and settings count before those of the configuration.

::

    spark-submit --master M sensorstream/submit.py ingest --config-source file --config-path C --date D
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOTEBOOKS = ("run", "demo", "lab", "airflow")  # work in processes of their own
GATEWAY = ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET")


def main() -> None:
    """What ``sensorstream`` does, in the JVM that spark-submit has started."""
    # spark-submit puts this folder first, where airflow and parquet are modules of this package.
    sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]
    from sensorstream.cli.main import main as begin
    from sensorstream.signals import note

    note()
    begin(submitted=_submitted)


def _submitted() -> dict[str, object]:
    """Keys of the configuration that spark-submit decides."""
    from pyspark import SparkConf, SparkContext

    from sensorstream.errors import ConfigError

    if GATEWAY[0] not in os.environ:
        raise ConfigError("submit.py is for spark-submit: without it, use the command sensorstream")
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if command in NOTEBOOKS:
        raise ConfigError(
            f"{command} works in processes of its own, which have no part in what spark-submit starts:"
            ' use ingest here, or name the master in "spark_master" of the configuration'
        )
    SparkContext._ensure_initialized()
    for name in GATEWAY:
        del os.environ[name]
    given = dict(SparkConf().getAll())
    given.pop("spark.app.name", None)
    quiet = {"spark.log.level": "FATAL"}  # what fails is said in one sentence
    return {"spark_master": given.pop("spark.master"), "spark_conf": quiet | given}


if __name__ == "__main__":
    main()
