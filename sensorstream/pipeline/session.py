"""The Spark session of notebooks and DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config.settings import Config
from ..spark import session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def spark_session(config: Config) -> SparkSession:
    """The session for ``config``, started where there is none yet; which knows ``read.format("historian")``.

    Sets ``JAVA_HOME`` and Spark's Python. Raises ``ConfigError`` where there is no Java.
    """
    found = session.spark_session(config)
    from ..staging.datasource import HistorianSource  # which imports pyspark

    found.dataSource.register(HistorianSource)
    return found
