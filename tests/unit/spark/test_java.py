"""Java: the machine's own when Spark can use it, else the wheel's behind a shim."""

from __future__ import annotations

import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from sensorstream.errors import ConfigError
from sensorstream.spark import java


@pytest.fixture(autouse=True)
def bare(tmp_path, monkeypatch):
    """An environment without any Java, and with an empty home."""
    for name in ("JAVA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    return monkeypatch.setenv


def fake_java(home, version):
    (home / "bin").mkdir(parents=True)
    (home / "lib").mkdir()
    program = home / "bin" / "java"
    program.write_text(f'#!/bin/sh\necho "    java.specification.version = {version}" >&2\n')
    program.chmod(0o755)
    return home


def behind(shim):
    """The home that a shim leads to."""
    return (shim / "lib").resolve().parent


def test_a_shim_is_not_put_around_a_shim(bare, tmp_path):
    bare("JAVA_HOME", str(fake_java(tmp_path / "some", 17)))
    home = java.java_home()
    bare("JAVA_HOME", str(home))
    assert java.java_home() == home


def test_without_any_java_the_wheel_runs_with_the_argument_that_spark_insists_on(tmp_path):
    home = java.java_home()
    run = subprocess.run([home / "bin" / "java", java.VECTOR_MODULE, "-version"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert '"21.' in run.stderr
    assert home.is_relative_to(tmp_path)


def test_the_shim_passes_every_other_argument_on_unchanged(bare):
    home = java.java_home()
    odd = ["-Da=two words", "-Db=", "-Dc=it's $HOME", java.VECTOR_MODULE, "-XshowSettings:properties", "-version"]
    run = subprocess.run([home / "bin" / "java", *odd], capture_output=True, text=True)
    for line in ("a = two words", "b = \n", "c = it's $HOME"):
        assert line in run.stderr


def test_processes_that_race_for_the_shim_all_get_it(bare):
    with ThreadPoolExecutor(8) as pool:
        homes = set(pool.map(lambda _: java.wheel_home(), range(16)))
    assert len(homes) == 1
    assert java.java_version(homes.pop()) == 21


def test_a_home_that_cannot_be_written_is_no_obstacle(bare, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "file").touch()
    bare("HOME", str(tmp_path / "file"))
    home = java.java_home()
    assert java.java_version(home) == 21


def test_java_home_goes_before_path(bare, tmp_path):
    first, second = fake_java(tmp_path / "first", 17), fake_java(tmp_path / "second", 21)
    bare("JAVA_HOME", str(first))
    bare("PATH", str(second / "bin"))
    found = java.java_home()
    assert behind(found) == first


def test_a_java_that_spark_cannot_use_is_passed_over(bare, tmp_path):
    old, new = fake_java(tmp_path / "old", "1.8"), fake_java(tmp_path / "new", 25)
    bare("JAVA_HOME", str(old))
    bare("PATH", str(new / "bin"))
    found = java.java_home()
    assert behind(found) not in (old, new)
    assert java.java_version(found) == 21


def test_the_home_of_a_linked_java_is_where_the_link_points(bare, tmp_path):
    home = fake_java(tmp_path / "jvm" / "java-17", 17)
    links = tmp_path / "links"
    links.mkdir()
    os.symlink(home / "bin" / "java", links / "java")
    bare("PATH", str(links))
    assert behind(java.java_home()) == home


def test_without_a_runtime_one_sentence_says_what_to_install(bare, monkeypatch):
    monkeypatch.setattr(java, "wheel_home", lambda: None)
    with pytest.raises(ConfigError, match="openjdk-17"):
        java.java_home()
