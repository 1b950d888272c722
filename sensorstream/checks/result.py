"""What a check found: verdict first, then each expectation in words, with the tags that break it. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Literal

from ..atomic_files import replace_json
from ..errors import LakeCheckFailed, SourceCheckFailed
from ..formatting import length, on_a_screen, plain
from .anomalies import Anomaly, instant

Subject = Literal["source", "lake"]
Severity = Literal["critical", "warning", "info"]

FAILURES = {"source": SourceCheckFailed, "lake": LakeCheckFailed}
EXAMPLES = 10  # tag paths and rows that a finding names


@dataclass(frozen=True)
class Finding:
    """One expectation and what became of it. Only ``critical`` ends a run.

    ``unexpected`` counts rows (a tag, a tag id or a file, as the suite has them); ``tags`` are the first ten paths of
    ``tags_total``; ``examples`` the first ten rows, by column. ``observed`` is the number that an expectation on a
    whole column looked at; ``says`` completes "12 tags ...", in the words of the suite (``meta``), ``area`` is the
    folder that all the paths are in. ``rejected`` is where the run keeps the rejected readings that the finding is
    about, ``remedy`` what to do where that is known.
    """

    suite: str
    expectation: str
    type: str
    column: str
    severity: Severity
    success: bool
    observed: Any = None
    unexpected: int = 0
    tags: tuple[str, ...] = ()
    tags_total: int = 0
    examples: tuple[dict[str, Any], ...] = ()
    rejected: str | None = None
    remedy: str = ""
    says: str = ""
    area: str = ""

    @property
    def fails(self) -> bool:
        return not self.success and self.severity == "critical"

    @property
    def verdict(self) -> str:
        """``holds``, ``fails``, ``warning`` or ``info``."""
        if self.success:
            return "holds"
        return "fails" if self.severity == "critical" else self.severity

    def found(self) -> str:
        """What was seen instead, in one clause without a full stop."""
        parts = []
        if self.observed is not None:
            parts.append(_measured(self.column, self.observed, " is"))
        if self.unexpected:
            first = self.examples[0] if self.examples else {}
            values = ", ".join(_measured(*item) for item in first.items() if item[0] not in ("tagpath", "file"))
            if self.tags:
                more = f" and {self.tags_total - 3:,} more" if self.tags_total > 3 else ""
                tags = "tag" if self.tags_total == 1 else "tags"
                parts.append(f"{self.tags_total:,} {tags}: {', '.join(self.tags[:3])}{more}")
            else:
                parts.append(f"{self.unexpected:,} rows")
            if values:
                parts.append(f"the first: {values}" if self.unexpected > 1 else values)
        if self.rejected and not self.success:
            parts.append(f"rejected readings are kept in {self.rejected}")
        return "; ".join(parts)


@dataclass(frozen=True)
class CheckResult:
    """The findings of one check, in the order of its suites. ``measured`` are counts of what was looked at.

    ``notable`` are the stretches of time behind the findings, worst first and at most 200 of a kind;
    ``notable_total`` is how many of each kind there are, ``gaps`` how many each tag has that has any.
    ``notes`` say what stands behind a finding, or was not looked at.
    """

    subject: Subject
    suites: tuple[str, ...]
    window: dict[str, str]
    findings: tuple[Finding, ...]
    measured: Mapping[str, int]
    seconds: float
    notable: tuple[Anomaly, ...] = ()
    notable_total: Mapping[str, int] = field(default_factory=dict)
    gaps: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Whether a run may go on: no critical expectation failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.fails)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict in ("warning", "info"))

    def raise_if_failed(self) -> None:
        """Raise ``SourceCheckFailed`` or ``LakeCheckFailed`` that names the first failed expectation."""
        if not self.failed:
            return
        first = self.failed[0]
        others = f" (and {len(self.failed) - 1} more)" if len(self.failed) > 1 else ""
        raise FAILURES[self.subject](
            f'{self.subject} check failed: "{first.expectation}" does not hold, {first.found()}{others}:'
            f" {first.remedy or f'set it right, or change the expectation in {first.suite}.json'}"
        )

    def summary(self) -> str:
        """The verdict in one line."""
        held = sum(finding.success for finding in self.findings)
        counts = ", ".join(f"{count:,} {name}" for name, count in self.measured.items())
        verdict = "passed" if self.success else "failed"
        warnings = "1 warning" if len(self.warnings) == 1 else f"{len(self.warnings)} warnings"
        return (
            f"{self.subject} check {verdict}: {held} of {len(self.findings)} expectations hold,"
            f" {len(self.failed)} failed, {warnings}; {counts}; {self.seconds:.1f} s"
        )

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        return {
            "subject": self.subject,
            "success": self.success,
            "summary": self.summary(),
            "suites": list(self.suites),
            "window": self.window,
            "measured": dict(self.measured),
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            "notable": [one.to_json() for one in self.notable],
            "notable_total": dict(self.notable_total),
            "gaps": dict(self.gaps),
            "findings": [asdict(f) | {"verdict": f.verdict, "found": f.found()} for f in self.findings],
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``to_json()`` to a file."""
        target = Path(path)
        replace_json(target, self.to_json())
        return target

    def __repr__(self) -> str:
        open_ones = [f"{f.verdict}: {f.expectation}; {f.found()}" for f in (*self.failed, *self.warnings)]
        return on_a_screen(self.summary(), open_ones, self.notes)

    def _repr_html_(self) -> str:
        head, rest = self.summary().split(":", 1)
        open_rows = [f for f in self.findings if not f.success]
        open_rows.sort(key=lambda f: ("critical", "warning", "info").index(f.severity))
        held = [f for f in self.findings if f.success]
        parts = [f"<p><b>{escape(head[0].upper() + head[1:])}</b>:{escape(rest)}</p>"]
        if open_rows:
            parts.append(_table(open_rows, ("", "expectation", "found", "tags")))
        if held:
            parts.append(f"<details><summary>{len(held)} expectations hold</summary>")
            parts.append(_table(held, ("", "expectation", "observed")) + "</details>")
        if self.notes:
            parts.append(f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in self.notes)}</ul>")
        # No colours: whatever theme shows this brings its own.
        return f'<div class="sensorstream-check {"passed" if self.success else "failed"}">{"".join(parts)}</div>'


def shown(value: Any) -> str:
    """A number as people read it; text as it is."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        few = not abs(value) < 1e15 or (abs(value) < 1e4 and value != int(value))
        return f"{value:,.4g}" if few else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _measured(column: str, value: Any, verb: str = "") -> str:
    """A column and its value as people say it: what ends in ``_s`` are seconds, in ``_ms`` ms since 1970."""
    name, _, unit = column.rpartition("_")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if unit == "s":
            return f"{name.replace('_', ' ')}{verb} {length(round(value * 1000))}"
        if unit == "ms":
            return f"{name.replace('_', ' ')}{verb} {instant(int(value))}"
        if "share" in column:
            return f"{column.replace('_', ' ')}{verb} {100 * value:.3g} %"
        if verb:
            return f"{column.replace('_', ' ')}{verb} {shown(value)}"
    return f"{column.replace('_', ' ')}{verb} {_in_row(value)}"


def _in_row(value: Any) -> str:
    """A value of an example: text in quotes, and no grouped digits, since it may be an id."""
    return f'"{value}"' if isinstance(value, str) else plain(value) if isinstance(value, float) else str(value)


MARKS = {"holds": "✓", "fails": "✗ fails", "warning": "! warning", "info": "i info"}


def _table(findings: Sequence[Finding], columns: Sequence[str]) -> str:
    cell = "style='text-align:left;vertical-align:top'"
    head = "".join(f"<th {cell}>{name}</th>" for name in columns)
    rows = []
    for finding in findings:
        cells = [MARKS[finding.verdict], f"{finding.expectation} ({finding.suite})"]
        if "found" in columns:
            more = f", … {finding.tags_total - len(finding.tags):,} more" if finding.tags_total > EXAMPLES else ""
            cells += [finding.found(), ", ".join(finding.tags) + more]
        else:
            cells.append("" if finding.observed is None else shown(finding.observed))
        shown_cells = "".join(f"<td {cell}>{escape(text)}</td>" for text in cells)
        rows.append(f'<tr class="{finding.verdict}">{shown_cells}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
