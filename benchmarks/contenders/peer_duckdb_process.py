"""DuckDB as a script by hand: a new process each round, the same statements as ``peer_duckdb``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from peer_duckdb import EXTENSIONS, connect, extension_folder, settings, statement
from speak import serve, to_its_end, versions

SCRIPT = Path(__file__).with_name("duckdb_script.py")


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    connect(order, order["db"]["port"]).close()  # installs the extensions
    return order, versions("duckdb")


def run(order: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    lines = [f"LOAD {extension}" for extension in EXTENSIONS]
    lines += settings(order, message.get("port", order["db"]["port"]))
    lines += [statement(order, message["prefix"].rstrip("/"))]
    said, used = to_its_end([sys.executable, str(SCRIPT), extension_folder(order)], "\n".join(lines))
    return {**used, "readings": int(said)}


if __name__ == "__main__":
    serve(prepare, run)
