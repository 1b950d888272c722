"""Configurations: for commands that are processes of their own, and of lakes that need no server."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

from sensorstream.config.settings import Config
from sensorstream.config.sources import check


def file_of(config: Config, folder: Path) -> Path:
    """A file that says all that ``config`` says, the password too."""
    password = config.db.password
    login = config.db.model_dump(mode="json") | {"password": password.get_secret_value() if password else None}
    path = folder / "config.json"
    path.write_text(json.dumps(config.model_dump(mode="json") | {"db": login}))
    return path


def lakes_in(folder: Path) -> Callable[..., Config]:
    """``make(**keys)``: a configuration, each with a new lake in ``folder``; there is no historian."""
    numbers = count(1)

    def make(*, lake: str = "local", **keys: object) -> Config:
        return check({"db": {}, "local_path": str(folder / f"lake_{next(numbers)}")} | keys, where="the test")

    return make
