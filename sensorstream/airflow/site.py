"""What the environment of Airflow's processes says about the site, and what follows from it for a run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..windows import zone

REPORTS_URL = "/sensorstream/reports"
POOL = "historian"
DAILY = "sensor_data_pipeline"


@dataclass(frozen=True)
class Site:
    """Settings that a DAG needs before any task runs; all others are in the pipeline's configuration."""

    timezone: str = "UTC"
    config_path: str = ""
    config_source: str = "airflow"
    runs: Path = Path("reports")
    retry_seconds: float = 120.0
    deadline_hours: float = 4.0

    @classmethod
    def from_environment(cls) -> Site:
        """The site that ``SENSORSTREAM_TIMEZONE``, ``_CONFIG``, ``_CONFIG_SOURCE``, ``_RUNS``, ``_RETRY_SECONDS`` and
        ``_DEADLINE_HOURS`` describe."""
        usual = vars(cls())
        told = {name: os.environ.get(f"SENSORSTREAM_{name.removesuffix('_path').upper()}") for name in usual}
        return cls(**{name: type(usual[name])(text) for name, text in told.items() if text})

    @property
    def retries(self) -> dict[str, Any]:
        """How a task of a DAG fails: three more tries, each later than the one before."""
        return {
            "retries": 3,
            "retry_delay": timedelta(seconds=self.retry_seconds),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=30),
            "execution_timeout": timedelta(hours=6),
        }

    @property
    def config_path_template(self) -> str:
        """The configuration's path for a template: an Airflow Variable of that name wins over the environment."""
        return f"{{{{ var.value.get('SENSORSTREAM_CONFIG', '{self.config_path}') or None }}}}"

    def day_of(self, logical_date: datetime | None, run_after: datetime) -> str:
        """The day that a run is for: that of its logical date, but no day that is not over when the run may start."""
        here = zone(self.timezone)
        over = run_after.astimezone(here).date() - timedelta(days=1)
        asked = logical_date.astimezone(here).date() if logical_date else over
        return min(asked, over).isoformat()

    def folder_of(self, run_id: str) -> Path:
        """Where a run keeps its executed notebooks and its report."""
        return self.runs.absolute() / folder_name(run_id)


def report_url(dag_id: str, run_id: str) -> str:
    """The address of a run's report in Airflow's own web server (see ``report_server``)."""
    from airflow.sdk.configuration import conf

    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}{REPORTS_URL}/{dag_id}/{folder_name(run_id)}/report.html"


def folder_name(run_id: str) -> str:
    """``run_id`` as the name of one folder, never its parent's, and as a part of an address that needs no quotes."""
    name = re.sub(r"[^A-Za-z0-9_.~-]", "_", run_id.replace(":", ""))
    return f"_{name}" if name.startswith(".") or not name else name
