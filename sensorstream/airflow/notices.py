"""Notices of failed tasks and late runs, by e-mail and webhook.

Their Airflow Connections are ``sensorstream_smtp`` and ``sensorstream_webhook``; one that is not defined is a channel
that is not used. Airflow keeps Connections encrypted, unlike Variables.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from ..errors import SensorStreamError
from .failures import RunFailed
from .notify import MailServer, Notice, mail, post
from .site import DAILY, report_url

SMTP = "sensorstream_smtp"
WEBHOOK = "sensorstream_webhook"
log = logging.getLogger(__name__)


def task_failed(context: Any) -> None:
    """Callback of a task that has failed for good."""
    error = context.get("exception")
    if isinstance(error, RunFailed):
        return  # the task that failed has told of it
    instance = context["task_instance"]
    reason = (
        str(error) if error else "the task was ended from outside and left no reason: its log shows how far it came"
    )
    send(
        Notice(
            f"{instance.dag_id}: {instance.task_id} failed",
            reason,
            {
                "dag": instance.dag_id,
                "run": instance.run_id,
                "task": instance.task_id,
                **_report(instance.dag_id, instance.run_id),
                "log": getattr(instance, "log_url", "") or "",
            },
        )
    )


async def run_late(context: Any = None) -> None:
    """Callback of a run that is not done when it should be; the triggerer runs it."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    run = (context or {}).get("dag_run", {})
    dag_id, run_id = run.get("dag_id", ""), run.get("dag_run_id") or run.get("run_id", "")
    deadline = (context or {}).get("deadline", {}).get("deadline_time", "")
    notice = Notice(
        f"{dag_id} is late",
        f"the run is not done at its deadline, {deadline}: see which task is running or waiting",
        {"dag": dag_id, "run": run_id, **_report(dag_id, run_id)},
    )
    for connection_id in WAYS:
        with suppress(AirflowNotFoundException):
            await asyncio.to_thread(_tell, connection_id, await Connection.async_get(connection_id), notice)


def _report(dag_id: str, run_id: str) -> dict[str, str]:
    return {"report": report_url(dag_id, run_id)} if dag_id == DAILY else {}


def send(notice: Notice) -> None:
    """Send a notice over every channel that is defined; one that fails is logged and keeps no other from it."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    for connection_id in WAYS:
        with suppress(AirflowNotFoundException):
            _tell(connection_id, Connection.get(connection_id), notice)


def _tell(connection_id: str, connection: Any, notice: Notice) -> None:
    try:
        WAYS[connection_id](connection, notice)
        log.info("Notice sent over %s: %s", connection_id, notice.subject)
    except SensorStreamError as error:
        log.error("%s", error)


def _mail(connection: Any, notice: Notice) -> None:
    extra = connection.extra_dejson
    recipients = extra.get("to", ())
    mail(
        MailServer(
            host=connection.host or "localhost",
            port=connection.port or 587,
            sender=extra.get("from", "sensorstream@localhost"),
            recipients=(recipients,) if isinstance(recipients, str) else tuple(recipients),
            user=connection.login,
            password=connection.password,
            security=extra.get("security", "starttls"),
        ),
        notice,
    )


WAYS = {SMTP: _mail, WEBHOOK: lambda connection, notice: post(connection.password or "", notice)}
