"""The run record: what a run read, kept, rejected and wrote, and proof that it adds up."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..atomic_files import replace_json
from ..formatting import html_pairs, on_a_screen
from ..transform.quality_names import with_name
from ..windows import Window


@dataclass(frozen=True)
class RunRecord:
    """One run. Counts are readings, sizes bytes, durations seconds, instants ISO 8601 in UTC.

    ``quality_codes`` are those of the lake's column ``quality``: a code without a sign (OPC UA, from 0x80000000) by its
    bits, so that one code has one name; the summary says beside it what OPC UA calls it. Readings without a code, or
    with one of more than 32 bits, are counted under ``None``.

    ``files_written`` and ``bytes_written`` count what changed in the lake: a rerun of an unchanged window shows 0,
    while ``rows_written`` counts the readings that stand in the lake for the window because of this run.
    """

    run_id: str
    started: str
    finished: str
    engine: str
    window: dict[str, str]
    patterns: list[str]
    tags_selected: int
    partition_tables: list[str]
    rows_read: int
    rows_written: int
    rows_rejected: dict[str, int]
    rows_deduplicated: int
    quality_codes: dict[str, int]
    files_written: int
    files_unchanged: int
    files_removed: int
    bytes_written: int
    seconds: dict[str, float]
    source_snapshot: str
    ran_on: str = ""  # this machine, or Spark and its master
    # How Spark read and encoded, a ``staging.task_times.Stage`` each: none where it does not tell, None without it.
    spark_stages: list[dict[str, Any]] | None = None
    digits_in_text: int = 0  # readings whose number a double cannot hold: its digits are their text
    explain: list[str] = field(default_factory=list)
    late: dict[str, Any] | None = None  # what was looked for in the days before, see ``read_again.late_record``
    report: str | None = None
    warnings: list[str] = field(default_factory=list)  # what was not kept or read at all, and what to do

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record as JSON."""
        replace_json(Path(path), self.to_json())

    @staticmethod
    def read(path: str | os.PathLike[str]) -> RunRecord:
        """The record that ``save`` wrote."""
        return RunRecord(**json.loads(Path(path).read_text(encoding="utf-8")))

    def __repr__(self) -> str:
        return on_a_screen("RunRecord", [f"{name:<22}{value}" for name, value in summary(self).items()], most=24)

    def _repr_html_(self) -> str:
        return html_pairs(summary(self))


def run_id(window: Window, patterns: Sequence[str]) -> str:
    """The name of what is asked for: the same window and patterns give the same name, so a rerun replaces itself."""
    digest = hashlib.sha256("\n".join(patterns).encode()).hexdigest()[:8]
    return f"{window.name}_{digest}"


def summary(record: RunRecord) -> dict[str, str]:
    """The record in words and grouped digits, for a terminal, a notebook or a report."""
    rejected = ", ".join(f"{n:,} {reason}" for reason, n in record.rows_rejected.items()) or "0"
    seconds = ", ".join(f"{phase} {s:.1f}" for phase, s in record.seconds.items())
    return {
        "run": record.run_id,
        "window": f"{record.window['start']} to {record.window['end']}",
        "tags": f"{record.tags_selected:,}",
        "partition tables": ", ".join(record.partition_tables) or "none",
        "engine": f"{record.engine}, on {record.ran_on}" if record.ran_on else record.engine,
        **({"Spark's tasks": _tasks(record.spark_stages)} if record.spark_stages else {}),
        "readings read": f"{record.rows_read:,}",
        "readings written": f"{record.rows_written:,}",
        "readings rejected": rejected,
        "readings deduplicated": f"{record.rows_deduplicated:,}",
        "quality codes": ", ".join(f"{with_name(code)}: {n:,}" for code, n in record.quality_codes.items()) or "none",
        **({"digits kept as text": f"{record.digits_in_text:,}"} if record.digits_in_text else {}),
        "files": f"{record.files_written:,} written, {record.files_unchanged:,} unchanged,"
        f" {record.files_removed:,} removed",
        "bytes written": f"{record.bytes_written:,}",
        "late readings": late_words(record.late),
        "warnings": "; ".join(record.warnings) or "none",
        "seconds": seconds,
    }


def _tasks(stages: list[dict[str, Any]]) -> str:
    took = ", then ".join(
        f"{stage['tasks']:,} of {stage['task_seconds']['median']:.1f} s (longest {stage['task_seconds']['max']:.1f})"
        for stage in stages
    )
    spilled = sum(stage["spilled_bytes"] for stage in stages)
    return f"{took}; {spilled:,} bytes spilled to disk" if spilled else f"{took}; none spilled to disk"


def late_words(late: dict[str, Any] | None) -> str:
    """What was found in the days before the window, and which detector spoke."""
    if late is None:
        return "not looked for (lookback_days is 0)"
    spoke = f"{late['detector']}: {late['reasons'][0]}" if late["reasons"] else late["detector"]
    if late.get("busy"):
        return f"{late['tag_days']:,} tag days changed, left to the next run: {late['busy']}"
    left = f", {late['tag_days_left']:,} tag days left to other runs" if late["tag_days_left"] else ""
    if not late["tag_days"]:
        return f"none{left} ({spoke})"
    return f"{late['tag_days']:,} tag days read again, {late['rows_read']:,} readings{left} ({spoke})"
