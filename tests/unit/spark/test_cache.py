"""Nothing is run from where somebody else may write."""

from __future__ import annotations

import os
import tempfile

import pytest

from sensorstream.errors import ConfigError
from sensorstream.spark import cache
from sensorstream.spark.java import java_home
from sensorstream.spark.jdbc_driver import find_driver
from tests.unit.spark.test_jdbc_driver import a_driver

NOBODY = 65534


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The user's cache, which is there, in a temporary directory of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "cache" / "sensorstream").mkdir(mode=0o700, parents=True)
    return tmp_path / "cache" / "sensorstream"


def of_nobody(path):
    if os.getuid():
        pytest.skip("only root can give a file away")
    os.chown(path, NOBODY, -1)


def loosen(path):
    path.chmod(0o777)


@pytest.mark.parametrize("loosened", [of_nobody, loosen])
@pytest.mark.parametrize("above", [0, 1])
def test_a_cache_that_somebody_else_may_write_is_not_used_and_that_is_said(folder, above, loosened, tmp_path, capsys):
    assert cache.cache_folder() == folder
    planted = a_driver(folder / "jdbc" / "postgresql-99.jar")
    assert find_driver(None) == planted
    loosened([folder, folder.parent][above])
    used = cache.cache_folder()
    assert used == tmp_path / f"sensorstream-{os.getuid()}" and used.stat().st_mode & 0o777 == 0o700
    assert java_home().is_relative_to(used) and find_driver(None) != planted
    (said,) = capsys.readouterr().err.splitlines()
    assert f"the cache folder {folder} is not used, since" in said and "set XDG_CACHE_HOME" in said


def test_a_planted_file_is_not_used_though_the_folder_is_in_order_by_now(folder):
    planted = a_driver(folder / "jdbc" / "postgresql-99.jar")
    loosen(planted)
    assert find_driver(None) != planted
    with pytest.raises(ConfigError, match=rf'"jdbc_jar" names {planted}, and others may write {planted}: keep it'):
        find_driver(str(planted))


def test_a_link_is_as_safe_as_where_it_leads(folder, tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "link").symlink_to("open")
    assert cache.changed_by(tmp_path / "link") is None
    loosen(tmp_path / "open")
    assert cache.changed_by(tmp_path / "link") == f"others may write {tmp_path / 'open'}"


def test_the_sticky_bit_of_a_folder_above_keeps_what_is_ones_own(tmp_path):
    (tmp_path / "own").mkdir()
    tmp_path.chmod(0o1777)
    assert cache.changed_by(tmp_path / "own") is None
    assert cache.changed_by(tmp_path) == f"others may write {tmp_path}"


def test_a_temporary_directory_where_everybody_may_rename_is_refused(folder, tmp_path, monkeypatch):
    loosen(tmp_path)
    with pytest.raises(ConfigError, match=r"no program can be kept in .*: set TMPDIR to a folder of yours"):
        cache.cache_folder()
