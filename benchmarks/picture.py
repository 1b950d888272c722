"""A case's figures as a picture: wall time with its spread, and where the CPU time went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .table import title

TREES = (("client_cpu", "contender", "#4477aa"), ("postgres_cpu", "PostgreSQL", "#ccbb44"), ("s3_cpu", "S3", "#ee6677"))
LABELS = {
    "floor": "COPY to nowhere, 1 connection",
    "floor2": "COPY to nowhere, 2 connections",
    "copy2": "COPY of every column, 2 connections",
    "passes": "packing alone, 2 connections",
    "packed": "SensorStream",
    "packed-spark": "SensorStream on Spark",
    "ingest": "SensorStream, new process",
    "run": "SensorStream run, new process",
    "jdbc": "SensorStream, engine jdbc",
    "spark": "Spark JDBC by hand",
    "duckdb": "DuckDB",
    "duckdb-script": "DuckDB, new process",
    "connectorx": "ConnectorX + pyarrow",
    "adbc": "ADBC + pyarrow",
    "dlt": "dlt, Delta table",
    "dlt-files": "dlt, not partitioned",
}


def draw(case: Mapping[str, Any], path: Path) -> None:
    """Write a PNG; entrants that failed are left out."""
    from matplotlib.figure import Figure

    shown = [one for one in case["figures"] if not one["failure"]][::-1]
    figure = Figure(figsize=(9, 2.0 + 0.42 * len(shown)), layout="constrained")
    wall, cpu = figure.subplots(1, 2, sharey=True)
    names = [LABELS.get(one["name"], one["name"]) for one in shown]
    medians = [one["wall"]["median"] for one in shown]
    spread = [
        [one["wall"]["median"] - one["wall"]["low"] for one in shown],
        [one["wall"]["high"] - one["wall"]["median"] for one in shown],
    ]
    colours = ["#228833" if one["name"].startswith(("packed", "ingest")) else "#bbbbbb" for one in shown]
    wall.barh(names, medians, xerr=spread, color=colours, ecolor="#555555", capsize=3)
    ends = [high + one for high, one in zip(spread[1], medians, strict=True)]
    for place, (end, median) in enumerate(zip(ends, medians, strict=True)):
        wall.text(end + max(ends) / 60, place, f"{median:.2f}", va="center", color="#333333")
    wall.set_xlim(0, max(ends) * 1.12)
    wall.set_xlabel("wall seconds per million readings")
    left = [0.0] * len(shown)
    for key, label, colour in TREES:
        widths = [one[key]["median"] if one[key] else 0.0 for one in shown]
        cpu.barh(names, widths, left=left, color=colour, label=label)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    cpu.set_xlabel("CPU seconds per million readings")
    figure.legend(loc="outside lower right", ncols=len(TREES), frameon=False)
    for axes in (wall, cpu):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title(case)}; shorter is better")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
