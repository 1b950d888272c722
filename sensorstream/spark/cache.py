"""A folder for what is fetched or built once per user: the Java shim, the JDBC driver."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """A private, writable folder that outlives the process: in the user's cache, or a folder of this user in the
    temporary directory where that cannot be written."""
    from platformdirs import user_cache_path

    folder = user_cache_path("sensorstream")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary()
    return folder if os.access(folder, os.W_OK | os.X_OK) else _temporary()


def _temporary() -> Path:
    folder = Path(tempfile.gettempdir()) / f"sensorstream-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Anyone may create names in the temporary directory: what another user put there is not run.
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return Path(tempfile.mkdtemp(prefix="sensorstream-"))
    return folder
