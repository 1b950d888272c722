"""The machine that was measured on, in words that name no path and no host."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import psutil

from sensorstream import __version__


def machine() -> dict[str, Any]:
    """Processor, cores, memory, kernel and Python."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "sensorstream": __version__,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
