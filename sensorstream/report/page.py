"""The run report: one HTML file without a single outside resource, built from what the run's folder holds."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..config import Config
from ..errors import NotSettled, SensorStreamError
from ..record import RunRecord, summary
from ..windows import Window, zone
from .shown import configuration

TITLES = {"check_source": "Source check", "ingest": "Ingest", "check_lake": "Lake check"}
PACKAGES = ("sensorstream", "pyspark", "pyarrow", "psycopg", "obstore", "papermill", "great-expectations")


def write(folder: Path, config: Config, window: Window, failure: SensorStreamError | None) -> Path:
    """Write ``report.html`` into a run's folder, from its executed notebooks, record and check results.

    What a failed run did not leave is left out; ``failure`` stands at the top.
    """
    from jinja2 import Environment, PackageLoader

    record = RunRecord.read(folder / "record.json") if (folder / "record.json").exists() else None
    notebooks = [_notebook(folder, name) for name in TITLES if (folder / f"{name}.ipynb").exists()]
    tz = zone(config.timezone)
    form = "%a %d %b %Y, %H:%M"
    start, end = window.start.astimezone(tz).strftime(form), window.end.astimezone(tz).strftime(form)
    html = (
        Environment(loader=PackageLoader("sensorstream.report", "."), autoescape=True, trim_blocks=True)
        .get_template("page.html.j2")
        .render(
            window=f"{start} to {end} ({config.timezone})",
            failure=failure,
            untouched=record is None and not isinstance(failure, NotSettled),
            record=record,
            summary=summary(record) if record else {},
            numbers=_numbers(record) if record else [],
            checks=[found for name in ("check_source", "check_lake") if (found := check(folder, name))],
            pictures=[picture for found in notebooks for picture in found["pictures"]],
            plan=next((found["plan"] for found in notebooks if found["plan"]), None),
            configuration=configuration(config).rows,
            versions={name: version(name) for name in PACKAGES} | {"Python": platform.python_version()},
            notebooks=notebooks,
        )
    )
    target = folder / "report.html"
    draft = folder / f".report.{os.getpid()}"
    draft.write_text(html, encoding="utf-8")
    os.replace(draft, target)
    return target


def check(folder: Path, name: str) -> dict[str, Any] | None:
    """The result that a check kept, with its title; ``None`` if it did not come so far."""
    path = folder / f"{name}.json"
    return {"title": TITLES[name], **json.loads(path.read_text(encoding="utf-8"))} if path.exists() else None


def check_summary(folder: Path, name: str) -> str:
    found = check(folder, name)
    return found["summary"] if found else "did not run"


def _numbers(record: RunRecord) -> list[tuple[str, str, str]]:
    """The figures that stand large: value, name, and a word of explanation."""
    rejected = sum(record.rows_rejected.values())
    share = f"{100 * rejected / record.rows_read:.2g} % of what was read" if record.rows_read else "nothing was read"
    late = record.late
    looked = [(f"{late['tag_days']:,}", "late tag days read again", f"found by {late['detector']}")] if late else []
    return [
        (f"{record.rows_read:,}", "readings read", "the historian's own count, in one snapshot"),
        (f"{record.rows_written:,}", "in the lake", f"of {record.tags_selected:,} tags"),
        (f"{rejected:,}", "rejected", share),
        (f"{record.rows_deduplicated:,}", "deduplicated", "several rows of one path and time"),
        *looked,
        (f"{record.files_written:,}", "files written", f"{record.files_unchanged:,} unchanged"),
        (f"{record.bytes_written / 1e6:,.1f} MB", "written", "compressed Parquet"),
        (f"{record.seconds['total']:.1f} s", "from start to commit", f"{record.engine} engine"),
    ]


def _notebook(folder: Path, name: str) -> dict[str, Any]:
    """An executed notebook: its cells as text for unfolding, its pictures, its plan."""
    import nbformat

    cells: list[dict[str, Any]] = []
    pictures, plan, failed = [], None, False
    for cell in nbformat.read(folder / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        text = []
        for output in cell.outputs:
            data, told = output.get("data", {}), output.get("metadata", {}).get("sensorstream")
            if told and "image/svg+xml" in data:
                pictures.append({**told, "svg": data["image/svg+xml"]})
            elif cell.source.rstrip().endswith("\nplan") and "text/html" in data:
                plan = data["text/html"]
            elif output.output_type == "error":
                failed = True
                text.append(f"{output.ename}: {output.evalue}")
            else:
                text.append(output.get("text") or data.get("text/plain", ""))
        cells.append({"source": cell.source, "text": "\n".join(text)[:4000]})
    return {"title": TITLES[name], "cells": cells, "pictures": pictures, "plan": plan, "failed": failed}
