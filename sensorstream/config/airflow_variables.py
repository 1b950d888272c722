"""Configuration out of Airflow Variables: in a task, in a notebook that a task runs, and on Airflow's own machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ..errors import ConfigError
from ..extras import needs
from .strict_json import parsed

WHOLE = "SENSOR_PIPELINE_CONFIG"
JSON = {"SENSOR_PATTERNS": "sensor_patterns", "LOOKBACK_DAYS": "lookback_days", "JDBC_FETCH_SIZE": "jdbc_fetch_size"}
TEXTS = {"SENSOR_BUCKET": "bucket_name", "SENSOR_DIRECTORY": "s3_directory"}
SINGLE = JSON | TEXTS
OF_A_TASK = "AIRFLOW_CTX_DAG_ID"  # Airflow sets it in a task
HANDED_ON = "SENSORSTREAM_VARIABLES"  # names and texts, as one JSON object


def variables() -> list[tuple[str, dict[str, Any]]]:
    """The keys that Airflow Variables set, each with the Variable's name: the whole object first, single ones above it.

    Raises
    ------
    ConfigError
        Airflow's database cannot be read, a Variable is no JSON, or one holds a password: Variables are shown to
        whoever may see them.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    if (whole := _get(WHOLE)) is not None:
        values = _json(WHOLE, whole)
        if not isinstance(values, dict):
            raise ConfigError(f"Airflow Variable {WHOLE} is not one JSON object")
        if isinstance(values.get("db"), dict) and values["db"].get("password"):
            raise ConfigError(
                f'Airflow Variable {WHOLE} holds a password, which all can read there: name a secret in "db_secret_id"'
            )
        found.append((WHOLE, values))
    for name, key in SINGLE.items():
        if (text := _get(name)) is not None:
            found.append((name, {key: text if name in TEXTS else _json(name, text)}))
    return found


@contextmanager
def handed_on() -> Iterator[None]:
    """The Variables in the environment, for what this task starts: that is no task, and cannot even import Airflow."""
    texts = {name: text for name in (WHOLE, *SINGLE) if (text := _get(name)) is not None}
    os.environ[HANDED_ON] = json.dumps(texts)
    try:
        yield
    finally:
        del os.environ[HANDED_ON]


def _get(name: str) -> Any:
    if HANDED_ON in os.environ:
        return dict(_json(HANDED_ON, os.environ[HANDED_ON])).get(name)
    if OF_A_TASK in os.environ:
        from airflow.sdk import Variable

        return Variable.get(name, default=None)
    needs('config_source "airflow"', airflow=("airflow",))
    from airflow.models import Variable as Stored

    _ask_database()
    return Stored.get(name, default_var=None)


@cache
def _ask_database() -> None:
    """``ConfigError`` where Airflow's database cannot be read: Airflow itself would say that there is no Variable."""
    from airflow.models import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with create_session() as session:
            session.scalar(select(Variable.key).limit(1))
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or type(error).__name__
        raise ConfigError(
            f"Airflow's database cannot be read ({why}): set AIRFLOW_HOME to that of your Airflow,"
            " or run `airflow db migrate`"
        ) from None


def _json(name: str, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return parsed(text)
    except ValueError as error:
        raise ConfigError(f"Airflow Variable {name} {error}: write a list in brackets, texts in quotes") from None
