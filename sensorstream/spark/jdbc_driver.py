"""The PostgreSQL JDBC driver of the ``jdbc`` engine: where it may be, and how to get it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from ..errors import ConfigError
from .cache import cache_folder, changed_by
from .java import java_home

DRIVER_CLASS = "org.postgresql.Driver"
COORDINATES = "org.postgresql:postgresql:42.7.8"
DEBIAN_PACKAGE = "libpostgresql-jdbc-java"
DEBIAN_JAR = Path("/usr/share/java/postgresql.jar")
HOW_TO_GET_IT = (
    f"install the Debian package {DEBIAN_PACKAGE}, or download the jar from jdbc.postgresql.org and "
    'name it in "jdbc_jar" or in SENSORSTREAM_JDBC_JAR'
)
VARIABLE = "SENSORSTREAM_JDBC_JAR"
APT_SECONDS = 60
RESOLVER_SECONDS = 90


def find_driver(configured: str | None) -> Path | None:
    """Look for the driver's jar where it is usually found.

    Parameters
    ----------
    configured
        The ``jdbc_jar`` of the configuration.

    Returns
    -------
    Path or None
        The first of: configured, environment, Spark's own jars, the user's cache, Debian's folder.

    Raises
    ------
    ConfigError
        A jar that was named explicitly is not there, is not the driver, or may be changed by others.
    """
    for source, named in (('"jdbc_jar"', configured), (VARIABLE, os.environ.get(VARIABLE))):
        if named:
            jar = Path(named).expanduser()
            if not is_driver(jar):
                raise ConfigError(f"{source} names {named}, which is not a PostgreSQL JDBC driver: {HOW_TO_GET_IT}")
            if stranger := changed_by(jar):
                raise ConfigError(f"{source} names {named}, and {stranger}: keep it where only you and root may write")
            return jar
    candidates = [*_spark_jars(), *sorted(_cached().glob("postgresql*.jar"), reverse=True), DEBIAN_JAR]
    return next((jar for jar in candidates if is_driver(jar) and not changed_by(jar)), None)


def require_driver(configured: str | None) -> Path:
    """Return what ``find_driver`` finds; raise ``ConfigError`` that says how to get it when it finds nothing."""
    jar = find_driver(configured)
    if jar is None:
        raise ConfigError(
            f"the jdbc engine needs the PostgreSQL JDBC driver, which is not on this machine: {HOW_TO_GET_IT}"
        )
    return jar


def fetch_driver() -> Path:
    """Fetch the driver into the user's cache: Debian's package, else Spark's own resolver.

    Raises
    ------
    ConfigError
        Neither way works here.
    """
    cache = _cached()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        fetched = _from_debian(Path(folder)) or _from_maven(Path(folder))
        if fetched is None:
            raise ConfigError(f"the PostgreSQL JDBC driver cannot be fetched from here: {HOW_TO_GET_IT}")
        return fetched.replace(cache / fetched.name)


def is_driver(jar: Path) -> bool:
    """Tell whether a file is a jar that holds the driver's class."""
    try:
        with zipfile.ZipFile(jar) as archive:
            return f"{DRIVER_CLASS.replace('.', '/')}.class" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _cached() -> Path:
    return cache_folder() / "jdbc"


def _spark_jars() -> list[Path]:
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        return []
    return sorted((Path(spec.origin).parent / "jars").glob("postgresql*.jar"))


def _from_debian(folder: Path) -> Path | None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    download = ["apt-get", "download", DEBIAN_PACKAGE]
    if not _quietly(download, folder) and os.geteuid() == 0 and _quietly(["apt-get", "update"], folder):
        _quietly(download, folder)  # a fresh container has no package lists; making them needs root
    package = next(folder.glob("*.deb"), None)
    if package is None or not _quietly(["dpkg", "-x", str(package), "package"], folder):
        return None
    jar = folder / "package" / DEBIAN_JAR.relative_to("/")
    if not is_driver(jar):
        return None
    # postgresql-<version>.jar links to the file: its name says more than "postgresql.jar".
    version = package.name.split("_")[1].split("-")[0]
    return jar.rename(folder / f"postgresql-{version}.jar")


def _quietly(command: list[str], folder: Path) -> bool:
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=APT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return False
    return run.returncode == 0


_RESOLVE = """
import sys
from pyspark.sql import SparkSession
SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1") \
    .config("spark.jars.packages", sys.argv[1]).config("spark.jars.ivy", sys.argv[2]).getOrCreate().stop()
"""


def _from_maven(folder: Path) -> Path | None:
    ivy = folder / "ivy"
    try:
        # A process of its own, with a group: the resolver runs once per JVM, and a download that hangs can be ended.
        resolver = subprocess.Popen(
            [sys.executable, "-c", _RESOLVE, COORDINATES, str(ivy)],
            env={**os.environ, "JAVA_HOME": str(java_home())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ConfigError):
        return None
    try:
        resolver.wait(RESOLVER_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(resolver.pid, signal.SIGKILL)
        resolver.wait()
    jar = next((jar for jar in ivy.glob("jars/*postgresql-*.jar") if is_driver(jar)), None)
    if jar is None:
        return None
    return jar.rename(folder / f"postgresql-{COORDINATES.rpartition(':')[2]}.jar")
