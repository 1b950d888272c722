"""``make demo``: the whole of it on real servers, on this machine."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from ..config.sources import load
from ..errors import LakeCheckFailed
from ..extras import needs
from ..lake.keys import BOOKS
from ..lake.stores import open_store
from ..sandbox import ROOT, up
from ..sandbox.plant import PlantOptions, seed
from ..sandbox.plant_days import grow
from ..sandbox.processes import HOST
from ..sandbox.servers import LIBRARIES, describe, look_at
from ..spark.java import java_home


def same_objects(here: Path, there: Path) -> int:
    """How many objects the lake of ``there`` has beside its manifest; ``LakeCheckFailed`` where ``here`` has others."""
    stores = [open_store(load(path)) for path in (here, there)]
    names = sorted(key for key, _ in stores[1].list() if not key.startswith(BOOKS))
    with ThreadPoolExecutor(8) as pool:
        found = zip(names, *(pool.map(store.get, names) for store in stores), strict=True)
    if other := next((name for name, one, two in found if one != two), None):
        raise LakeCheckFailed(f"{other} has other bytes in the lake of {there} than in that of {here}: report this")
    return len(names)


def demo(root: Path = ROOT, *, cluster: bool = False) -> None:
    """Sandbox up, a plant seeded, source check, plan, ingest, lake check, report. Run again, it changes nothing.

    With ``cluster`` once more on the sandbox's Spark cluster; ``LakeCheckFailed`` where that leaves other bytes.
    """
    from ..notebook_run.run import NEEDED, run
    from ..report.terminal import say

    needs("sensorstream demo", **NEEDED, sandbox=LIBRARIES)
    console = Console(highlight=False)
    with console.status("Starting PostgreSQL and S3 ..."):
        sandbox = up(root, java=java_home() if cluster else None)
    say(console, f"PostgreSQL at {HOST}:{sandbox.port}, S3 at {sandbox.s3_endpoint}", head="sandbox")
    with console.status("Filling the historian with a simulated plant ..."):
        look_at(root)  # every tag, whatever file was replayed before
        plant = seed(sandbox.owner_dsn, options := PlantOptions(goes_on=True))
        describe(root, options)
        readings = plant.readings + grow(sandbox.owner_dsn)
    say(console, f"{readings:,} readings of {plant.tags} tags, the newest of yesterday", head="historian")
    start, end = plant.start.isoformat(), plant.end.isoformat()
    run(sandbox.config_path, start=start, end=end)
    if cluster:
        say(console, f"{sandbox.spark_master}, two workers without this package", head="cluster")
        run(sandbox.cluster_path, start=start, end=end)
        same = same_objects(sandbox.config_path, sandbox.cluster_path)
        say(console, f"{same:,} objects, the same bytes as this machine's", head="cluster")
        return
    command = f"{Path(sys.executable).parent / 'sensorstream'} plan --config {sandbox.config_path}"
    say(console, f"{command} --date {plant.start:%Y-%m-%d}", head="go on")
