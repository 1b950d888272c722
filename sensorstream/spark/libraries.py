"""The libraries that a run needs, and this package, as one archive for a cluster whose Python has none of them."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ..errors import ConfigError
from ..extras import needs
from .package import contents

# What a run imports; Spark itself is the cluster's, notebooks, checks and reports are not done there.
NEEDED = (
    "boto3", "cachetools", "numpy", "obstore", "pandas", "platformdirs", "psycopg", "psycopg-binary", "pyarrow",
    "pydantic", "rich", "tenacity", "typer", "typing-extensions", "tzdata",
)  # fmt: skip


def pack(out: Path) -> list[str]:
    """Write the archive, for the operating system and the Python of this process; the settings that use it.

    Raises
    ------
    ConfigError
        A library is not installed as a package with a list of its files, or the archive cannot be written.
    """
    needs("sensorstream package", spark=("packaging", "pandas"))
    try:
        with tarfile.open(out, "w:gz", compresslevel=6) as archive:
            for path, file in _files():
                archive.add(file, path)
            for path, data in contents():
                entry = tarfile.TarInfo(path)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    except OSError as error:
        raise ConfigError(f"the archive {out} cannot be written: {error.strerror}") from None
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [
        f"spark.archives={out.resolve()}#libraries",
        "spark.executorEnv.PYTHONPATH=./libraries",
        f"spark.pyspark.python=python{python}",
    ]


def _files() -> Iterator[tuple[str, Path]]:
    for library in _libraries():
        if library.files is None:
            raise ConfigError(f"{library.name} has no list of its files: install it from its wheel")
        for file in library.files:
            place = Path(str(file.locate()))
            if ".." not in file.parts and file.suffix != ".pyc" and place.is_file():
                yield str(file), place


def _libraries() -> list[metadata.Distribution]:
    """Those that are needed, with what they need themselves."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, metadata.Distribution] = {}
    wanted = list(NEEDED)
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise ConfigError(f"{name} is not installed here: pip install 'sensorstream[spark]'") from None
        for text in found[name].requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                wanted.append(needed.name)
    return [found[name] for name in sorted(found)]
