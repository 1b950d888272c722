"""SensorStream: sensor readings from a PostgreSQL historian to clean, partitioned Parquet, checked and reported.

::

    config -> historian -> plan -> extract -> transform -> publish -> check -> report

Public names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backlog import changed_days, missing_days
    from .checks import check_lake, check_source
    from .config import Config, load
    from .errors import SensorStreamError
    from .exploration import explore
    from .frames import publish, readings
    from .lake.reading import read
    from .pipeline import ingest, plan
    from .planning import Plan
    from .record import RunRecord
    from .runner import run
    from .spark import spark_session
    from .verification.verifying import Verification, verify
    from .windows import Window, window_of

__version__ = "0.1.0"

_HOME = {
    "Config": ".config",
    "load": ".config",
    "SensorStreamError": ".errors",
    "Window": ".windows",
    "window_of": ".windows",
    "Plan": ".planning",
    "plan": ".pipeline",
    "ingest": ".pipeline",
    "changed_days": ".backlog",
    "missing_days": ".backlog",
    "explore": ".exploration",
    "readings": ".frames",
    "publish": ".frames",
    "RunRecord": ".record",
    "spark_session": ".spark",
    "read": ".lake.reading",
    "check_source": ".checks",
    "check_lake": ".checks",
    "run": ".runner",
    "Verification": ".verification.verifying",
    "verify": ".verification.verifying",
}

__all__ = [
    "Config",
    "Plan",
    "RunRecord",
    "SensorStreamError",
    "Verification",
    "Window",
    "changed_days",
    "check_lake",
    "check_source",
    "explore",
    "ingest",
    "load",
    "missing_days",
    "plan",
    "publish",
    "read",
    "readings",
    "run",
    "spark_session",
    "verify",
    "window_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
