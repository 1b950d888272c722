"""What a contender left in the lake: bytes, files, readings; and its removal."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.fs as fs

from sensorstream.sandbox import Sandbox

# Not readings: SensorStream's bookkeeping, dlt's, Spark's.
BESIDE = ("_sensorstream/", "tags/", "rejected/", "lake/_dlt", "init", "_SUCCESS")


@dataclass(frozen=True)
class Left:
    """``size`` is of every object under the prefix in bytes, ``data_size`` of the files of readings alone."""

    size: int
    data_size: int
    files: int
    keys: tuple[str, ...]


class Bucket:
    """The sandbox's bucket."""

    def __init__(self, sandbox: Sandbox) -> None:
        import boto3

        scheme, _, place = sandbox.s3_endpoint.partition("://")
        self.bucket = sandbox.bucket
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=sandbox.s3_endpoint,
            aws_access_key_id=sandbox.access_key,
            aws_secret_access_key=sandbox.secret_key,
            region_name=sandbox.region,
        )
        self.files: fs.FileSystem = fs.S3FileSystem(
            access_key=sandbox.access_key,
            secret_key=sandbox.secret_key,
            endpoint_override=place,
            scheme=scheme,
            region=sandbox.region,
        )

    def left(self, prefix: str) -> Left:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        sizes = {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", ())}
        return _left({key.removeprefix(prefix): size for key, size in sizes.items()})

    def readings(self, prefix: str, left: Left) -> int:
        """Readings in the files, by their footers."""
        return _count([f"{self.bucket}/{prefix}{key}" for key in left.keys], self.files)

    def remove(self, prefix: str) -> None:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            if found := [{"Key": item["Key"]} for item in page.get("Contents", ())]:
                self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": found, "Quiet": True})


class Folder:
    """A local folder, for the contender that cannot write to S3."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def left(self, prefix: str) -> Left:
        place = self.root / prefix
        # Spark writes a hidden checksum beside every file; an object store would not hold those.
        found = (path for path in place.rglob("*") if path.is_file() and not path.name.startswith("."))
        return _left({str(path.relative_to(place)): path.stat().st_size for path in found})

    def readings(self, prefix: str, left: Left) -> int:
        return _count([str(self.root / prefix / key) for key in left.keys], fs.LocalFileSystem())

    def remove(self, prefix: str) -> None:
        shutil.rmtree(self.root / prefix, ignore_errors=True)


def _left(sizes: dict[str, int]) -> Left:
    data = {k: size for k, size in sizes.items() if k.endswith(".parquet") and not k.startswith(BESIDE)}
    return Left(sum(sizes.values()), sum(data.values()), len(data), tuple(sorted(data)))


def _count(paths: list[str], files: fs.FileSystem) -> int:
    if not paths:
        return 0
    return int(ds.dataset(paths, format="parquet", filesystem=files).count_rows())
