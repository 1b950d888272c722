"""This package on its way to the executors of a cluster, which are refused where they have another version of it."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

PACKAGE = "sensorstream"
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the archive: the same content is the same name


def carry(spark: SparkSession) -> None:
    """Send the package along with the tasks of a session, once; nothing where they run on this machine."""
    if here(spark):
        return
    name, data = archive()
    file = Path(spark.sparkContext._temp_dir) / name  # Spark serves it, and removes it
    if not file.exists():
        file.write_bytes(data)
        spark.sparkContext.addPyFile(str(file))


@cache
def archive() -> tuple[str, bytes]:
    """A zip of the package with its data files, and its name, which tells version and content."""
    file, digest = io.BytesIO(), hashlib.sha256()
    with zipfile.ZipFile(file, "w") as packed:
        for path, data in contents():
            packed.writestr(zipfile.ZipInfo(path, EPOCH), data, zipfile.ZIP_DEFLATED)
            digest.update(f"{path} {len(data)} ".encode() + data)
    return f"{PACKAGE}-{__version__}-{digest.hexdigest()[:12]}.zip", file.getvalue()


def contents() -> list[tuple[str, bytes]]:
    """Every file of the package, with its path in an archive."""
    return sorted(_contents(files(PACKAGE), PACKAGE))


def _contents(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for found in folder.iterdir():
        path = f"{name}/{found.name}"
        if found.is_dir() and found.name != "__pycache__":
            yield from _contents(found, path)
        elif found.is_file():
            yield path, found.read_bytes()


class Guarded:
    """A function that a worker unpickles only where it has this very package, and the libraries that decide on bytes.

    Spark puts what is carried before what is installed, but what a worker has imported already wins.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        import pyarrow
        from pyspark import cloudpickle

        return _loader(), (archive()[0], __version__, pyarrow.__version__, cloudpickle.dumps(self._function))


def guarded(spark: SparkSession, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as workers of the session are given it."""
    if here(spark):
        return function
    carry(spark)
    held: Any = Guarded(function)  # on the driver; a worker has the function itself
    if function.__code__.co_argcount == 2:  # Spark looks how many arguments a function takes
        return lambda key, rows: held(key, rows)
    return lambda batches: held(batches)


def spark_schema(schema: pa.Schema) -> StructType:
    """The columns of what a function hands back, as Spark is told of them."""
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


class Sent:
    """A value that goes to the tasks of a session once, unpickled where it is first asked for: behind the guard.

    Where what passes through disks is encrypted, Spark unpickles a broadcast before the function.
    """

    def __init__(self, spark: SparkSession, value: object) -> None:
        self._pickled = spark.sparkContext.broadcast(pickle.dumps(value))

    @cached_property
    def value(self) -> Any:
        return pickle.loads(self._pickled.value)


def here(spark: SparkSession) -> bool:
    """Whether the tasks of a session run on this machine."""
    return bool(re.fullmatch(r"local(\[.*\])?", spark.sparkContext.master or ""))


def _loader() -> Callable[..., Any]:
    """What a worker calls first. It is pickled itself and not by name, so it needs nothing of this package."""

    def load(archive: str, version: str, arrow: str, pickled: bytes) -> Any:
        import socket
        import sys

        import pyarrow

        import sensorstream

        def refuse(what: str, remedy: str) -> Exception:
            # Told apart on the driver by its name, whatever errors the other version has.
            kind = type("ConfigError", (Exception,), {"__module__": "sensorstream.errors"})
            return kind(f"the worker on {socket.gethostname()} ({sys.executable}) has {what}: {remedy}")

        if archive not in str(sensorstream.__file__):
            raise refuse(
                f"sensorstream {getattr(sensorstream, '__version__', 'without a version')} from"
                f" {getattr(sensorstream, '__file__', None)} in place of the {version} that this run brings along",
                "remove it there, or run with that version; nothing of the run is published",
            )
        if pyarrow.__version__ != arrow:
            raise refuse(
                f"pyarrow {pyarrow.__version__}, this run {arrow}, and files of the two are not the same bytes",
                "install one version on both; nothing of the run is published",
            )
        return pickle.loads(pickled)

    return load
