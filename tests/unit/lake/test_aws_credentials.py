"""Credentials come from the usual AWS chain, and are asked for again before they end."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from sensorstream.config.aws import Aws
from sensorstream.errors import LakeError
from sensorstream.lake.stores.aws_credentials import chain


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """No credentials but those that the test writes; the chain's configuration file."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "config"


def test_those_of_a_role_are_renewed_in_time(bare, tmp_path):
    def answer(key, minutes):
        end = datetime.now(UTC) + timedelta(minutes=minutes)
        keys = {"AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": end.isoformat()}
        (tmp_path / "answer").write_text(json.dumps({"Version": 1, **keys}))
        return end

    bare.write_text(f"[default]\nregion = eu-central-1\ncredential_process = cat {tmp_path / 'answer'}\n")
    end = answer("FIRST", 12)  # soon enough that botocore renews them as soon as it can
    found = chain("s3://plant-lake", Aws())
    assert found.region == "eu-central-1"
    answer("SECOND", 60)
    for key in ("SECOND", "SECOND"):
        keys = found.provide()
        assert (keys["access_key_id"], keys["token"]) == (key, "t") and keys["expires_at"] <= end


def test_none_are_said_so_and_found_once_they_are_there(bare):
    with pytest.raises(LakeError, match="s3://plant-lake: no AWS credentials found"):
        chain("s3://plant-lake", Aws())
    bare.write_text("[default]\naws_access_key_id = LATER\naws_secret_access_key = s\n")
    assert chain("s3://plant-lake", Aws()).provide()["access_key_id"] == "LATER"


@pytest.mark.parametrize(
    ("set_", "profile", "named"),
    [
        ({"AWS_CA_BUNDLE": "/one", "REQUESTS_CA_BUNDLE": "/three"}, "/two", "/one"),
        ({"REQUESTS_CA_BUNDLE": "/three"}, "/two", "/two"),
        ({"REQUESTS_CA_BUNDLE": "/three"}, None, "/three"),
        ({"AWS_CA_BUNDLE": ""}, None, None),
    ],
)
def test_certificate_authorities_are_found_where_boto3_finds_them(set_, profile, named, bare, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    ours = f"ca_bundle = {profile}\n" if profile else ""
    bare.write_text(f"[default]\naws_access_key_id = A\naws_secret_access_key = s\n{ours}")
    assert chain("s3://plant-lake", Aws()).bundle == named


def test_those_of_a_file_that_is_named_count_before_the_environment(bare, tmp_path, monkeypatch):
    for name, key in (("AWS_ACCESS_KEY_ID", "OTHER"), ("AWS_SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(name, key)
    file = tmp_path / "sandbox"
    file.write_text(
        "[default]\naws_access_key_id = FIRST\naws_secret_access_key = s\n"
        "[plant]\naws_access_key_id = SECOND\naws_secret_access_key = s\n"
    )
    for aws, key in (
        (Aws(), "OTHER"),
        (Aws(credentials_file=str(file)), "FIRST"),
        (Aws(credentials_file=str(file), profile="plant"), "SECOND"),
        (Aws(credentials_file=str(tmp_path / "not on this worker")), "OTHER"),
    ):
        assert chain("s3://plant-lake", aws).provide()["access_key_id"] == key
    with pytest.raises(LakeError, match=r"no AWS credentials found: .*\(mill\)"):
        chain("s3://plant-lake", Aws(profile="mill"))
