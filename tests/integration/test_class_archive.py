"""The class archive: made once, used from then on, and never a word where it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sensorstream import class_archive
from sensorstream.java import java_home

SESSION = """
from sensorstream.config import check
from sensorstream.spark import spark_session
spark = spark_session(check({"db": {}, "local_path": "unused", "spark_master": "local[1]"}, where="the test"))
print(spark.range(3).count())
"""


@pytest.fixture(scope="module")
def made():
    """An environment whose cache holds an archive: the one that set-up has made here, as a rule."""
    environ = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}  # of another test's session
    assert class_archive.make(java_home(environ), environ)
    return environ


def archive(environ):
    option, _ = class_archive.options(java_home(environ), environ)
    return Path(option.removeprefix("-XX:SharedArchiveFile="))


def session(environ):
    """A process that starts a session; what it printed, and nothing else may it print."""
    return subprocess.run([sys.executable, "-c", SESSION], env=environ, capture_output=True, text=True, timeout=180)


def loaded_from_archive(environ, log):
    run = session(environ | {"JDK_JAVA_OPTIONS": f"-Xlog:class+load=info:file={log}"})
    assert run.stdout == "3\n", run.stderr
    return "shared objects file (top)" in log.read_text()


def linked(environ, tmp_path):
    """The same cache in another place, its archive a copy that may be spoilt."""
    folder = tmp_path / "sensorstream"
    folder.mkdir()
    source = archive(environ)
    copy = folder / source.name
    copy.write_bytes(source.read_bytes())
    os.utime(copy, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
    return environ | {"XDG_CACHE_HOME": str(tmp_path)}, copy


def test_what_set_up_made_is_what_a_session_uses(made, tmp_path):
    before = archive(made)
    assert loaded_from_archive(made, tmp_path / "classes.log")
    assert class_archive.make(java_home(made), made)
    assert archive(made) == before


@pytest.mark.parametrize("spoil", ["cut short", pytest.param("other bytes", marks=pytest.mark.slow)])
def test_a_damaged_archive_is_put_away_and_the_session_works(made, tmp_path, spoil):
    environ, copy = linked(made, tmp_path)
    copy.chmod(0o600)
    with copy.open("r+b") as file:
        if spoil == "cut short":
            file.truncate(100_000_000)
        else:
            file.seek(90_000_000)
            file.write(b"no class")
    # With a draft of another there, this session does not write one of its own beyond the end of the test.
    copy.with_name(f"{copy.name.rsplit('-', 2)[0]}.1.draft").touch()
    run = session(environ)
    assert (run.stdout, run.stderr) == ("3\n", "")
    assert not copy.exists()


def test_a_draft_that_a_jvm_left_half_written_is_not_used(made, tmp_path):
    environ, copy = linked(made, tmp_path)
    draft = copy.with_name(f"{copy.name.rsplit('-', 2)[0]}.1.draft")
    copy.rename(draft)
    draft.chmod(0o600)
    os.truncate(draft, 130_000_000)
    assert class_archive.options(java_home(environ), environ) == []
    assert not list(copy.parent.glob("*.jsa"))


def test_starts_at_the_same_time_take_one_draft_whole(made, tmp_path):
    environ, copy = linked(made, tmp_path)
    java = java_home(environ)
    copy.rename(copy.with_name(f"{copy.name.rsplit('-', 2)[0]}.1.draft"))
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: class_archive.options(java, environ), range(3)))
    (option, _) = class_archive.options(java, environ)
    assert option == f"-XX:SharedArchiveFile={archive(environ)}"
    assert archive(environ).stat().st_size == archive(made).stat().st_size


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_costs_no_word(made, tmp_path):
    (tmp_path / "file").touch()
    environ = made | {"XDG_CACHE_HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path)}
    run = session(environ)
    assert (run.stdout, run.stderr) == ("3\n", "")
