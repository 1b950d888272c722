"""How a run ended, in a few values: what the index shows of it, kept as ``verdict.json`` in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ..atomic_files import replace_json
from ..errors import SensorStreamError
from ..pipeline.run_record import RunRecord, run_id
from ..windows import Window

NAME = "verdict.json"
Verdict = Literal["done", "warnings", "failed", "broken"]


@dataclass(frozen=True)
class Outcome:
    """One execution. Counts are readings, sizes bytes, durations seconds, instants ISO 8601 in UTC.

    ``asked`` is the same for every execution of the same window and ``patterns``. What a run did not come to is
    ``None``; ``broken`` is a folder that does not tell what became of its run, ``reason`` says why.
    """

    verdict: Verdict
    asked: str
    window: dict[str, str] | None
    ended: str | None
    reason: str | None = None
    exit_code: int | None = None
    warnings: int = 0
    read: int | None = None
    rejected: int | None = None
    written: int | None = None
    bytes_written: int | None = None
    seconds: float | None = None
    patterns: list[str] | None = None
    tags: int | None = None

    def save(self, folder: Path) -> None:
        """Write ``verdict.json``."""
        replace_json(folder / NAME, asdict(self))


def outcome(
    window: Window,
    patterns: Sequence[str],
    record: RunRecord | None,
    checks: Sequence[Mapping[str, Any]],
    failure: SensorStreamError | None,
) -> Outcome:
    """What became of a run that ends now. Pure but for the clock."""
    warnings = count_warnings(checks) + (len(record.warnings) if record else 0)
    return Outcome(
        verdict="failed" if failure else "warnings" if warnings else "done",
        asked=run_id(window, patterns),
        patterns=list(patterns),
        window=window.to_json(),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        reason=str(failure) if failure else None,
        exit_code=failure.exit_code if failure else None,
        warnings=warnings,
        **(counts(record) if record else {}),
    )


def count_warnings(checks: Sequence[Mapping[str, Any]]) -> int:
    """Expectations that do not hold and let the run go on. Pure."""
    return sum(found["verdict"] in ("warning", "info") for check in checks for found in check["findings"])


def counts(record: RunRecord) -> dict[str, Any]:
    """The record's figures that an outcome keeps. Pure."""
    return {
        "read": record.rows_read,
        "rejected": sum(record.rows_rejected.values()),
        "written": record.rows_written,
        "bytes_written": record.bytes_written,
        "seconds": record.seconds["total"],
        "tags": record.tags_selected,
    }
