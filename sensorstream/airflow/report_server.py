"""Run reports on Airflow's own web server, for those who may see the DAG's runs."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from .site import DAILY

RUN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*")
# A report is one page without a single outside resource, and its own script is the only one that may run.
SCRIPT = files("sensorstream.report").joinpath("page.js").read_text(encoding="utf-8").removesuffix("\n")
DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
ONLY_ITSELF = (
    f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{DIGEST}';"
    " sandbox allow-scripts allow-downloads"
)
# What a report leads to, and speaks of as beside it.
BESIDE = {f"{name}.ipynb" for name in ("check_source", "ingest", "check_lake")} | {
    f"{name}.json" for name in ("record", "tags", "check_source", "check_lake")
}


class Reports:
    """The web application that shows ``<runs>/<run>/report.html`` and the page of all runs, made at the first request.

    Every process of Airflow loads the plugins, each task too; only the API server needs what a web application needs.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = runs

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await application(self.runs)(scope, receive, send)


@cache
def application(runs: Path) -> Any:
    """The FastAPI application behind ``Reports``."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import FileResponse

    allowed = [Depends(requires_access_dag("GET", DagAccessEntity.RUN))]
    app = FastAPI(title="SensorStream reports", docs_url=None, redoc_url=None, openapi_url=None, dependencies=allowed)

    def page(dag_id: str, path: Path, missing: str) -> Any:
        # Who may see another DAG's runs may not see these by its name.
        if dag_id != DAILY or not path.is_file():
            raise HTTPException(404, missing)
        if path.suffix == ".html":
            return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": ONLY_ITSELF})
        return FileResponse(path, media_type="application/json", filename=path.name)

    @app.get("/{dag_id}/index.html", response_class=FileResponse)
    def index(dag_id: str) -> Any:
        return page(dag_id, runs / "index.html", f"no run of {dag_id} has a report yet")

    @app.get("/{dag_id}/{run}/report.html", response_class=FileResponse)
    def report(dag_id: str, run: str) -> Any:
        if not RUN.fullmatch(run):
            raise HTTPException(404, f"{run} is no run")
        return page(
            dag_id, runs / run / "report.html", f"run {run} of {dag_id} has no report yet: its last task writes it"
        )

    @app.get("/{dag_id}/{run}/{name}", response_class=FileResponse)
    def beside(dag_id: str, run: str, name: str) -> Any:
        if not RUN.fullmatch(run) or name not in BESIDE:
            raise HTTPException(404, f"{name} is nothing that a run leaves beside its report")
        return page(dag_id, runs / run / name, f"run {run} of {dag_id} has left no {name}")

    return app
