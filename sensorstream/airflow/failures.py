"""Which failures are final."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowFailException

from ..errors import ConfigError, LakeCheckFailed, SensorStreamError, SourceCheckFailed

# What the next try would find as it is now.
NO_RETRY_HELPS = (ConfigError, SourceCheckFailed, LakeCheckFailed)


class RunFailed(AirflowFailException):
    """The run failed in an earlier task, which has told of it."""


def verdict(reason: SensorStreamError) -> Exception:
    """``reason`` as Airflow should take it: final, or worth another try."""
    return AirflowFailException(str(reason)) if isinstance(reason, NO_RETRY_HELPS) else reason
