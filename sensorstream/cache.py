"""A folder for what is fetched or built once per user: the Java shim, the JDBC driver, what is in C."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return a private, writable folder that outlives the process.

    Parameters
    ----------
    environ
        Where ``XDG_CACHE_HOME`` and ``HOME`` are looked up.

    Returns
    -------
    Path
        ``~/.cache/sensorstream``, or a folder of this user in the temporary directory when the home is not writable.
    """
    for place in _homes(environ):
        folder = place / "sensorstream"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return _temporary()


def _homes(environ: Mapping[str, str]) -> list[Path]:
    if cache := environ.get("XDG_CACHE_HOME"):
        return [Path(cache)]
    if home := environ.get("HOME"):
        return [Path(home) / ".cache"]
    return []


def _temporary() -> Path:
    folder = Path(tempfile.gettempdir()) / f"sensorstream-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Anyone may create names in the temporary directory: what another user put there is not run.
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return Path(tempfile.mkdtemp(prefix="sensorstream-"))
    return folder
