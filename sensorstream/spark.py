"""The Spark session: adaptive, Arrow, UTC, quiet, with the right Python and Java."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING

from . import errors
from .config import Config
from .java import java_home
from .jdbcdriver import find_driver, require_driver

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

APP = "sensorstream"


def settings(config: Config) -> dict[str, str]:
    """The Spark settings of a run; ``spark_conf`` wins over each. Pure but for the place of the JDBC driver."""
    driver = require_driver(config.jdbc_jar) if config.engine == "jdbc" else find_driver(config.jdbc_jar)
    chosen = {
        "spark.app.name": APP,
        "spark.sql.adaptive.enabled": str(config.use_aqe).lower(),
        "spark.sql.adaptive.coalescePartitions.enabled": str(config.use_aqe).lower(),
        "spark.sql.adaptive.skewJoin.enabled": str(config.enable_skew_handling).lower(),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.python.worker.reuse": "true",
        "spark.sql.python.filterPushdown.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": str(2 * config.jdbc_num_partitions),
    }
    if driver:
        chosen["spark.jars"] = str(driver)
    if config.spark_master.startswith("local"):
        # On one machine nothing need be reachable from outside, and driver and workers share one heap.
        quiet = files(__package__) / "log4j2.properties"
        chosen |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "2g",
            "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={quiet} -Duser.timezone=UTC",
        }
    return chosen | config.spark_conf


def spark_session(config: Config) -> SparkSession:
    """The session for ``config``, started where there is none yet. Sets ``JAVA_HOME`` and Spark's Python."""
    from pyspark.sql import SparkSession

    os.environ["JAVA_HOME"] = str(java_home())
    if config.spark_master.startswith("local"):
        # Spark takes the first python3 on PATH otherwise, which need not have pyarrow.
        os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(config.spark_master)
    for key, value in settings(config).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    from .datasource import HistorianSource

    session.dataSource.register(HistorianSource)
    return session


@contextmanager
def spark_errors() -> Iterator[None]:
    """Turn what a task or a driver of Spark says into one sentence.

    A ``SensorStreamError`` raised on a worker comes back as text; here it becomes that very error again.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        text = str(error)
        if found := re.search(r"^sensorstream\.errors\.(\w+): (.+)$", text, re.MULTILINE):
            raise getattr(errors, found[1])(found[2]) from error
        if found := re.search(r"org\.postgresql\.util\.PSQLException: (.+)", text):
            raise errors.SourceError(f"historian, through JDBC: {found[1]}") from error
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        last = next((line for line in reversed(lines) if re.match(r"[\w.]+(Error|Exception)\b", line)), lines[0])
        raise errors.SensorStreamError(f"Spark failed: {last}: run again with --debug for the whole of it") from error
