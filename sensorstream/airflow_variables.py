"""Configuration out of Airflow Variables (they work inside a task, where Airflow's task SDK can ask for them)."""

from __future__ import annotations

import json
from typing import Any

from .errors import ConfigError

LISTS = {"SENSOR_PATTERNS": "sensor_patterns"}
NUMBERS = {"LOOKBACK_DAYS": "lookback_days", "JDBC_FETCH_SIZE": "jdbc_fetch_size"}
TEXTS = {"SENSOR_BUCKET": "bucket_name", "SENSOR_DIRECTORY": "s3_directory"}


def variables() -> dict[str, Any]:
    """The keys that Airflow Variables set: ``SENSOR_PIPELINE_CONFIG`` whole, the single ones above it."""
    from airflow.sdk import Variable

    whole = Variable.get("SENSOR_PIPELINE_CONFIG", default=None)
    values: dict[str, Any] = dict(_json("SENSOR_PIPELINE_CONFIG", whole)) if whole is not None else {}
    for name, key in (LISTS | NUMBERS | TEXTS).items():
        text = Variable.get(name, default=None)
        if text is not None:
            values[key] = text if name in TEXTS else _json(name, text)
    return values


def _json(name: str, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise ConfigError(f"Airflow Variable {name} is not JSON: {text!r}") from None
