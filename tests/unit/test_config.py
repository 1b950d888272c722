"""Configuration from a file and from arguments."""

import json
import os
import subprocess
import sys

import pytest

from sensorstream.config import check, load
from sensorstream.errors import ConfigError
from sensorstream.masking import MASK
from sensorstream.origins import explain

LEAST = {"db": {"password": "hunter2"}, "bucket_name": "lake"}


def test_two_places_are_enough_and_the_rest_has_defaults(tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps(LEAST))
    config = load(file, arguments={"engine": "jdbc", "write_mode": None})
    assert (config.engine, config.write_mode, config.lake) == ("jdbc", "overwrite", "s3://lake/sensor_data/")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"buckets": 1}, 'unknown key "buckets"'),
        ({"db": {"passwrd": "hunter2"}}, 'unknown key "db.passwrd"'),
        ({"bucket_name": None}, 'one of "bucket_name" .* is needed'),
        ({"local_path": "/tmp/x"}, "not both"),
        ({"s3_endpoint_url": "s3.example.com"}, '"s3_endpoint_url": .*https://'),
        ({"s3_kms_key_id": "k"}, '"s3_kms_key_id" needs'),
        ({"timezone": "Mars/Olympus"}, '"Mars/Olympus" is not an IANA name'),
        ({"engine": "duck"}, '"engine": .*packed'),
        ({"sensor_patterns": []}, '"sensor_patterns"'),
        ({"good_quality": ["hunter2"]}, '"good_quality'),
        ({"gateway_prefixes": {"line2": "a\nb"}}, '"gateway_prefixes": "line2" has the prefix .* without control char'),
        ({"jdbc_fetch_size": "many"}, '"jdbc_fetch_size"'),
    ],
)
def test_what_cannot_be_used_is_named_without_showing_a_password(change, says):
    with pytest.raises(ConfigError, match=says) as failure:
        check(LEAST | change, where="c.json")
    assert "hunter2" not in str(failure.value)


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path):
    for content, says in ((None, "does not exist"), ("{", "not JSON"), ("[]", "not one JSON object")):
        file = tmp_path / "c.json"
        if content is not None:
            file.write_text(content)
        with pytest.raises(ConfigError, match=says):
            load(file)


def test_no_rendering_of_a_configuration_shows_the_password():
    config = check(LEAST, where="c.json")
    assert "hunter2" not in f"{config!r} {config} {config.masked()} {config.model_dump_json()}"


def test_each_source_wins_over_the_one_below_key_by_key_and_says_so(tmp_path, monkeypatch):
    file = tmp_path / "c.json"
    values = {"s3_directory": "f/", "lookback_days": 1, "engine": "jdbc", "timezone": "Asia/Tokyo"}
    file.write_text(json.dumps(LEAST | values))
    whole = {"lookback_days": 2, "s3_directory": "w/", "db": {"host": "h"}}
    given = {"SENSOR_PIPELINE_CONFIG": json.dumps(whole), "SENSOR_DIRECTORY": "v/", "SENSOR_PATTERNS": '["^a/"]'}
    monkeypatch.setenv("SENSORSTREAM_VARIABLES", json.dumps(given))
    found = {value.key: (value.value, value.origin) for value in explain(file, "airflow", {"engine": "packed"})}
    assert found["engine"] == ("packed", "argument")
    assert found["s3_directory"] == ("v/", "Airflow Variable SENSOR_DIRECTORY")
    assert found["sensor_patterns"] == (["^a/"], "Airflow Variable SENSOR_PATTERNS")
    assert found["lookback_days"] == (2, "Airflow Variable SENSOR_PIPELINE_CONFIG")
    assert found["db.host"] == ("h", "Airflow Variable SENSOR_PIPELINE_CONFIG")
    assert found["db.password"] == (MASK, f"file {file}")
    assert found["timezone"] == ("Asia/Tokyo", f"file {file}") and found["write_mode"] == ("overwrite", "default")
    assert load(file, source="file").s3_directory == "f/"


@pytest.mark.parametrize(
    ("text", "says"),
    [(json.dumps(LEAST), "holds a password"), ("hunter2", "is not JSON"), ("[]", "not one JSON")],
)
def test_a_variable_that_holds_a_password_or_no_object_is_refused(text, says, monkeypatch):
    monkeypatch.setenv("SENSORSTREAM_VARIABLES", json.dumps({"SENSOR_PIPELINE_CONFIG": text}))
    with pytest.raises(ConfigError, match=says) as failure:
        load(source="airflow")
    assert "hunter2" not in str(failure.value)


def test_an_airflow_without_a_database_is_named_and_not_taken_for_one_without_variables(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "sensorstream", "config", "show", "--config-source", "airflow"],
        env=os.environ | {"AIRFLOW_HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert "database cannot be read" in ran.stderr and "no such table" in ran.stderr and "AIRFLOW_HOME" in ran.stderr


def test_a_rotation_needs_a_secret_and_two_roles():
    rotation = {"admin_secret_id": "a", "group": "g", "roles": ["x", "y"]}
    with pytest.raises(ConfigError, match='needs "db_secret_id"'):
        check(LEAST | {"db_rotation": rotation}, where="c.json")
    with pytest.raises(ConfigError, match="the two roles are one"):
        check(LEAST | {"db_secret_id": "s", "db_rotation": rotation | {"roles": ["x", "x"]}}, where="c.json")
