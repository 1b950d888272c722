"""A folder for what is fetched or built once per user (the Java shim, the JDBC driver), and whom it may be run from."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path

from ..errors import ConfigError


def cache_folder() -> Path:
    """A folder that outlives the process and that nobody else can change: in the user's cache, or a folder of this
    user in the temporary directory where that cannot be written, or others can."""
    from platformdirs import user_cache_path

    folder = user_cache_path("sensorstream")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return temporary_folder()
    if not os.access(folder, os.W_OK | os.X_OK):
        return temporary_folder()
    if stranger := changed_by(folder):
        _tell(f"the cache folder {folder} is not used, since {stranger}: remove it, or set XDG_CACHE_HOME")
        return temporary_folder()
    return folder


def temporary_folder() -> Path:
    """This user's own folder in the temporary directory; where somebody else has put one of its name, a new one.

    Raises
    ------
    ConfigError
        Others may rename and replace what is in the temporary directory.
    """
    folder = Path(tempfile.gettempdir()) / f"sensorstream-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if changed_by(folder):
        folder = Path(tempfile.mkdtemp(prefix="sensorstream-"))
    if stranger := changed_by(folder):
        raise ConfigError(f"no program can be kept in {folder}, since {stranger}: set TMPDIR to a folder of yours")
    return folder


def changed_by(path: Path) -> str | None:
    """Who else can change ``path``, by itself or by a folder above it, in words; ``None`` where nobody can.

    Root can always. In a folder above, the sticky bit keeps others from what is not theirs.
    """
    path = Path(os.path.abspath(path))
    for part in (path, *path.parents):
        found = part.lstat()
        if found.st_uid not in (0, os.getuid()):
            return f"{part} belongs to user {_name(found.st_uid)}"
        if stat.S_ISLNK(found.st_mode):
            if stranger := changed_by(part.parent / os.readlink(part)):
                return stranger
        elif part != path and found.st_mode & stat.S_ISVTX:
            continue
        elif found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not _alone(found.st_gid)):
            return f"others may write {part}"
    return None


def _alone(gid: int) -> bool:
    """Whether a group is this user's own, of the same name and without other members."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@cache
def _tell(sentence: str) -> None:
    print(f"sensorstream: warning: {sentence}", file=sys.stderr)
