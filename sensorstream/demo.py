"""``make demo``: the whole of it on real servers, on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

from .sandbox import up
from .sandbox.plant import PlantOptions, seed
from .sandbox.servers import ROOT


def demo(root: Path = ROOT) -> None:
    """Sandbox up, a plant seeded, source check, plan, ingest, lake check, report. Run again, it changes nothing."""
    from .runner import run

    console = Console(highlight=False)
    sandbox = up(root)
    os.environ.update(sandbox.aws_env())
    console.print(f"[bold]sandbox[/]   PostgreSQL on port {sandbox.port}, S3 at {sandbox.s3_endpoint}, in {root}/")
    plant = seed(sandbox.owner_dsn, PlantOptions())
    console.print(f"[bold]historian[/] {plant.readings:,} readings of {plant.tags} tags in {len(plant.tables)} tables")
    run(sandbox.config_path, start=plant.start.isoformat(), end=plant.end.isoformat())
    command = f"{Path(sys.executable).parent / 'sensorstream'} plan --config {sandbox.config_path}"
    console.print(f"[bold]go on[/]     {command} --date {plant.start:%Y-%m-%d}", soft_wrap=True)
