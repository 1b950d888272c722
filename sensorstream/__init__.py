"""SensorStream: sensor readings from a PostgreSQL historian to clean, partitioned Parquet, checked and reported.

::

    config -> historian -> plan -> extract -> transform -> publish -> check -> report

What to call: ``load`` a configuration and ``window_of`` a day; ``plan``, ``ingest`` and ``verify`` that window, or
``run`` all of it with ``check_source``, ``check_lake`` and a report; ``read_lake``, ``read_historian``, ``explore`` and
``publish`` readings; ``newest_day``, ``missing_days`` and ``changed_days`` tell which; ``spark_session`` is for Spark.

What comes back: ``Config``, ``Window``, ``Plan``, ``RunRecord``, ``Verification``, or a ``SensorStreamError``.

Public names are loaded when they are first used, so that importing the package costs nothing. Packages and modules that
``help`` lists are the project's own: ``dir`` and Tab have the public names alone.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checks.check_lake import check_lake as check_lake
    from .checks.check_source import check_source as check_source
    from .config.settings import Config as Config
    from .config.sources import load as load
    from .errors import SensorStreamError as SensorStreamError
    from .exploration import explore as explore
    from .historian.extent import newest_day as newest_day
    from .lake.scan import read_lake as read_lake
    from .notebook_run.run import run as run
    from .pipeline.backlog import changed_days as changed_days
    from .pipeline.backlog import missing_days as missing_days
    from .pipeline.dataframes import publish as publish
    from .pipeline.dataframes import read_historian as read_historian
    from .pipeline.ingest import ingest as ingest
    from .pipeline.preview import plan as plan
    from .pipeline.run_record import RunRecord as RunRecord
    from .pipeline.session import spark_session as spark_session
    from .planning.plan import Plan as Plan
    from .verification.result import Verification as Verification
    from .verification.verify import verify as verify
    from .windows import Window as Window
    from .windows import window_of as window_of

__version__ = "0.1.0"

# Packages end in -ing where a public function has the short name (``planning`` and ``plan``, ``publishing`` and
# ``publish``): importing a package sets its name here, and would put a package ``plan`` in place of the function.
_HOME = {
    "Config": ".config.settings",
    "load": ".config.sources",
    "SensorStreamError": ".errors",
    "Window": ".windows",
    "window_of": ".windows",
    "Plan": ".planning.plan",
    "plan": ".pipeline.preview",
    "ingest": ".pipeline.ingest",
    "changed_days": ".pipeline.backlog",
    "missing_days": ".pipeline.backlog",
    "newest_day": ".historian.extent",
    "explore": ".exploration",
    "read_historian": ".pipeline.dataframes",
    "publish": ".pipeline.dataframes",
    "RunRecord": ".pipeline.run_record",
    "spark_session": ".pipeline.session",
    "read_lake": ".lake.scan",
    "check_source": ".checks.check_source",
    "check_lake": ".checks.check_lake",
    "run": ".notebook_run.run",
    "Verification": ".verification.result",
    "verify": ".verification.verify",
}
_RENAMED = {"read": "read_lake", "readings": "read_historian"}  # gone in the release after 0.1

__all__ = sorted(_HOME)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        warnings.warn(f"sensorstream.{name} is now sensorstream.{_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
