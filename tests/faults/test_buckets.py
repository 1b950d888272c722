"""Buckets that keep every version, that lock them, and that are gone."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config as Client

from sensorstream.errors import LakeError
from sensorstream.lake.stores import open_store
from tests.faults.proxy import Proxy
from tests.faults.works import NEW, compact, publish_new, publish_old
from tests.lakes import assert_whole


@pytest.fixture
def s3(sandbox):
    style = Client(s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=sandbox.s3_endpoint, region_name=sandbox.region, config=style)


@pytest.mark.parametrize("locked", [False, True], ids=["versioned", "locked"])
def test_a_bucket_that_keeps_or_locks_every_version_holds_a_lake(locked, s3, sandbox, make_config):
    name = "locked" if locked else "versioned"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if locked:
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        s3.put_object_lock_configuration(
            Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
    with Proxy(sandbox.s3_endpoint) as proxy:
        proxy.locked = locked  # AWS asks for a digest then, the sandbox's server does not
        config = make_config(lake="s3", bucket_name=name, s3_endpoint_url=proxy.url)
        store = open_store(config)
        store.probe()
        for work in (publish_old, publish_new, compact):
            work(store, config)
        assert_whole(store, NEW)


def test_a_bucket_that_goes_is_named(s3, make_config):
    s3.create_bucket(Bucket="short-lived")
    config = make_config(lake="s3", bucket_name="short-lived")
    store = open_store(config)
    store.check()
    s3.delete_bucket(Bucket="short-lived")
    with pytest.raises(LakeError, match='there is no such bucket: check "bucket_name" or create it'):
        publish_old(store, config)
