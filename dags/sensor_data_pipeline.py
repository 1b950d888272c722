"""Every day at 02:00: the day before, from the historian to the lake, through the three notebooks.

A manual run may name a date, or start and end, patterns, engine and write mode. A retried task redoes its own part
only. What the environment of Airflow's processes sets is in the documentation's page on Airflow.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import airflow.providers.papermill.operators.papermill  # noqa: F401 (named here, it is loaded once for every parse)
import pendulum
from airflow.sdk import Asset, CronDataIntervalTimetable, Param, task

from sensorstream.airflow.daily_tasks import prepare, write_report
from sensorstream.airflow.deadline import DeadlineDag, deadline
from sensorstream.airflow.notebooks import NotebookOperator, ReportLink
from sensorstream.airflow.notices import task_failed
from sensorstream.airflow.site import POOL, Site
from sensorstream.notebook_run.execute import find

SITE = Site.from_environment()
# What another DAG waits for with schedule=[Asset("sensor_data_lake")].
LAKE = Asset("sensor_data_lake", group="sensorstream")


def choice(kind: str, title: str, description: str, **more: Any) -> Param:
    return Param(None, type=["null", kind], title=title, description=description, **more)


CHOICES = {
    "date": choice("string", "Day", "In the site's time zone; empty: yesterday", format="date"),
    "start": choice("string", "Or from", "2026-10-31T06:00, local time; empty: the day above"),
    "end": choice("string", "to", "The first instant after the window"),
    "patterns": choice(
        "array",
        "Tags",
        "PostgreSQL regular expressions, one a line, ^plant1/press/ for one; empty: sensor_patterns",
        items={"type": "string"},
    ),
    "engine": choice("string", "Engine", "Empty: as configured", enum=[None, "packed", "jdbc"]),
    "write_mode": choice("string", "Write mode", "Empty: as configured", enum=[None, "overwrite", "append"]),
    "allow_loss": choice(
        "boolean", "Allow loss", "Publish even where tags lose most of the readings that the lake holds of them"
    ),
}
PARAMETERS = {
    "config_path": SITE.config_path_template,
    "config_source": SITE.config_source,
    "date": "{{ params.date or (None if params.start or params.end else day_of(logical_date, dag_run.run_after)) }}",
    **{name: f"{{{{ params.{name} }}}}" for name in ("start", "end", "patterns", "engine", "write_mode", "allow_loss")},
    "run_folder": "{{ folder_of(run_id) }}",
}


def notebook(name: str, **more: Any) -> NotebookOperator:
    return NotebookOperator(
        task_id=name,
        input_nb=str(find(name)),
        output_nb=f"{PARAMETERS['run_folder']}/{name}.ipynb",
        parameters=PARAMETERS,
        kernel_name="python3",
        **more,
    )


with DeadlineDag(
    "sensor_data_pipeline",
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone=SITE.timezone),
    start_date=pendulum.datetime(2024, 1, 1, tz=SITE.timezone),
    catchup=False,
    max_active_runs=1,
    default_args={**SITE.retries, "on_failure_callback": task_failed},
    params=CHOICES,
    deadline=deadline(SITE.deadline_hours),
    render_template_as_native_obj=True,
    user_defined_macros={"day_of": SITE.day_of, "folder_of": lambda run_id: str(SITE.folder_of(run_id))},
    tags=["sensorstream"],
    doc_md=__doc__,
):
    configuration = task(prepare, task_id="configuration", execution_timeout=timedelta(minutes=10))
    report = task(write_report, task_id="report", trigger_rule="all_done", execution_timeout=timedelta(minutes=30))
    written = report(PARAMETERS)
    written.operator.operator_extra_links = (ReportLink(),)
    (
        configuration(PARAMETERS)
        >> notebook("check_source", pool=POOL)
        >> notebook("ingest", pool=POOL)
        >> notebook("check_lake", outlets=[LAKE])
        >> written
    )
