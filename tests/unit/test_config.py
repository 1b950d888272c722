"""Configuration from a file and from arguments."""

import json

import pytest

from sensorstream.config import check, load
from sensorstream.errors import ConfigError

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
