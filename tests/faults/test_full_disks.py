"""A disk that is full is named by its folder, and the next run is whole."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sensorstream.errors import LakeError, SensorStreamError
from sensorstream.extract.spool import Spool
from sensorstream.lake.stores import open_store
from sensorstream.notebook_run.run import run
from sensorstream.pipeline.ingest import ingest
from sensorstream.verification.verify import verify
from tests.configs import file_of
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
        spool.put("a", {"b": 0}, np.array([0, 1 << 20]), 0, memoryview(bytes(1 << 20)))


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "says", "published"),
    [
        ("16k", "where the run keeps what it executes: No space left on device: make room there", False),
        ("400k", r"the readings are in the lake .* no report can be written to .*: No space left on device", True),
    ],
)
def test_a_full_disk_for_reports_is_named_and_the_next_run_has_its_report(
    size, says, published, small_disk, plant, make_config, tmp_path
):
    subprocess.run(["mount", "-o", f"remount,size={size}", str(small_disk)], check=True)
    config = make_config(reports_path=str(small_disk / "reports"))
    with pytest.raises(LakeError, match=says):
        run(file_of(config, tmp_path), date=plant.date)
    assert bool(as_committed(open_store(config))) == published
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert Path(run(file_of(config, tmp_path), date=plant.date).folder, "report.html").exists()
    verify(config, plant.date).raise_if_different()
