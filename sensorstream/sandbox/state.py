"""What the sandbox remembers between commands, and what it tells those who use it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sensorstream.errors import ConfigError
from sensorstream.sandbox.processes import HOST, Process, wait_until

CONFIG, CLUSTER = "config.json", "cluster.json"  # configurations of the pipeline
DATABASE = "historian"
BUCKET = "plant-lake"
REGION = "us-east-1"


@dataclass(frozen=True)
class Sandbox:
    """Addresses and credentials of a running sandbox."""

    root: Path
    port: int
    owner_password: str = field(repr=False)
    reader_password: str = field(repr=False)
    s3_endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    secrets_endpoint: str
    host: str = HOST
    dbname: str = DATABASE
    owner: str = "owner"
    reader: str = "reader"
    bucket: str = BUCKET
    region: str = REGION
    spark_master: str | None = None
    only: tuple[str, ...] = ()

    @property
    def config_path(self) -> Path:
        """The pipeline configuration that points at this sandbox."""
        return self.root / CONFIG

    @property
    def cluster_path(self) -> Path:
        """The same for the cluster, with a lake of its own."""
        return self.root / CLUSTER

    @property
    def credentials_path(self) -> Path:
        """A standard AWS credentials file, for ``AWS_SHARED_CREDENTIALS_FILE``."""
        return self.root / "aws"

    @property
    def tags_path(self) -> Path:
        """What the simulated plant knows of its tags and Ignition's tables have no place for, once it was seeded."""
        return self.root / "tags.csv"

    @property
    def owner_dsn(self) -> str:
        """Connection string of the role that owns the historian's tables."""
        return self._dsn(self.owner, self.owner_password)

    @property
    def reader_dsn(self) -> str:
        """Connection string of the read-only role that the pipeline uses."""
        return self._dsn(self.reader, self.reader_password)

    def _dsn(self, user: str, password: str) -> str:
        return f"host={self.host} port={self.port} dbname={self.dbname} user={user} password={password}"

    def aws_env(self) -> dict[str, str]:
        """Environment variables with which the usual AWS chain reaches the sandbox."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.secrets_endpoint,
        }

    def write_files(self) -> None:
        """Write the pipeline configuration and the AWS credentials file."""
        values: dict[str, object] = {
            "db": {
                "host": self.host,
                "port": self.port,
                "dbname": self.dbname,
                "user": self.reader,
                "password": self.reader_password,
            },
            "bucket_name": self.bucket,
            "s3_directory": "sensor_data/",
            "s3_endpoint_url": self.s3_endpoint,
            "s3_region": self.region,
            "aws_credentials_file": str(self.credentials_path.resolve()),
            "timezone": "UTC",
            **({"sensor_patterns": list(self.only)} if self.only else {}),
            **({"tag_details": str(self.tags_path.resolve())} if self.tags_path.exists() else {}),
            # The same from every folder: JupyterLab's kernels work in that of the notebooks.
            "reports_path": str(self.root.resolve().parent / "reports"),
        }
        files = {self.config_path: values}
        if self.spark_master:
            files[self.cluster_path] = values | {"s3_directory": "on_cluster/", "spark_master": self.spark_master}
        for path, keys in files.items():
            write_private(path, json.dumps(keys, indent=2) + "\n")
        write_private(
            self.credentials_path,
            f"[default]\naws_access_key_id = {self.access_key}\naws_secret_access_key = {self.secret_key}\n",
        )


@dataclass(frozen=True)
class ServerStatus:
    """One line of ``sensorstream sandbox status``."""

    name: str
    address: str
    pid: int | None

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self.pid is not None


@dataclass
class Server:
    """A server as remembered: its process, its ports by purpose and, for PostgreSQL, where its folders are."""

    process: Process | None = None
    ports: dict[str, int] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)

    def alive(self) -> bool:
        """Tell whether the server's process runs."""
        return self.process is not None and self.process.alive()

    def comes_up(self, ready: Callable[[], bool], patience_seconds: float) -> bool:
        """Wait until it is ``ready``; whether it is, and runs."""
        return wait_until(lambda: not self.alive() or ready(), patience_seconds) and self.alive()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the server, if it was started."""
        if self.process is not None:
            self.process.stop(how)
            self.process = None


def _server(kept: dict[str, Any]) -> Server:
    process = kept.pop("process")
    return Server(process=Process(**process) if process else None, **kept)


_password = partial(secrets.token_hex, 16)


@dataclass
class State:
    """The contents of ``state.json``."""

    admin_password: str = field(default_factory=_password)
    owner_password: str = field(default_factory=_password)
    reader_password: str = field(default_factory=_password)
    access_key: str = field(default_factory=lambda: f"SANDBOX{secrets.token_hex(6).upper()}")
    secret_key: str = field(default_factory=_password)
    postgres: Server = field(default_factory=Server)
    s3: Server = field(default_factory=Server)
    secrets: Server = field(default_factory=Server)
    spark: dict[str, Server] = field(default_factory=dict)  # by name; empty where no cluster was asked for
    only: list[str] = field(default_factory=list)  # patterns of tag paths, where the configuration names some

    @classmethod
    def load(cls, root: Path) -> State:
        """Read the state of a sandbox, a new one when there is none."""
        path = root / "state.json"
        if not path.exists():
            return cls()
        try:
            kept = json.loads(path.read_text())
            for name in ("postgres", "s3", "secrets"):
                kept[name] = _server(kept[name])
            kept["spark"] = {name: _server(server) for name, server in kept.get("spark", {}).items()}
            return cls(**kept)
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path} is not a sandbox's state: stop its servers and remove {root}") from None

    def save(self, root: Path) -> None:
        """Write ``state.json``, readable for its user only."""
        write_private(root / "state.json", json.dumps(asdict(self), indent=2) + "\n")

    @property
    def spark_master(self) -> str | None:
        """The cluster's address, as ``spark_master`` names it; the master is the first of its servers."""
        return next((f"spark://{HOST}:{server.ports['spark']}" for server in self.spark.values()), None)

    def sandbox(self, root: Path) -> Sandbox:
        """Describe the running sandbox."""
        return Sandbox(
            root=root,
            port=self.postgres.ports["sql"],
            owner_password=self.owner_password,
            reader_password=self.reader_password,
            s3_endpoint=f"http://{HOST}:{self.s3.ports['s3']}",
            access_key=self.access_key,
            secret_key=self.secret_key,
            secrets_endpoint=f"http://{HOST}:{self.secrets.ports['http']}",
            spark_master=self.spark_master,
            only=tuple(self.only),
        )


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, mode 0600; a file that holds the text already is left alone."""
    if path.is_file() and path.read_text() == text:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    os.replace(draft, path)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the sandbox for one command at a time."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if root.stat().st_uid != os.geteuid():  # what its state names is run, stopped and removed
            raise ConfigError(f"the sandbox folder {root} belongs to another user: work in a folder of your own")
        lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"the sandbox folder {root} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
