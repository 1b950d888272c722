"""One interface, three stores: a folder, SeaweedFS and moto answer alike."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensorstream.config.settings import Config
from sensorstream.config.sources import check
from sensorstream.errors import LakeError
from sensorstream.lake.keys import encode_tagpath, parse_reading_key, reading_key
from sensorstream.lake.stores import Conflict, Store, open_store
from sensorstream.lake.stores.bucket import address
from sensorstream.windows import window_of
from tests.faults.proxy import Fault, Kind, Proxy

DAY = window_of("UTC", day="2026-10-14")
BUCKET = "other-lake"
HOSTILE = [
    "plant1/zone 4/füll 100%/a=b",
    "..",
    "../../etc/passwd",
    "...hidden/.tag",
    "/",
    "//a//",
    " leading and trailing ",
    "a:b*c?d#e+f&g'h\"i<j>k|l\\m",
    "%2F%00%",
    "month=2026-10",
    "~-_.",
    "press/SlowDown/InternalError/AccessDenied/NoSuchBucket/KMS.",
    "tab\tline\nreturn\r\x01\x7f",
    "Ünïcödé/日本語/ключ/😀👩‍🔧",
    "e\u0301 is not \u00e9",
    "x" * 247,
    "ß" * 123,
]
paths = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=80)


@pytest.fixture(scope="session")
def moto_url(sandbox) -> str:
    """The S3 of the server that plays Secrets Manager, with a bucket."""
    boto3.client("s3", endpoint_url=sandbox.secrets_endpoint).create_bucket(Bucket=BUCKET)
    return sandbox.secrets_endpoint


@pytest.fixture
def moto_config(moto_url, make_config):
    def make(**keys: object) -> Config:
        return make_config(lake="s3", **({"s3_endpoint_url": moto_url, "bucket_name": BUCKET} | keys))

    return make


@pytest.fixture(params=["folder", "seaweedfs", "moto"])
def store(request, make_config, moto_config) -> Store:
    if request.param == "moto":
        return open_store(moto_config())
    return open_store(make_config(lake="s3" if request.param == "seaweedfs" else "local"))


def key_of(path: str) -> str:
    return reading_key(path, "2026-10", DAY)


def test_an_object_is_what_was_put_last(store):
    assert store.get("a/b") is None and list(store.list()) == []
    for data in (b"one", b"", b"three" * 1_000_000):
        store.put("a/b", data)
        assert store.get("a/b") == data and list(store.list("a")) == [("a/b", len(data))]
    store.put("ab", b"a prefix ends with its segment")
    assert [key for key, _ in store.list("a")] == ["a/b"]
    store.delete(["a/b", "a/never"])
    assert [key for key, _ in store.list()] == ["ab"]
    store.check()
    store.probe()
    assert [key for key, _ in store.list()] == ["ab"]


def test_a_copy_replaces_its_target_and_needs_its_source(store):
    store.put("old", b"old")
    store.put("new", b"new")
    assert store.copy("new", "old") and store.copy("new", "other/place")
    assert store.get("old") == store.get("other/place") == store.get("new") == b"new"
    assert not store.copy("none", "old")
    assert store.get("old") == b"new"


def test_a_swap_needs_the_version_that_was_read(store):
    with pytest.raises(Conflict):
        store.swap("root", b"0", "none")
    first = store.swap("root", b"1", None)
    assert store.versioned("root") == (b"1", first)
    with pytest.raises(Conflict):
        store.swap("root", b"2", None)
    second = store.swap("root", b"2", first)
    with pytest.raises(Conflict):
        store.swap("root", b"3", first)
    assert store.versioned("root") == (b"2", second)


@pytest.mark.parametrize("path", HOSTILE, ids=ascii)
def test_any_tag_path_names_an_object(path, store):
    key = key_of(path)
    store.put(key, path.encode())
    store.put(key_of("neighbour"), b"")
    found = [parse_reading_key(key)[0] for key, _ in store.list("readings")]
    assert sorted(found) == sorted([path, "neighbour"])
    assert store.get(key) == path.encode() and store.copy(key, f"copy/{key}")
    assert list(store.list(f"readings/tagpath={encode_tagpath(path)}")) == [(key, len(path.encode()))]
    store.delete([key, f"copy/{key}"])
    assert [key for key, _ in store.list()] == [key_of("neighbour")] and store.get(key) is None


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(paths, min_size=1, max_size=6, unique=True))
def test_drawn_tag_paths_name_objects(store, drawn):
    fitting = [path for path in drawn if len(encode_tagpath(path).encode()) < 240]
    for path in fitting:
        store.put(key_of(path), path.encode())
    listed = {key for key, _ in store.list("readings")}
    assert listed == {key_of(path) for path in fitting}
    assert [store.get(key) for key in listed] == [parse_reading_key(key)[0].encode() for key in listed]
    store.delete(sorted(listed))
    assert list(store.list()) == []


@pytest.mark.parametrize("store", ["folder", "seaweedfs", pytest.param("moto", marks=pytest.mark.slow)], indirect=True)
def test_more_keys_than_a_page_are_listed_and_removed(store):
    keys = [f"many/{number:04}" for number in range(2500)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), keys))
    assert sorted(store.list("many")) == [(key, 1) for key in keys]
    store.delete(keys)
    assert list(store.list()) == []


def test_a_folder_made_in_a_console_is_no_object(moto_url, moto_config):
    config = moto_config()
    store = open_store(config)
    store.put("readings/some/empty", b"")
    for marker in ("", "readings/", "readings/some/"):
        boto3.client("s3", endpoint_url=moto_url).put_object(Bucket=BUCKET, Key=config.s3_directory + marker)
    for prefix in ("", "readings", "readings/some"):
        assert list(store.list(prefix)) == [("readings/some/empty", 0)]


@pytest.mark.parametrize(("allowed", "at_once"), [(1, {1}), (3, {2, 3})])
def test_no_more_requests_at_once_than_connections(allowed, at_once, moto_url, moto_config):
    with Proxy(moto_url) as proxy:
        store = open_store(moto_config(s3_endpoint_url=proxy.url, s3_connections=allowed))
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda number: store.put(f"a/{number}", b"x" * 100_000), range(24)))
        assert proxy.most_at_once in at_once


@pytest.mark.parametrize("lake", ["local", "s3"])  # moto itself does not keep two writers apart
def test_of_racing_swaps_one_wins(lake, make_config):
    config = make_config(lake=lake)
    version = None
    for _ in range(8):
        start = threading.Barrier(8)

        def one(_, version=version, start=start) -> tuple[bytes, str] | None:
            mine = uuid.uuid4().hex.encode()
            start.wait()
            try:
                return mine, open_store(config).swap("root", mine, version)
            except Conflict:
                return None

        with ThreadPoolExecutor(8) as pool:
            winners = [won for won in pool.map(one, range(8)) if won]
        assert winners == [open_store(config).versioned("root")]
        version = winners[0][1]


def test_a_store_that_ignores_conditions_is_refused(moto_url, moto_config):
    with Proxy(moto_url) as proxy:
        proxy.fail(Kind.SWAP, Fault.UNCONDITIONAL)
        store = open_store(moto_config(s3_endpoint_url=proxy.url))
        with pytest.raises(LakeError, match=r'ignores conditional writes .* "s3_conditional_writes"'):
            store.probe()
        assert list(store.list()) == []
        open_store(moto_config(s3_endpoint_url=proxy.url, s3_conditional_writes="assumed")).probe()


@pytest.mark.parametrize(
    ("keys", "got"),
    [
        ({}, {"ServerSideEncryption": None}),
        ({"s3_encryption": "AES256"}, {"ServerSideEncryption": "AES256"}),
        (
            {"s3_encryption": "aws:kms", "s3_kms_key_id": "alias/plant"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/plant"},
        ),
    ],
)
def test_objects_are_encrypted_as_asked(keys, got, moto_url, moto_config):
    config = moto_config(**keys)
    store = open_store(config)
    store.put("put", b"x")
    store.swap("swapped", b"x", None)
    store.copy("put", "copied")
    client = boto3.client("s3", endpoint_url=moto_url)
    for key in ("put", "swapped", "copied"):
        head = client.head_object(Bucket=BUCKET, Key=config.s3_directory + key)
        assert {name: head.get(name) for name in got} == got, key


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        ({}, (None, True)),
        ({"bucket_name": "a.b"}, (None, False)),
        ({"s3_path_style": True}, (None, False)),
        ({"s3_endpoint_url": "http://h:1"}, ("http://h:1", False)),
        ({"s3_endpoint_url": "https://h", "s3_path_style": False}, ("https://lake.h", True)),
    ],
)
def test_the_bucket_is_in_the_path_or_in_the_name_of_the_host(keys, at):
    assert address(check({"db": {}, "bucket_name": "lake", **keys}, where="c.json")) == at


def test_a_lake_on_aws_itself_needs_no_endpoint(sandbox):
    open_store(check({"db": {}, "bucket_name": "lake"}, where="c.json"))  # touches nothing yet


def test_a_bucket_that_does_not_exist_is_no_empty_lake(moto_config):
    store = open_store(moto_config(bucket_name="nowhere"))
    deeds = [
        lambda: store.get("a"),
        lambda: store.put("a", b""),
        lambda: store.copy("a", "b"),
        lambda: store.delete(["a"]),
        lambda: list(store.list()),
        lambda: store.swap("a", b"", None),
    ]
    for deed in deeds:
        with pytest.raises(LakeError, match="no such bucket"):
            deed()


def test_a_tag_path_too_long_for_a_folder_is_named(make_config):
    store = open_store(make_config())
    path = "é/" * 60 + "%" * 60
    with pytest.raises(LakeError, match=rf"tag path {path} needs a folder name of \d+ bytes, .* allows 255"):
        store.put(key_of(path), b"")
    assert store.get(key_of(path)) is None and list(store.list()) == []
    store.delete([key_of(path)])


def test_a_folder_keeps_no_empty_folders_and_no_foreign_names(make_config):
    config = make_config()
    store = open_store(config)
    store.put(key_of("a"), b"")
    store.put(key_of("b"), b"")
    store.delete([key_of("a")])
    assert sorted(os.listdir(Path(config.local_path, "readings"))) == ["tagpath=b"]
    store.delete([key_of("b")])
    assert os.listdir(config.local_path) == []
    for key in ("../outside", "a/../b", "/etc/x", "a//b", ".hidden"):
        with pytest.raises(LakeError, match="is no name for an object"):
            store.put(key, b"")


WRITER = """
import os, sys
from pathlib import Path
from sensorstream.lake.stores.folder import Folder
os.fsync = lambda descriptor: print("writing", flush=True) or sys.stdin.read()
exec(f"Folder(Path(sys.argv[1])).{sys.argv[2]}")
"""


def test_what_a_killed_writer_leaves_is_not_seen_and_is_swept(make_config):
    config = make_config()
    store = open_store(config)
    store.put("a/c", b"")
    command = [sys.executable, "-c", WRITER, config.local_path, "put('a/b', b'half')"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"writing\n"
        assert [key for key, _ in store.list()] == ["a/c"]
        assert store.sweep() == 0  # it lives
        writer.send_signal(signal.SIGKILL)
    assert len(os.listdir(Path(config.local_path, "a"))) == 2 and [key for key, _ in store.list()] == ["a/c"]
    assert store.sweep() == 1
    assert os.listdir(Path(config.local_path, "a")) == ["c"]


def test_what_a_writer_leaves_that_is_killed_in_a_swap_is_gone_after_the_next(make_config):
    config = make_config()
    store = open_store(config)
    first = store.swap("a/root", b"1", None)
    command = [sys.executable, "-c", WRITER, config.local_path, f"swap('a/root', b'half', {first!r})"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(signal.SIGKILL)
    assert len(os.listdir(Path(config.local_path, "a"))) == 2
    store.swap("a/root", b"2", first)
    assert os.listdir(Path(config.local_path, "a")) == ["root"]


def test_a_folder_whose_last_file_goes_takes_new_files_all_the_same(make_config):
    store = open_store(make_config())

    def churn(number: int) -> None:
        for _ in range(100):
            store.put(f"a/b/{number}", b"x")
            store.delete([f"a/b/{number}"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(churn, range(4)))
    assert list(store.list()) == []
