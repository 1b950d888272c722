"""Where runs are kept: a folder or a prefix of an S3 bucket (``reports_path``), in it one folder for each execution."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from ..config.settings import Config, prefix_of
from ..errors import ConfigError, LakeError
from ..lake.stores import Store

S3 = "s3://"
VERIFIED = "verified/"  # where results of ``verify`` are kept, which are no run's


def remote(config: Config) -> bool:
    """Whether reports are kept on S3. Pure."""
    return config.reports_path.startswith(S3)


def open_storage(config: Config) -> Store:
    """The store of ``reports_path``; endpoint, region and encryption as the lake's. A folder is made."""
    if not remote(config):
        from ..lake.stores.folder import Folder

        return Folder(Path(config.reports_path).resolve())
    from ..lake.stores.bucket import Bucket

    return Bucket(place_of(config))


def place_of(config: Config) -> Config:
    """``config`` with the reports' bucket and prefix in place of the lake's. Pure."""
    bucket, _, prefix = config.reports_path.removeprefix(S3).partition("/")
    return config.model_copy(update={"bucket_name": bucket, "s3_directory": prefix_of(prefix), "local_path": None})


def run_folder(config: Config, name: str) -> Path:
    """A new folder to work in for the run ``name``: its place already, or a temporary one until ``keep``."""
    root = Path(tempfile.mkdtemp(prefix="sensorstream-run-")) if remote(config) else Path(config.reports_path).resolve()
    try:
        (root / name).mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f'run folder {root / name} cannot be made: {error.strerror}: check "reports_path"') from None
    return root / name


def kept_at(config: Config, folder: Path, name: str) -> str:
    """What the folder of a run is called once it is kept. Pure."""
    return f"{config.reports_path.rstrip('/')}/{name}" if remote(config) else str(folder)


def keep(config: Config, folder: Path, name: str) -> None:
    """Put what a run left in ``folder`` where reports are kept, and remove the folder if that is elsewhere.

    Raises
    ------
    LakeError
        The store refused; names the folder, which then stays.
    """
    if not remote(config):
        return
    try:
        with of_reports():
            store = open_storage(config)
            for file in sorted(folder.iterdir()):
                if file.is_file() and not file.name.startswith("."):
                    store.put(f"{name}/{file.name}", file.read_bytes())
    except LakeError as error:
        raise LakeError(f"{error}; what the run left is in {folder}") from None
    shutil.rmtree(folder.parents[name.count("/")])


def folders(config: Config) -> dict[str, set[str]]:
    """Each run's folder and the names of its files. A folder below a run's is part of that run."""
    store = open_storage(config)
    found: dict[str, set[str]] = {}
    for key, _ in store.list():
        folder, _, name = key.rpartition("/")
        if folder and not key.startswith(VERIFIED) and not any(part.startswith(".") for part in key.split("/")):
            found.setdefault(folder, set()).add(name)
    if not remote(config):
        found |= {folder: set() for folder in _empty(Path(config.reports_path).resolve())}
    return {name: files for name, files in found.items() if found.keys().isdisjoint(map(str, PurePath(name).parents))}


@contextmanager
def of_reports() -> Iterator[None]:
    """The store's sentences speak of the lake; here it is the reports that are meant."""
    try:
        yield
    except LakeError as error:
        told = str(error).replace("lake ", "reports ", 1)
        raise LakeError(told.replace('"bucket_name"', '"reports_path"')) from error


def _empty(root: Path) -> Iterator[str]:
    """Folders without anything in them: of runs that were killed before they wrote a file."""
    for place, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        if not below and not names and Path(place) != root:
            yield Path(place).relative_to(root).as_posix()
