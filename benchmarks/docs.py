"""``docs/benchmark.md``: what was last measured of each case, as the README links it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import picture
from .cases import CASES
from .iceberg import PAGE as ICEBERG
from .table import HEADS, UNITS, markdown, rows, target_lines, title

HEAD = """# Benchmark

Made by `sensorstream bench --write-docs` from the last measured run of each case; `make bench` measures the first one
again on your machine. Contenders run in turn, on the same servers, warm but where they are a new process each time, and
each is checked once for having moved exactly the readings that it was asked for before it is measured.

![The first case below as a picture](benchmark.png)
"""


def latest(folder: Path) -> list[dict[str, Any]]:
    """The cases that stand in ``build/bench``, in the order of ``cases``."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    return [found[name] for name in (*CASES, *sorted(found.keys() - CASES.keys())) if name in found]


def text(cases: list[dict[str, Any]]) -> str:
    notes = {one["name"]: one["note"] for case in cases for one in case["figures"] if " " not in one["name"]}
    parts = [HEAD, UNITS + "\n", *(section(case) for case in cases), ICEBERG.read_text(encoding="utf-8")]
    if notes:
        parts.append("## What each contender does, and cannot do\n")
        parts.append("\n".join(f"- `{name}`: {note}." for name, note in notes.items()) + "\n")
    return "\n".join(parts)


def section(case: Mapping[str, Any]) -> str:
    machine = case["machine"]
    lines = [f"## {title(case)}\n", markdown(HEADS, rows(case)), ""]
    lines += [case["note"], ""] if case["note"] else []
    if found := target_lines(case):
        lines += [markdown(("target", "verdict"), found), ""]
    lines += [f"- {one['name']} failed: see the log of the bench" for one in case["figures"] if one["failure"]]
    versions = ", ".join(f"{name} {version}" for name, version in case["versions"].items())
    lines += [
        f"Measured {case['date']} with `{case['command']}` on {machine['cores']} cores of {machine['processor']},"
        f" {machine['memory_gb']} GB, {machine['system']}, Python {machine['python']}; {versions}.",
        "",
    ]
    return "\n".join(lines)


def write(folder: Path, target: Path) -> None:
    """The page, and beside it the picture of its first case."""
    cases = latest(folder)
    picture.draw(cases[0], target.with_suffix(".png"))
    target.write_text(text(cases), encoding="utf-8")
