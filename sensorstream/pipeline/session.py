"""The Spark session of notebooks and DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config.settings import Config
from ..spark import session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def spark_session(config: Config) -> SparkSession:
    """The session for ``config``, started where there is none yet; it knows ``read.format("historian")``.

    Parameters
    ----------
    config
        ``spark_master`` (``local[*]`` where it is none), ``spark_conf``, ``use_aqe``, ``enable_skew_handling`` count.

    Returns
    -------
    pyspark.sql.SparkSession
        The one that runs already, as it is, if there is one.

    Raises
    ------
    ConfigError
        There is no Java 17 or 21.
    """
    found = session.spark_session(config)
    from ..staging.datasource import HistorianSource  # which imports pyspark

    found.dataSource.register(HistorianSource)
    return found
