"""A case's figures as a picture: wall time with its spread, and where the CPU time went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

TREES = (("client_cpu", "contender", "#4477aa"), ("postgres_cpu", "PostgreSQL", "#ccbb44"), ("s3_cpu", "S3", "#ee6677"))


def draw(case: Mapping[str, Any], path: Path) -> None:
    """Write a PNG; entrants that failed are left out."""
    from matplotlib.figure import Figure

    shown = [one for one in case["figures"] if not one["failure"]][::-1]
    figure = Figure(figsize=(9, 2.0 + 0.42 * len(shown)), layout="constrained")
    wall, cpu = figure.subplots(1, 2, sharey=True)
    names = [one["name"] for one in shown]
    medians = [one["wall"]["median"] for one in shown]
    spread = [
        [one["wall"]["median"] - one["wall"]["low"] for one in shown],
        [one["wall"]["high"] - one["wall"]["median"] for one in shown],
    ]
    colours = ["#228833" if name.startswith("packed") else "#bbbbbb" for name in names]
    wall.barh(names, medians, xerr=spread, color=colours, ecolor="#555555", capsize=3)
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
    figure.suptitle(case["title"])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
