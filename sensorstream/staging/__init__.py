"""Where the shares of a plan are read, cleaned and encoded: on this machine, or by the executors of Spark.

A share is a pure function, its rows the same wherever it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config.settings import Config
from ..spark.session import master
from .executor import Executor
from .this_machine import ThisMachine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Executor", "executor", "master_of"]


def executor(config: Config, spark: SparkSession | None = None) -> Executor:
    """Who does the work of a run: the ``spark`` session that is handed over, else this machine, unless ``config`` names
    a master or asks for the JDBC engine, which is Spark's."""
    if spark is None and master_of(config) is None:
        return ThisMachine()
    from .on_spark import OnSpark

    return OnSpark(config, spark)


def master_of(config: Config) -> str | None:
    """The Spark master that a run is done on; ``None`` for this machine."""
    return config.spark_master or (master(config) if config.engine == "jdbc" else None)
