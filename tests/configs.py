"""Configurations for commands that are processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

from sensorstream.config.settings import Config


def file_of(config: Config, folder: Path) -> Path:
    """A file that says all that ``config`` says, the password too."""
    password = config.db.password
    login = config.db.model_dump(mode="json") | {"password": password.get_secret_value() if password else None}
    path = folder / "config.json"
    path.write_text(json.dumps(config.model_dump(mode="json") | {"db": login}))
    return path
