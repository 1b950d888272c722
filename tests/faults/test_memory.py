"""A run that gets no more memory, or is ended for want of it: a sentence or 137, and the next is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorstream.pipeline.ingest import ingest
from sensorstream.verification.verify import verify
from tests.configs import file_of

CGROUPS = Path("/sys/fs/cgroup")
LITTLE_BYTES = 90 << 20  # an ingest takes 150 MB
# The plan is made and the snapshot held: from then on the process gets 8 MB more.
LIMITED = """
import resource, sys
from sensorstream.planning import row_counts
real = row_counts.pinned
def pinned(*arguments, **words):
    found = real(*arguments, **words)
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (8 << 20), resource.RLIM_INFINITY))
    return found
row_counts.pinned = pinned
from sensorstream.cli.main import main
main()
"""
INTO = "import os, sys; open({!r}, 'w').write(str(os.getpid())); from sensorstream.cli.main import main; main()"


def ended(script: str, config: Path, day: str) -> subprocess.CompletedProcess:
    line = [sys.executable, "-c", script, "ingest", "--config", str(config), "--date", day]
    return subprocess.run(line, capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read as on Linux")
def test_a_process_that_gets_no_more_memory_says_so(plant, make_config, tmp_path):
    config = make_config()
    ran = ended(LIMITED, file_of(config, tmp_path), plant.date)
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1, ran.stderr
    assert "this process gets no more memory" in ran.stderr and 'lower "readings_per_slice"' in ran.stderr
    ingest(config, plant.date)
    verify(config, plant.date).raise_if_different()


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A control group that is given little memory: the file that takes its processes."""
    old = (CGROUPS / "memory").is_dir()
    group = (CGROUPS / "memory" if old else CGROUPS) / f"sensorstream-{os.getpid()}"
    try:
        group.mkdir()
        limit = group / ("memory.limit_in_bytes" if old else "memory.max")
        limit.write_text(str(LITTLE_BYTES))
    except OSError:
        group.rmdir() if group.exists() else None
        pytest.skip("no control group may be made here")
    yield group / "cgroup.procs"
    group.rmdir()


@pytest.mark.slow
def test_a_run_that_a_container_ends_for_want_of_memory_is_done_by_the_next(
    little_memory, plant, make_config, tmp_path
):
    config = make_config()
    ran = ended(INTO.format(str(little_memory)), file_of(config, tmp_path), plant.date)
    assert ran.returncode == -signal.SIGKILL
    ingest(config, plant.date)
    verify(config, plant.date).raise_if_different()
