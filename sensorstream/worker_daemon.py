"""Spark's Python daemon with what a task imports already there, so that each worker it forks has it at birth.

Spark runs ``python -m <this module> pyspark.worker`` once a session; see ``spark.python.daemon.module``.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from os.path import basename, isfile, join

# Imported and no more: threads started here would not live on in the forks.
NEEDED = (
    *("pandas", "pyarrow.compute", "pyarrow.parquet", "psycopg", "sensorstream.extract"),
    *("botocore.session", "sensorstream.lake.stores.bucket"),
)
ARCHIVES = ("pyspark.zip", "py4j-", "spark-core_")  # what Spark puts in front of a worker's path


def leave_archives() -> None:
    """Take pyspark from where it is installed, and look into Spark's archives no more: they keep no bytecode, and each
    task reads their tables of contents anew (0.1 s)."""
    archives = [place for place in sys.path if basename(place).startswith(ARCHIVES)]
    rest = [place for place in sys.path if place not in archives]
    if all(any(isfile(join(place, name, "__init__.py")) for place in rest) for name in ("pyspark", "py4j")):
        sys.path[:] = rest
        for place in archives:
            sys.path_importer_cache.pop(place, None)


def main() -> None:
    """Import, then be ``pyspark.daemon``; what cannot be imported here is left to the task that needs it."""
    leave_archives()
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
