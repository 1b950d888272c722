"""The first configuration: asks where historian and lake are, tries both, writes it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ConfigError
from .help import EVERY_DAY, Commands
from .options import USUAL_FILE, console

commands = Commands(EVERY_DAY)


@commands.command(example="init")
def init(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Write the configuration there.")] = USUAL_FILE,
) -> None:
    """Ask where the historian and the lake are, try both, and write config.json."""
    from ..config.sources import check
    from ..notebook_run.doctor import examine
    from ..report.terminal import show_tried
    from ..sandbox.state import write_private

    if out.exists():
        raise ConfigError(f"{out} exists: edit it, or name another file with --out")
    values = _asked()
    tried = show_tried(examine(check(values, where="what was answered")), console(as_json=False))
    if any(one.failure for one in tried) and not typer.confirm("Not all of it works yet. Write it all the same?"):
        raise ConfigError(f"{out} was not written: see above what to do")
    write_private(out, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    print(f"{out} is written, for your eyes alone; next: sensorstream plan --config {out} --date a-day-that-is-over")


def _asked() -> dict[str, Any]:
    """The answers, as keys of the configuration."""
    ask = partial(typer.prompt, err=True)
    print("The historian, a PostgreSQL database:")
    db = {
        "host": ask("  host", default="127.0.0.1"),
        "port": ask("  port", default=5432, type=int),
        "dbname": ask("  database", default="historian"),
        "user": ask("  user, who can only read", default="reader"),
        "password": ask("  password, empty: ~/.pgpass has it", default="", hide_input=True, show_default=False),
    }
    print("The lake:")
    values: dict[str, Any] = {"db": {key: value for key, value in db.items() if value != ""}}
    lake = ask("  bucket, like s3://plant-lake, or a folder")
    if lake.startswith("s3://"):
        bucket, _, directory = lake.removeprefix("s3://").partition("/")
        values |= {"bucket_name": bucket} | ({"s3_directory": directory} if directory else {})
        region = ask("  region", default="eu-central-1")
        endpoint = ask("  address of the store, empty for AWS", default="", show_default=False)
        values |= {"s3_region": region} | ({"s3_endpoint_url": endpoint} if endpoint else {})
    else:
        values["local_path"] = lake
    return values | {"timezone": ask("Time zone of the plant", default="UTC")}
