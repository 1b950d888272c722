"""Run reports on Airflow's own web server, for those who may see the DAG's runs."""

from __future__ import annotations

import re
from pathlib import Path

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse

RUN = re.compile(r"[\w~-][\w.~-]*")
# A report is one page without scripts and without a single outside resource.
ONLY_ITSELF = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def reports(runs: Path) -> FastAPI:
    """The application that shows ``<runs>/<run>/report.html``."""
    app = FastAPI(title="SensorStream reports", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(
        "/{dag_id}/{run}/report.html",
        response_class=FileResponse,
        dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))],
    )
    def report(dag_id: str, run: str) -> FileResponse:
        page = runs / run / "report.html"
        if not RUN.fullmatch(run) or not page.is_file():
            raise HTTPException(404, f"run {run} of {dag_id} has no report yet: its last task writes it")
        return FileResponse(page, media_type="text/html", headers={"Content-Security-Policy": ONLY_ITSELF})

    return app
