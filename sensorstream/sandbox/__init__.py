"""A historian, an object store and a secrets store on this machine, real servers, for trying things out."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .servers import down, status, up
    from .state import Sandbox, ServerStatus

ROOT = Path(".sandbox")

# Imported when asked for: the command line tells of the sandbox without any of its servers.
_HOME = {"Sandbox": ".state", "ServerStatus": ".state", "down": ".servers", "status": ".servers", "up": ".servers"}

__all__ = ["ROOT", "Sandbox", "ServerStatus", "down", "status", "up"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
