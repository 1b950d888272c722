"""Folders of the project that are no Python: inside the package where it is installed, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

from .errors import ConfigError

PACKAGE = Path(__file__).resolve().parent


def project_folder(name: str) -> Path:
    """The folder ``name`` of the project, such as ``notebooks``; ``ConfigError`` where there is none."""
    for folder in (PACKAGE / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise ConfigError(f"there is no folder {name} in or beside {PACKAGE}: install the package again, or use a checkout")
