"""Credentials come from the usual AWS chain, and are asked for again before they end."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from sensorstream.config.aws import Aws
from sensorstream.errors import LakeError
from sensorstream.lake.stores.aws_credentials import credentials


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
    provide, region = credentials("s3://plant-lake", Aws())
    assert region == "eu-central-1"
    answer("SECOND", 60)
    for key in ("SECOND", "SECOND"):
        found = provide()
        assert (found["access_key_id"], found["token"]) == (key, "t") and found["expires_at"] <= end


def test_none_are_said_so_and_found_once_they_are_there(bare):
    with pytest.raises(LakeError, match="s3://plant-lake: no AWS credentials found"):
        credentials("s3://plant-lake", Aws())
    bare.write_text("[default]\naws_access_key_id = LATER\naws_secret_access_key = s\n")
    provide, _ = credentials("s3://plant-lake", Aws())
    assert provide()["access_key_id"] == "LATER"


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
        provide, _ = credentials("s3://plant-lake", aws)
        assert provide()["access_key_id"] == key
    with pytest.raises(LakeError, match=r"no AWS credentials found: .*\(mill\)"):
        credentials("s3://plant-lake", Aws(profile="mill"))
