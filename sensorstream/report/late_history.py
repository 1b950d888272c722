"""Late readings that runs have found, as their records tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config.settings import Config
from .run_history import records

if TYPE_CHECKING:
    import pandas as pd


def came_late(config: Config) -> pd.DataFrame:
    """Tag days that runs have read again, from the run records under ``reports_path``: one row each.

    ``run, started, detector, tagpath, day``; days in order, no rows where no run has found any.
    """
    import pandas as pd

    rows = []
    for record in records(config):
        late = record.get("late") or {}
        for tagpath, days in late.get("tags", {}).items():
            rows += [(record["run_id"], record["started"], late["detector"], tagpath, day) for day in days]
    found = pd.DataFrame(rows, columns=["run", "started", "detector", "tagpath", "day"])
    return found.sort_values(["started", "day", "tagpath"], ignore_index=True)
