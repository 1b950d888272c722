"""A run that is not done in time is told of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from .notices import run_late


def deadline(hours: float) -> DeadlineAlert:
    """So long after a run is queued; a backfilled run is not late because its day is long past.

    The triggerer tells of it: what the executor runs may not read a Connection (apache/airflow pull request 66141).
    """
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(hours=hours), callback=AsyncCallback(run_late)
    )


class DeadlineDag(DAG):
    """A ``DAG`` whose deadline is no hindrance to ``airflow dags test``.

    That command ends every green run of a DAG with a deadline in a traceback (apache/airflow issue 73428).
    """

    def test(self, *arguments: Any, **named: Any) -> Any:
        self.deadline = None
        return super().test(*arguments, **named)
