"""Every day at 02:00: the day before, from the historian to the lake, through the three notebooks.

What the environment of the scheduler and the workers sets: ``SENSORSTREAM_CONFIG``, the path of the configuration (an
Airflow Variable of that name wins); ``SENSORSTREAM_TIMEZONE``, the site's; ``SENSORSTREAM_RUNS``, where executed
notebooks and reports are kept. A manual run may name a date, or start and end, patterns, engine and write mode.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, task
from airflow.sdk.exceptions import AirflowFailException

SITE = os.environ.get("SENSORSTREAM_TIMEZONE", "UTC")
RUNS = Path(os.environ.get("SENSORSTREAM_RUNS", "reports")).absolute()
NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"

RETRIES = {
    "retries": 3,
    "retry_delay": timedelta(minutes=2),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=30),
    "execution_timeout": timedelta(hours=6),
}
CHOICES = {
    "date": Param(None, type=["null", "string"], format="date", title="Day, in the site's time zone"),
    "start": Param(None, type=["null", "string"], title="Or from (ISO 8601)"),
    "end": Param(None, type=["null", "string"], title="to (ISO 8601, exclusive)"),
    "patterns": Param(None, type=["null", "array"], title="Tag paths (PostgreSQL regular expressions)"),
    "engine": Param(None, type=["null", "string"], enum=[None, "packed", "jdbc"], title="Engine"),
    "write_mode": Param(None, type=["null", "string"], enum=[None, "overwrite", "append"], title="Write mode"),
}
CONFIG = os.environ.get("SENSORSTREAM_CONFIG", "")
PARAMETERS = {
    "config_path": f"{{{{ var.value.get('SENSORSTREAM_CONFIG', '{CONFIG}') or None }}}}",
    "date": "{{ params.date or (None if params.start else day_of(logical_date, dag_run.run_after)) }}",
    **{name: f"{{{{ params.{name} }}}}" for name in ("start", "end", "patterns", "engine", "write_mode")},
    "run_folder": f"{RUNS}/{{{{ run_id | replace(':', '') }}}}",
}


def day_of(logical_date: pendulum.DateTime | None, run_after: pendulum.DateTime) -> str:
    """The day that a run is for: that of its logical date, but no day that is not over when the run may start."""
    over = pendulum.instance(run_after).in_timezone(SITE).subtract(days=1)
    asked = pendulum.instance(logical_date).in_timezone(SITE) if logical_date else over
    return min(asked, over).to_date_string()


def notebook(name: str) -> PapermillOperator:
    return PapermillOperator(
        task_id=name,
        input_nb=str(NOTEBOOKS / f"{name}.ipynb"),
        output_nb=f"{PARAMETERS['run_folder']}/{name}.ipynb",
        parameters=PARAMETERS,
        kernel_name="python3",
    )


@task
def configuration(parameters: dict[str, Any]) -> str:
    """Read the configuration, so that a bad one fails at once; make the run's folder."""
    from sensorstream.config import load
    from sensorstream.errors import ConfigError
    from sensorstream.windows import window_of

    try:
        config = load(parameters["config_path"])
        window = window_of(config.timezone, day=parameters["date"], start=parameters["start"], end=parameters["end"])
    except ConfigError as error:
        raise AirflowFailException(str(error)) from None
    Path(parameters["run_folder"]).mkdir(parents=True, exist_ok=True)
    return str(window)


@task(trigger_rule="all_done")
def report(parameters: dict[str, Any]) -> str:
    """Write the HTML report, also of a run that failed; the run is green only if the lake check was."""
    from sensorstream.config import load
    from sensorstream.errors import SensorStreamError
    from sensorstream.report import page
    from sensorstream.windows import window_of

    config = load(parameters["config_path"])
    window = window_of(config.timezone, day=parameters["date"], start=parameters["start"], end=parameters["end"])
    folder = Path(parameters["run_folder"])
    done = page.check(folder, "check_lake")
    failure = None if done and done["success"] else SensorStreamError("a task failed: its log says why")
    path = page.write(folder, config, window, failure)
    if failure:
        raise AirflowFailException(f"the run failed; report: {path}")
    return str(path)


with DAG(
    "sensor_data_pipeline",
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone=SITE),
    start_date=pendulum.datetime(2024, 1, 1, tz=SITE),
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
    params=CHOICES,
    render_template_as_native_obj=True,
    user_defined_macros={"day_of": day_of},
    tags=["sensorstream"],
    doc_md=__doc__,
):
    steps = [notebook(name) for name in ("check_source", "ingest", "check_lake")]
    configuration(PARAMETERS) >> steps[0] >> steps[1] >> steps[2] >> report(PARAMETERS)
