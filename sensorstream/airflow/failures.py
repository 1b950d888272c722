"""Which failures are final."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowFailException

from ..errors import SensorStreamError


class RunFailed(AirflowFailException):
    """The run failed in an earlier task, which has told of it."""


def verdict(reason: SensorStreamError) -> Exception:
    """``reason`` as Airflow should take it: worth another try, or final."""
    return reason if reason.retry_helps else AirflowFailException(str(reason))
