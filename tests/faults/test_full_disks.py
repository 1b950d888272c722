"""A disk that is full is named by its folder, and the next run is whole."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorstream.errors import LakeError, SensorStreamError
from sensorstream.extract.spool import Spool
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.verification.verify import verify
from tests.lakes import as_committed, assert_whole


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A folder that takes 200 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_folder_for_temporary_files_is_named(small_disk, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    says = f"{small_disk}: No space left on device: .* name another in TMPDIR"
    with Spool(in_memory_bytes=0) as spool, pytest.raises(SensorStreamError, match=says):
        spool.put("a", "b", 0, bytes(1 << 20))


@pytest.mark.slow
def test_a_lake_folder_that_is_full_is_named_and_the_next_run_is_whole(small_disk, plant, make_config):
    config = make_config(local_path=str(small_disk / "lake"))
    with pytest.raises(
        LakeError, match=f"lake {small_disk}/lake, writing .*: No space left on device: make room there"
    ):
        ingest(config, plant.window)
    assert as_committed(open_store(config)) == {}
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    ingest(config, plant.window)
    store = open_store(config)
    assert_whole(store, as_committed(store))
    assert not store.sweep()
    verify(config, plant.window).raise_if_different()
