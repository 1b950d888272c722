"""Great Expectations, imported only when a check runs: it takes longer than any check (3 to 6 s of CPU)."""

from __future__ import annotations

import logging
import os
import time

from ..fast_import import quickly

LIBRARIES = "great_expectations", "pandas"


def load_library() -> float:
    """Import Great Expectations so that it neither phones home nor talks; how many seconds that took."""
    begin = time.perf_counter()
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    with quickly():
        import great_expectations  # noqa: F401

    return time.perf_counter() - begin
