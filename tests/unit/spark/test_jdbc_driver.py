"""The JDBC driver: where it is looked for, in order, and what is said when it is nowhere."""

from __future__ import annotations

import zipfile

import pytest

from sensorstream.errors import ConfigError
from sensorstream.spark import jdbc_driver


@pytest.fixture(autouse=True)
def bare(tmp_path, monkeypatch):
    """A machine without a driver."""
    for name in ("SENSORSTREAM_JDBC_JAR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(jdbc_driver, "DEBIAN_JAR", tmp_path / "debian" / "postgresql.jar")
    monkeypatch.setattr(jdbc_driver, "_spark_jars", list)


def a_driver(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("org/postgresql/Driver.class", "")
    return path


def test_the_driver_is_looked_for_from_the_most_to_the_least_explicit_place(tmp_path, monkeypatch):
    debian = a_driver(jdbc_driver.DEBIAN_JAR)
    assert jdbc_driver.find_driver(None) == debian
    cached = a_driver(tmp_path / "home" / ".cache" / "sensorstream" / "jdbc" / "postgresql-42.jar")
    assert jdbc_driver.find_driver(None) == cached
    spark = a_driver(tmp_path / "spark" / "postgresql-42.jar")
    monkeypatch.setattr(jdbc_driver, "_spark_jars", lambda: [spark])
    assert jdbc_driver.find_driver(None) == spark
    monkeypatch.setenv("SENSORSTREAM_JDBC_JAR", str(a_driver(tmp_path / "named.jar")))
    assert jdbc_driver.find_driver(None) == tmp_path / "named.jar"
    configured = a_driver(tmp_path / "configured.jar")
    assert jdbc_driver.find_driver(str(configured)) == configured


def test_a_jar_that_is_named_and_is_no_driver_is_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / "page.jar").write_text("<html>not found</html>")
    with pytest.raises(ConfigError, match=r"page\.jar"):
        jdbc_driver.find_driver(str(tmp_path / "page.jar"))
    monkeypatch.setenv("SENSORSTREAM_JDBC_JAR", str(tmp_path / "gone.jar"))
    with pytest.raises(ConfigError, match="SENSORSTREAM_JDBC_JAR"):
        jdbc_driver.find_driver(None)


def test_a_download_that_broke_off_is_not_taken_for_the_driver(tmp_path):
    whole = a_driver(tmp_path / "home" / ".cache" / "sensorstream" / "jdbc" / "postgresql-42.jar")
    whole.write_bytes(whole.read_bytes()[:40])
    assert jdbc_driver.find_driver(None) is None


def test_without_a_driver_one_sentence_says_how_to_get_it(monkeypatch):
    with pytest.raises(ConfigError, match="libpostgresql-jdbc-java"):
        jdbc_driver.require_driver(None)
    monkeypatch.setattr(jdbc_driver, "_from_debian", lambda folder: None)
    monkeypatch.setattr(jdbc_driver, "_from_maven", lambda folder: None)
    with pytest.raises(ConfigError, match="cannot be fetched"):
        jdbc_driver.fetch_driver()
