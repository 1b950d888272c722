"""What a run looks like: pictures for notebooks, and one HTML page that opens anywhere.

The heavy parts (matplotlib) are loaded when the first picture is drawn.
"""

from __future__ import annotations

from .charts import Picture, bytes_by_tag, most_rejected, quality_by_area, readings_over_time
from .config_table import Shown, configuration
from .run_statistics import RunStatistics, gather
from .series import daily, series
from .small_multiples import moved_most

__all__ = [
    "Picture",
    "RunStatistics",
    "Shown",
    "bytes_by_tag",
    "configuration",
    "daily",
    "gather",
    "most_rejected",
    "moved_most",
    "quality_by_area",
    "readings_over_time",
    "series",
]
