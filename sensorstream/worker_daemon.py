"""Spark's Python daemon with what a task imports already there, so that each worker it forks has it at birth.

Spark runs ``python -m <this module> pyspark.worker`` once a session; see ``spark.python.daemon.module``.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from os.path import basename, isfile, join

# Imported and no more: threads started here would not live on in the forks.
NEEDED = ("pandas", "pyarrow.compute", "pyarrow.parquet", "psycopg", "sensorstream.extract")


def prefer_installed_pyspark() -> None:
    """Take pyspark from where it is installed, not from the zip in front of it: a zip keeps no bytecode."""
    zips = [place for place in sys.path if basename(place) == "pyspark.zip" or basename(place).startswith("py4j-")]
    rest = [place for place in sys.path if place not in zips]
    if any(isfile(join(place, "pyspark", "daemon.py")) for place in rest):
        sys.path[:] = rest + zips


def main() -> None:
    """Import, then be ``pyspark.daemon``; what cannot be imported here is left to the task that needs it."""
    prefer_installed_pyspark()
    for name in NEEDED:
        try:
            import_module(name)
        except Exception:
            continue
    from pyspark.daemon import manager

    # What stands now is shared by all forks; without this their first collection would copy it page by page.
    gc.freeze()
    manager()


if __name__ == "__main__":
    main()
