"""What a run looks like: pictures for notebooks, and one HTML page that opens anywhere.

What is named here is imported when it is first used: the command line shows reports too, and draws nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .charts import Picture, bytes_by_tag, most_rejected, quality_by_area, readings_over_time
    from .config_table import Shown, configuration
    from .heat_strip import read_when
    from .run_statistics import RunStatistics, gather
    from .small_multiples import moved_most
    from .tag_figures import AllTags, all_tags
    from .tag_series import daily, series

_HOME = {
    "AllTags": "tag_figures",
    "Picture": "charts",
    "RunStatistics": "run_statistics",
    "Shown": "config_table",
    "all_tags": "tag_figures",
    "bytes_by_tag": "charts",
    "configuration": "config_table",
    "daily": "tag_series",
    "gather": "run_statistics",
    "most_rejected": "charts",
    "moved_most": "small_multiples",
    "quality_by_area": "charts",
    "read_when": "heat_strip",
    "readings_over_time": "charts",
    "series": "tag_series",
}

__all__ = [
    "AllTags",
    "Picture",
    "RunStatistics",
    "Shown",
    "all_tags",
    "bytes_by_tag",
    "configuration",
    "daily",
    "gather",
    "most_rejected",
    "moved_most",
    "quality_by_area",
    "read_when",
    "readings_over_time",
    "series",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
