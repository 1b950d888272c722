"""Adds the run reports to Airflow's web server."""

from airflow.plugins_manager import AirflowPlugin

from sensorstream.airflow.report_server import Reports
from sensorstream.airflow.site import REPORTS_URL, Site


class SensorStreamReports(AirflowPlugin):
    name = "sensorstream_reports"
    fastapi_apps = [  # noqa: RUF012
        {
            "name": "sensorstream reports",
            "app": Reports(Site.from_environment().runs.absolute()),
            "url_prefix": REPORTS_URL,
        }
    ]
