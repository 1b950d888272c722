"""Every week: sensor patterns from the configuration service, and a new password for the historian.

Either part is skipped where it is not configured (`patterns_url`; `db_rotation`). A pattern that PostgreSQL refuses
leaves the old ones in place; a rotation that died is finished by the next.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG, CronTriggerTimetable, chain, task

from sensorstream.airflow.notices import task_failed
from sensorstream.airflow.site import Site
from sensorstream.airflow.weekly_tasks import STEPS, rotation_step, take_patterns

SITE = Site.from_environment()

with DAG(
    "pipeline_config_manager",
    schedule=CronTriggerTimetable("0 12 * * 1", timezone=SITE.timezone),  # Monday noon: people are at work
    start_date=pendulum.datetime(2024, 1, 1, tz=SITE.timezone),
    catchup=False,
    max_active_runs=1,
    default_args={**SITE.retries, "execution_timeout": timedelta(minutes=10), "on_failure_callback": task_failed},
    render_template_as_native_obj=True,
    tags=["sensorstream"],
    doc_md=__doc__,
):
    where = {"config_path": SITE.config_path_template, "config_source": SITE.config_source}
    task(take_patterns, task_id="patterns")(**where, run_id="{{ run_id }}")
    chain(*(task(rotation_step, task_id=f"{step}_secret")(step, **where) for step in STEPS))
