"""What a run looks like: pictures for notebooks, and one HTML page that opens anywhere.

What is named here is imported when it is first used: the command line shows reports too, and draws nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "charts": ("Picture", "bytes_by_tag", "most_rejected", "quality_by_area", "readings_over_time"),
    "config_table": ("Shown", "configuration"),
    "heat_strip": ("read_when",),
    "run_statistics": ("RunStatistics", "gather"),
    "small_multiples": ("moved_most",),
    "tag_figures": ("AllTags", "all_tags"),
    "tag_series": ("daily", "series"),
}
__all__ = sorted(name for names in _HOME.values() for name in names)


def __getattr__(name: str) -> Any:
    module = next((module for module, names in _HOME.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)
