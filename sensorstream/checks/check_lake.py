"""The check of the lake: what a run wrote for the window, file by file, against the manifest and the run record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..config.settings import Config
from ..extras import needs
from ..lake.manifest import at_one_commit
from ..lake.stores import reached_store
from ..pipeline.preview import plan
from ..pipeline.run_record import RunRecord
from ..publishing.guards import covered_months
from ..transform.quality import quality_rule
from ..windows import WindowLike, as_window
from .anomalies import worst
from .data_docs import DataDocs
from .gx_library import LIBRARIES, load_library
from .lake_summary import before, committed_files, files_frame, rejected_times
from .ranges import load_ranges, matcher
from .result import CheckResult
from .suites import load_suite
from .validation import validate

SUITES = ("lake_readings",)


def check_lake(
    config: Config,
    window: WindowLike,
    patterns: Sequence[str] | None = None,
    record: RunRecord | None = None,
    *,
    expectations_dir: Path | None = None,
    docs: DataDocs | None = None,
) -> CheckResult:
    """Hold the lake's files of ``window`` and the selected tags against the manifest and the suite of the lake.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    window
        A ``Window``, or a day of the configured time zone: text such as ``2026-10-14`` or a date.
    patterns
        PostgreSQL regular expressions of tag paths; those of ``config`` by default.
    record
        The run's record: after an overwrite the files must hold exactly ``rows_written`` readings.
    expectations_dir, docs
        Where the suite is, that of the project by default; where the library makes its own pages too (``data_docs``).

    Returns
    -------
    CheckResult
        Findings, what was measured (counts), the stretches of time behind the findings, seconds.

    Raises
    ------
    LakeError, SourceError, ConfigError
        Lake or historian (which knows what the patterns select) cannot be used, or the suite is broken. What does not
        hold raises nothing here: see ``CheckResult.raise_if_failed``.
    """
    needs("check_lake", checks=LIBRARIES)
    begin, window = time.perf_counter(), as_window(window, config.timezone)
    (suite,) = (load_suite(name, expectations_dir) for name in SUITES)
    store = reached_store(config)
    what = plan(config, window, patterns)
    paths = [tag.path for tag in what.tags]
    months = covered_months(what, config)
    spans = {window: months, before(window): [month for month, _ in before(window).months(config.timezone)]}
    files, earlier = at_one_commit(
        store, lambda now: [committed_files(now.held_to(config.timezone), *of, {*paths}) for of in spans.items()]
    )
    limits, tags = matcher(load_ranges(expectations_dir)), {tag.path: tag for tag in what.tags}
    frame, stretches = files_frame(
        store, files, earlier, paths, window, months=months, timezone=config.timezone,
        rule=quality_rule(config, what.layout),
        rejected=rejected_times(store, paths, window, config.lookback_days),
        range_of=lambda path: limits(tags[path]),
    )  # fmt: skip
    notable, notable_total = worst(stretches)
    # Append leaves readings that are no longer in the source, so there is no total to hold the files against.
    total = record.rows_written if record is not None and config.write_mode == "overwrite" else None
    parameters = {"rows_written": total, "max_records_per_file": config.max_records_per_file}
    begin += load_library()  # takes longer than the check and is no part of it
    findings = validate(suite, frame, keys=["tagpath", "file"], parameters=parameters, docs=docs)
    return CheckResult(
        subject="lake",
        suites=SUITES,
        window=window.to_json(),
        findings=tuple(findings),
        measured={
            "tags": len(paths),
            "files": len(files),
            "files read": int(frame["rows_read"].notna().sum()),
            "readings": sum(file.entry.rows for file in files),
            "bytes": sum(file.entry.size for file in files),
        },
        seconds=time.perf_counter() - begin,
        notable=notable,
        notable_total=notable_total,
        gaps=Counter(one.tagpath for one in stretches if one.kind == "gap"),
    )
