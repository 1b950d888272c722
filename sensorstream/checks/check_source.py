"""The check of the source: tags as they stand, and the window's readings summed up a tag by SQL."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.settings import Config
from ..extras import needs
from ..historian import PartitionTable, Tag, open_historian
from ..historian.extent import has_readings_of
from ..historian.two_sensors import gateways_at_once
from ..lake.keys import rejected_key
from ..pipeline.run_record import run_id
from ..pipeline.warnings import no_known_tag, nothing_kept, reasons_of
from ..transform.quality import quality_rule
from ..windows import Window, WindowLike, as_window
from .anomalies import worst
from .data_docs import DataDocs
from .gx_library import LIBRARIES, load_library
from .ranges import load_ranges
from .result import CheckResult
from .source_summary import Summary, frame_of, notable_steps, silences, summarise, tags_frame
from .suites import load_suite
from .usual_counts import usual_readings
from .validation import validate

if TYPE_CHECKING:
    import pandas as pd

SUITES = ("source_tags", "source_readings")
# Columns of readings that the run will reject, and keep aside.
OF_REJECTED = {"kept_share", "rejected_share_of_all", "no_quality", "unlisted", "unreadable"}


@dataclass(frozen=True)
class Source:
    """What the historian says of a window: its tags and their rows, the readings summed up, and what else to know."""

    tags: tuple[Tag, ...]
    ids: pd.DataFrame  # a row a tag id
    tables: tuple[PartitionTable, ...]
    summary: Summary
    notes: list[str]


def check_source(
    config: Config,
    window: WindowLike,
    patterns: Sequence[str] | None = None,
    *,
    expectations_dir: Path | None = None,
    docs: DataDocs | None = None,
) -> CheckResult:
    """Hold the historian's tags and its readings of ``window`` against the suites of the source.

    Reads no reading: PostgreSQL sums the window up, a row a tag.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    window
        A ``Window``, or a day of the configured time zone: text such as ``2026-10-14`` or a date.
    patterns
        PostgreSQL regular expressions of tag paths; those of ``config`` by default.
    expectations_dir, docs
        Where the suites are, by default those of the project; where the library makes its own pages (``data_docs``).

    Returns
    -------
    CheckResult
        Findings, what was measured (counts), the stretches of time behind the findings, seconds.

    Raises
    ------
    SourceError, ConfigError
        The historian cannot be used, no tag matches, or a suite is broken. What does not hold raises nothing here:
        see ``CheckResult.raise_if_failed``.
    """
    needs("check_source", checks=LIBRARIES)
    begin, window = time.perf_counter(), as_window(window, config.timezone)
    tag_suite, reading_suite = (load_suite(name, expectations_dir) for name in SUITES)
    patterns = config.patterns(patterns)
    source = look(config, window, patterns)
    readings = frame_of(
        source.tags,
        source.summary,
        now_ms=int(time.time() * 1000),
        usual=usual_readings(config, window),
        ranges=load_ranges(expectations_dir),
    )
    silent = silences(readings, window, *map(reading_suite.at_most, ("silent_share", "steps_since_last")))
    notable, notable_total = worst([*notable_steps(source.tags, source.summary), *silent])
    begin += load_library()  # takes longer than the check and is no part of it
    parameters = {"window_start_ms": window.start_ms, "window_last_ms": window.end_ms - 1}
    rejected = f"{config.lake.rstrip('/')}/{rejected_key(run_id(window, patterns))}"
    findings = [
        *validate(tag_suite, source.ids, keys=["tagpath", "id"], docs=docs),
        *validate(reading_suite, readings, keys=["tagpath"], parameters=parameters, docs=docs),
    ]
    findings = [replace(f, rejected=rejected) if f.column in OF_REJECTED else f for f in findings]
    if not readings["readings"].any():
        with open_historian(config) as historian:
            remedy = f"choose another window: {has_readings_of(historian)}".rstrip(": ")
        findings = [replace(f, remedy=remedy) if f.fails else f for f in findings]
    return CheckResult(
        subject="source",
        suites=SUITES,
        window=window.to_json(),
        findings=tuple(findings),
        measured={
            "tags": len(source.tags),
            "tags with readings": int((readings["readings"] > 0).sum()),
            "readings": int(readings["readings"].sum()),
            "partition tables": len(source.tables),
        },
        seconds=time.perf_counter() - begin,
        notable=notable,
        notable_total=notable_total,
        notes=tuple(source.notes),
    )


def look(config: Config, window: Window, patterns: Sequence[str]) -> Source:
    """Ask the historian."""
    with open_historian(config) as historian:
        tags = historian.tags(patterns)
        tables = historian.partition_tables(window)
        left_out = historian.left_out(window)
        ids = tags_frame(historian, patterns)
        rule = quality_rule(config, historian.layout)
        summary = summarise(historian, tables, tags, window, rule)
        gateways = gateways_at_once(historian, tags, window)
        silent = [table for table in tables if not summary.codes[table.name]]
        every = [number for tag in historian.tags() for number in tag.ids] if silent else []
        unknown = [
            table.name
            for table in silent
            if historian.holds_any(table, window) and not historian.holds_any(table, window, every)
        ]
        notes = [
            *(left.why for left in left_out),
            *(no_known_tag(name, historian.tags_name) for name in unknown),
            *historian.notes,
        ]
    none_kept = {name: codes for name, codes in summary.codes.items() if codes and all(map(rule.reason, codes))}
    notes += [nothing_kept(name, reasons_of(codes, rule), codes) for name, codes in none_kept.items()]
    if summary.unordered:
        notes.append(
            f"clocks are not judged by {', '.join(sorted(summary.unordered))}: rows of a view, of a foreign table, of"
            " partitions and heirs stand in no order of writing"
        )
    summary = replace(
        summary,
        gateways=gateways,
        none_kept={name: codes.total() for name, codes in none_kept.items()},
        unread=[*(left.table for left in left_out if left.certain), *unknown],
    )
    return Source(tags, ids, tables, summary, notes)
