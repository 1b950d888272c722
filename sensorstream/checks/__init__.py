"""Checks: Great Expectations suites over one row a tag (the source) and one row a file (the lake).

``source_summary`` lets SQL sum the window up, ``lake_summary`` reads back what a run wrote; ``behaviour`` and ``pace``
tell gaps, stuck sensors and clocks that went back. ``suites`` finds the JSON files that say what to expect,
``validation`` (with ``data_docs``) is the only place that knows Great Expectations, ``result`` what it found.
"""

from .data_docs import data_docs
from .lake import check_lake
from .learning import learn_ranges
from .result import CheckResult, Finding
from .source import check_source

__all__ = ["CheckResult", "Finding", "check_lake", "check_source", "data_docs", "learn_ranges"]
