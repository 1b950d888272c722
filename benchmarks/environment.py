"""The peers' environment, ``.venv-bench``: what the ``bench`` extra of pyproject.toml asks for, and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from sensorstream.errors import ConfigError

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".venv-bench"


def requirements(pyproject: Path = ROOT / "pyproject.toml") -> list[str]:
    found = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    return list(found["project"]["optional-dependencies"]["bench"])


def peers_python(place: Path = PLACE) -> Path:
    """The interpreter of the peers' environment, made where it is missing or the requirements have changed.

    Raises ``ConfigError`` if it cannot be made: the message ends in what the installer said.
    """
    wanted = requirements()
    python = place / "bin" / "python"
    stamp = place / f".ready-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]}"
    if stamp.exists() and python.exists():
        return python
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise ConfigError("the peers' environment needs uv: run make bench, which brings it")
    cache = [] if _home_is_writable() else ["--no-cache"]
    shutil.rmtree(place, ignore_errors=True)
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(place)])
    _run([uv, "pip", "install", "--quiet", *cache, "--python", str(python), *wanted])
    stamp.touch()
    return python


def _home_is_writable() -> bool:
    return os.access(os.environ.get("HOME", "/nonexistent"), os.W_OK)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ConfigError(f"the peers' environment {PLACE} cannot be made: {done.stderr.strip()[-400:]}")
