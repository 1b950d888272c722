"""An Airflow of a test's own: a home, a configuration of the sandbox with a lake that no other test writes to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sensorstream.cli.airflow_server import airflow_environment
from tests.conftest import Plant


@dataclass(frozen=True)
class Home:
    """Where an Airflow lives, and the environment of its processes."""

    folder: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, plant: Plant, *, keys: Mapping[str, object] | None = None, **more: str) -> Home:
        """A migrated home; ``keys`` go over the sandbox's configuration, ``more`` into the environment."""
        values = json.loads(plant.config_path.read_text()) | {"s3_directory": f"{folder.name}/", **(keys or {})}
        (folder / "config.json").write_text(json.dumps(values))
        home = cls(folder, more)
        migrated = home.airflow("db", "migrate")
        assert migrated.returncode == 0, migrated.stderr[-3000:]
        return home

    @property
    def config_path(self) -> Path:
        return self.folder / "config.json"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **airflow_environment(self.folder, self.config_path),
            **self.more,
        }

    def airflow(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run an ``airflow`` command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "airflow", *words],
            env={**self.environment, **more}, capture_output=True, text=True, timeout=500,
        )  # fmt: skip

    def holding(self, secret: str) -> list[Path]:
        """Files below the home that hold ``secret``, the configuration apart."""
        every = [path for path in self.folder.rglob("*") if path.is_file() and path != self.config_path]
        assert every
        return [path for path in every if secret.encode() in path.read_bytes()]


def said(ran: subprocess.CompletedProcess[str]) -> str:
    """All that a command printed."""
    return ran.stdout + ran.stderr
