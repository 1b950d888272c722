"""SensorStream as its users have it: a command of its own each round, from ``python`` to its exit."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from engine import values
from engine import window as window_of
from speak import serve, to_its_end, versions


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    return order, versions("sensorstream", "pyarrow")


def run(order: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    scratch, window = Path(order["scratch"]), window_of(order)
    config = scratch / f"{order['options']['command']}.json"
    text = json.dumps(values(order, message) | {"reports_path": str(scratch / "reports")})
    with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    try:
        words = [sys.executable, "-m", "sensorstream", order["options"]["command"], "--config", str(config), "--json"]
        words += ["--start", window.start.isoformat(), "--end", window.end.isoformat()]
        words += [word for pattern in order["patterns"] for word in ("--pattern", pattern)]
        said, used = to_its_end(words)
    finally:
        config.unlink()
    record = json.loads(said.splitlines()[-1])
    return {**used, "readings": record["rows_written"], "record": record}


if __name__ == "__main__":
    serve(prepare, run)
