"""Bodies of the weekly DAG's tasks: patterns from the configuration service, the historian's credentials."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from ..config.settings import Config
from ..errors import SensorStreamError
from ..formatting import printable
from .failures import verdict

VARIABLE = "SENSOR_PATTERNS"
STEPS = ("create", "set", "test", "finish")
log = logging.getLogger(__name__)


def take_patterns(config_path: str | None, config_source: Any, run_id: str) -> dict[str, Any]:
    """Put the offered patterns into the Airflow Variable, if they are good and new; note what changed."""
    from airflow.sdk import Variable

    from .notices import send
    from .notify import Notice
    from .pattern_service import offered

    config = _config(config_path, config_source)
    if config.patterns_url is None:
        raise AirflowSkipException('no "patterns_url" is configured')
    if config_source != "airflow":
        raise AirflowFailException(
            f'patterns are kept in an Airflow Variable, which source "{config_source}" does not read: use "airflow"'
        )
    change = _done(lambda: offered(config))
    if change:
        note = f"{run_id}, {config.patterns_url}, version {change.version or 'not given'}: {change.text}"
        Variable.set(VARIABLE, list(change.after), description=note[:1000], serialize_json=True)
        log.info("Sensor patterns changed: %s", printable(note))
        send(Notice("Sensor patterns changed", change.text, {"run": run_id, "source": config.patterns_url}))
    return {"changed": bool(change), **asdict(change)}


def rotation_step(step: str, config_path: str | None, config_source: Any) -> dict[str, str]:
    """One of the four steps; returns the secret's version and the role, neither of them secret."""
    from ..historian.password_rotation import Rotating

    config = _config(config_path, config_source)
    if config.db_rotation is None:
        raise AirflowSkipException('no "db_rotation" is configured')
    return _done(lambda: asdict(getattr(Rotating(config), step)()))


def _config(path: str | None, source: Any) -> Config:
    from ..config.sources import load

    return _done(lambda: load(path, source=source))


def _done(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except SensorStreamError as error:
        raise verdict(error) from None
