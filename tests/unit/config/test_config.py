"""Configuration from a file and from arguments."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorstream.config.masking import MASK
from sensorstream.config.provenance import explain
from sensorstream.config.settings import Config, Database
from sensorstream.config.sources import check, load
from sensorstream.errors import ConfigError
from sensorstream.report.config_table import configuration

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
        *[({"db": {key: " "}}, rf'"db.{key}": empty: name one') for key in ("host", "dbname", "user")],
        ({"db": {"host": "standby,,primary"}}, '"db.host": "standby,,primary" names a host that is empty'),
        (
            {"db": {"sslrootcert": "/etc/root.crt"}},
            '"db": "sslrootcert" needs "sslmode": .*, not "prefer"',
        ),
        ({"jdbc_num_partitions": 2}, '"jdbc_num_partitions": 2 is too few: of the connections one plans .* 3 or more'),
        *[
            ({key: ""}, f'"{key}": empty: name one')
            for key in ("bucket_name", "db_schema", "tags_table", "reports_path")
        ],
        ({"bucket_name": None, "local_path": ""}, '"local_path": empty'),
        ({"bucket_name": None, "local_path": "s3://plant-lake/x"}, '"local_path": "s3://plant-lake/x" is no folder'),
        ({"sensor_patterns": ["a", ""]}, '"sensor_patterns.1": empty'),
        ({"db": {"password": "hunter2\0"}}, '"db.password": holds a character that is none'),
        ({"db_schema": "a\0"}, '"db_schema": holds a character that is none'),
        ({"sensor_patterns": ["\ud800"]}, '"sensor_patterns.0": holds a character that is none'),
        ({"spark_conf": {"a": "\udc00"}}, '"spark_conf.a": holds a character that is none'),
        *[
            ({"bucket_name": name}, '"bucket_name": .*is no bucket: write its name alone')
            for name in ("s3://lake", "lake/sub", "Lake", "la", "la..ke", "-lake", "lake-", "10.0.0.1", "l" * 64, "l_e")
        ],
        *[
            ({"s3_directory": directory}, '"s3_directory": .*which is no name of a folder')
            for directory in ("a//b", "a/../b", "..", "./a", "a/.")
        ],
        *[({"s3_directory": f"a{c}b"}, '"s3_directory": .*which not every client') for c in "\\\n\x7f\ufffe"],
        ({"reports_path": "s3://"}, '"reports_path": "" is no bucket'),
        ({"reports_path": "s3://lake/a//b"}, '"reports_path": .*which is no name of a folder'),
        ({"reports_path": "gs://lake/a"}, '"reports_path": "gs://lake/a" is neither'),
        *[
            ({"timezone": name}, "is not an IANA name")
            for name in ("localtime", "posixrules", "right/UTC", "", "Europe")
        ],
        *[({"spark_master": name}, '"spark_master": .*no master') for name in ("local[0]", "local[x]", "nonsense")],
        *[
            ({key: 10**12}, rf'"{key}": Input should be less than or equal to \d+$')
            for key in (
                "s3_connections",
                "s3_patience_seconds",
                "lookback_days",
                "jdbc_fetch_size",
                "jdbc_num_partitions",
                "max_records_per_file",
                "readings_per_slice",
                "readings_per_second",
                "compact_target_mb",
                "compact_over_files",
            )
        ],
        ({"spark_conf": {"spark.driver.memory": "lots"}}, '"spark_conf": "spark.driver.memory" is "lots", which is no'),
        ({"good_quality": [1 << 32]}, '"good_quality.0": Input should be less than or equal to 4294967295'),
        ({"bad_quality": [-(1 << 31) - 1]}, '"bad_quality.0": Input should be greater than or equal to -2147483648'),
        ({"good_quality": [-1, 192], "bad_quality": [4294967295]}, 'code -1 stands in "good_quality" and in'),
        ({"s3_endpoint_url": "http://:9000"}, '"s3_endpoint_url": .*https://'),
        ({"s3_endpoint_url": "http://store:99999"}, '"s3_endpoint_url": .*https://'),
        ({"s3_region": "eu central"}, '"s3_region"'),
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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"db": {"password": "hunter2", "password": "x"}}', 'says "password" twice: remove one'),
        ('{"bucket_name": "lake", "bucket_name": "sea"}', 'says "bucket_name" twice: remove one'),
        ("[" * 100_000 + "]" * 100_000, "is nested too deep"),
        ('{"lookback_days": ' + "9" * 5000 + "}", "holds a number of 5,000 digits"),
        ('{"s3_patience_seconds": NaN, "db": {}, "bucket_name": "lake"}', '"s3_patience_seconds"'),
        ('{"s3_patience_seconds": 1e999, "db": {}, "bucket_name": "lake"}', '"s3_patience_seconds"'),
    ],
    ids=["twice in db", "twice", "deep", "long", "NaN", "infinite"],
)
def test_json_that_a_parser_passes_over_or_chokes_on_is_refused(text, says, tmp_path):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ConfigError, match=says) as failure:
        load(tmp_path / "c.json")
    assert "hunter2" not in str(failure.value) and len(str(failure.value)) < 300


@pytest.mark.parametrize(
    "master", ["local", "local[*]", "local[4, 2]", "spark://a,b:7077", "yarn", "k8s://https://h:443"]
)
def test_every_kind_of_master_is_known(master):
    assert check(LEAST | {"spark_master": master}, where="c.json").spark_master == master


def test_no_rendering_of_a_configuration_shows_the_password(tmp_path):
    config = check(LEAST, where="c.json")
    assert "hunter2" not in f"{config!r} {config} {config.masked()} {config.model_dump_json()}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spark.driver.extraJavaOptions", "-Da=b -Djavax.net.ssl.keyStorePassword=s3cr3t -Dc=d"),
        ("spark.executor.extraJavaOptions", "-Dtruststore.password='s3cr3t s3cr3t' -Dc=d"),
        ("spark.executorEnv.OPTIONS", '{"api_token": "s3cr3t", "region": "d"}'),
        ("spark.jars.repositories", "https://reader:s3cr3t@maven.example/d"),
        ("spark.some.url", "jdbc:postgresql://h/d?user=d&password=s3cr3t&ssl=d"),
        ("spark.hadoop.fs.s3a.secret.key", "s3cr3t"),
        ("spark.authenticate.secret", "s3cr3t"),
    ],
)
def test_no_rendering_shows_a_secret_inside_of_sparks_settings(key, value, tmp_path):
    config = check(LEAST | {"spark_conf": {key: value}}, where="c.json")
    (tmp_path / "c.json").write_text(json.dumps(LEAST | {"spark_conf": {key: value}}))
    table = configuration(config)
    shown = f"{config!r} {config} {config.masked()} {table!r} {table._repr_html_()} {explain(tmp_path / 'c.json')}"
    assert "s3cr3t" not in shown and MASK in shown
    assert ("c=d" in shown) == ("c=d" in value)  # what is no secret stays


def test_a_setting_that_is_no_secret_is_shown_as_it_is():
    options = {
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.jars.repositories": "https://maven.example:8080/a@b",
    }
    assert check(LEAST | {"spark_conf": options}, where="c.json").masked()["spark_conf"] == options


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


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()) | st.sampled_from([
        10**400, "\0", "\ud800", "s3://", "{x}", "%s", "../x", "http://[", "local[", "a//b", "2024-02-30", "\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@given(st.sampled_from([*Config.model_fields, *(f"db.{key}" for key in Database.model_fields)]), ANYTHING)
@settings(max_examples=600)
def test_any_value_of_any_key_makes_a_configuration_or_a_sentence(key, value):
    first, _, second = key.partition(".")
    try:
        config = check(LEAST | {first: {second: value} if second else value}, where="c.json")
    except ConfigError as error:
        assert str(error).startswith("c.json: ") and str(error).encode()
    else:
        assert check(config.model_dump(), where="c.json") == config
