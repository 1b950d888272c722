"""A store behind a certificate of one's own: trusted where boto3 trusts it, else named at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from sensorstream.config.credentials import login
from sensorstream.config.settings import Config
from sensorstream.errors import ConfigError, LakeError
from sensorstream.lake.stores import open_store
from tests.authorities import Authority
from tests.configs import file_of
from tests.faults.proxy import HOST, Proxy

PATIENCE_SECONDS = 40.0


@pytest.fixture
def authority(tmp_path, monkeypatch) -> Authority:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Authority(tmp_path)


@pytest.fixture
def store(sandbox, authority) -> Iterator[Proxy]:
    with Proxy(sandbox.s3_endpoint, authority.certificate(HOST)) as proxy:
        yield proxy


def behind(url: str, make_config, **keys: object) -> Config:
    return make_config(lake="s3", s3_endpoint_url=url, s3_patience_seconds=PATIENCE_SECONDS, **keys)


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_store_of_a_private_authority_is_reached_where_its_certificate_is_named(
    name, store, authority, make_config, monkeypatch
):
    monkeypatch.setenv(name, str(authority.bundle))
    lake = open_store(behind(store.url, make_config))
    lake.put("one", b"1")
    assert lake.get("one") == b"1"


@pytest.mark.slow
def test_workers_of_spark_trust_whom_the_run_trusts(store, authority, plant, make_config, tmp_path):
    config = behind(store.url, make_config, spark_master="local[2]")
    words = ["ingest", "--config", str(file_of(config, tmp_path)), "--date", plant.date]
    ran = subprocess.run(
        [sys.executable, "-m", "sensorstream", *words],
        env=os.environ | {"AWS_CA_BUNDLE": str(authority.bundle)},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_certificate_that_is_not_trusted_is_named_at_once(store, authority, sandbox, make_config, monkeypatch):
    other = Authority(authority.bundle.parent, "other")

    def says(url: str, bundle: object = None) -> str:
        if bundle:
            monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        began = time.monotonic()
        with pytest.raises((LakeError, ConfigError)) as said:
            open_store(behind(url, make_config)).put("one", b"1")
        assert time.monotonic() - began < PATIENCE_SECONDS / 2  # the client alone tries a connection some times
        return str(said.value).partition(": ")[2]

    assert says(store.url) == (
        "the store's certificate is signed by an authority that this machine does not trust (UnknownIssuer):"
        " name the file of its certificate in AWS_CA_BUNDLE"
    )
    assert f"neither this machine nor {other.bundle} trusts" in says(store.url, other.bundle)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    with Proxy(sandbox.s3_endpoint, authority.certificate("127.0.0.2")) as proxy:
        assert 'certificate is for 127.0.0.2: write a name in "s3_endpoint_url" that it is for' in says(proxy.url)
    with Proxy(sandbox.s3_endpoint, authority.certificate(HOST, days=-1)) as proxy:
        assert "certificate is not valid now: renew it, or set this machine's clock right" in says(proxy.url)
    assert "does not speak TLS there: write http://" in says(sandbox.s3_endpoint.replace("http:", "https:"))
    with pytest.raises(ConfigError, match=r"the CA bundle /none\.pem cannot be used \(No such file or directory\)"):
        monkeypatch.setenv("AWS_CA_BUNDLE", "/none.pem")
        open_store(behind(store.url, make_config))


def test_secrets_manager_is_trusted_by_the_same_file(sandbox, authority, make_config, monkeypatch):
    config = make_config(db_secret_id="none/such")
    with Proxy(sandbox.secrets_endpoint, authority.certificate(HOST)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", proxy.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(ConfigError, match=r"certificate verify failed.*name the file of its .* in AWS_CA_BUNDLE"):
            login(config)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
        with pytest.raises(ConfigError, match="ResourceNotFoundException"):
            login(config)
