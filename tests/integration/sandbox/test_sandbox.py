"""The sandbox: real servers that start twice, survive being killed, and are nobody else's business."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from contextlib import suppress
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sensorstream import sandbox
from sensorstream.sandbox.processes import HOST, Process, free, wait_until
from sensorstream.sandbox.servers import look_at
from sensorstream.sandbox.state import State


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("plant") / "sandbox"
    sandbox.up(root)
    yield root
    sandbox.down(root, remove=True)
    assert not root.exists()


def s3(box, secret_key=None):
    return boto3.client(
        "s3",
        endpoint_url=box.s3_endpoint,
        aws_access_key_id=box.access_key,
        aws_secret_access_key=secret_key or box.secret_key,
        region_name=box.region,
        config=Config(retries={"total_max_attempts": 2}),
    )


def pids(root: Path) -> list[int]:
    return [server.pid for server in sandbox.status(root) if server.pid]


def family(root: Path) -> list[psutil.Process]:
    servers = [psutil.Process(pid) for pid in pids(root)]
    return [*servers, *(child for server in servers for child in server.children(recursive=True))]


def test_a_second_start_changes_nothing(root):
    before = pids(root)
    first = sandbox.up(root)
    assert sandbox.up(root) == first
    assert pids(root) == before
    assert len(before) == 3


def test_every_server_listens_on_the_loopback_only(root):
    addresses = {
        connection.laddr.ip
        for process in family(root)
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    }
    assert addresses == {HOST}


def test_the_reader_reads_what_the_owner_makes_and_writes_nothing(root):
    box = sandbox.up(root)
    with psycopg.connect(box.owner_dsn) as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS made_later AS SELECT 1 AS a")
    with psycopg.connect(box.reader_dsn, autocommit=True) as reader:
        assert reader.execute("SELECT a FROM made_later").fetchone() == (1,)
        for statement in (
            "INSERT INTO made_later VALUES (2)",
            "DROP TABLE made_later",
            "CREATE TABLE mine (a int)",
            "CREATE SCHEMA mine",
            "CREATE TEMP TABLE mine (a int)",
        ):
            with pytest.raises(psycopg.Error):
                reader.execute(statement)


def test_a_wrong_database_password_is_refused(root):
    box = sandbox.up(root)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(box.reader_dsn.replace(box.reader_password, "wrong"))


def test_a_wrong_s3_key_is_refused(root):
    box = sandbox.up(root)
    assert s3(box).list_objects_v2(Bucket=box.bucket)["KeyCount"] >= 0
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3(box, secret_key="wrong").list_objects_v2(Bucket=box.bucket)


def test_a_bucket_that_is_not_there_is_not_made(root):
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3(sandbox.up(root)).put_object(Bucket="elsewhere", Key="a", Body=b"a")


def test_a_key_is_written_once_and_swapped_by_its_etag(root):
    box = sandbox.up(root)
    client = s3(box)
    client.delete_object(Bucket=box.bucket, Key="swap")
    etag = client.put_object(Bucket=box.bucket, Key="swap", Body=b"1", IfNoneMatch="*")["ETag"]
    client.put_object(Bucket=box.bucket, Key="swap", Body=b"2", IfMatch=etag)
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": etag}):
        with pytest.raises(ClientError, match="PreconditionFailed"):
            client.put_object(Bucket=box.bucket, Key="swap", Body=b"3", **condition)


def test_a_secret_is_kept_by_the_secrets_server(root, monkeypatch):
    for name, value in sandbox.up(root).aws_env().items():
        monkeypatch.setenv(name, value)
    client = boto3.client("secretsmanager")
    client.create_secret(Name="historian", SecretString="{}")
    assert client.get_secret_value(SecretId="historian")["SecretString"] == "{}"


def test_the_configuration_points_at_the_sandbox_and_only_its_user_reads_it(root):
    box = sandbox.up(root)
    config = json.loads(box.config_path.read_text())
    assert config["db"]["user"] == "reader"
    assert box.secret_key not in box.config_path.read_text()
    for name in ("config.json", "aws", "state.json"):
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o600


def test_its_configuration_names_some_tags_alone_for_as_long_as_it_is_told_to(root):
    def named() -> list[str] | None:
        sandbox.up(root)
        return json.loads((root / "config.json").read_text()).get("sensor_patterns")

    look_at(root, ["^boiler/"])
    assert named() == ["^boiler/"], "a later start keeps it"
    look_at(root)
    assert named() is None


def test_readings_and_objects_survive_that_every_process_is_killed(root):
    box = sandbox.up(root)
    with psycopg.connect(box.owner_dsn, autocommit=True) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 7 AS a")
    s3(box).put_object(Bucket=box.bucket, Key="kept", Body=b"7")
    killed = family(root)
    for process in killed:
        with suppress(ProcessLookupError):  # a worker of PostgreSQL's may have ended by itself
            os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: not pids(root), 5)

    again = sandbox.up(root)

    with psycopg.connect(again.reader_dsn) as reader:
        assert reader.execute("SELECT a FROM kept").fetchone() == (7,)
    assert s3(again).get_object(Bucket=again.bucket, Key="kept")["Body"].read() == b"7"


def test_it_moves_to_other_ports_when_its_own_are_taken(root):
    box = sandbox.up(root)
    s3(box).put_object(Bucket=box.bucket, Key="moved", Body=b"8")
    sandbox.down(root)
    state = State.load(root)
    taken = [state.postgres.ports["sql"], state.secrets.ports["http"], *state.s3.ports.values()]
    holders = [occupy(port) for port in taken]
    try:
        moved = sandbox.up(root)
    finally:
        for holder in holders:
            holder.close()
    assert moved.port != box.port
    assert moved.s3_endpoint != box.s3_endpoint
    assert json.loads(moved.config_path.read_text())["db"]["port"] == moved.port
    assert s3(moved).get_object(Bucket=moved.bucket, Key="moved")["Body"].read() == b"8"


def test_a_process_with_a_remembered_number_but_another_start_is_left_alone():
    mine = Process.of(os.getpid())
    other = Process(mine.pid, mine.started - 60)
    assert mine.alive()
    assert not other.alive()
    other.stop()


def occupy(port: int):
    assert wait_until(lambda: free(port), 5), f"port {port} is still busy"
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((HOST, port))
    holder.listen()
    return holder
