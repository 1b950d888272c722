"""A network that is gone without a word: the run ends within two minutes, and so does what it was at."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from sensorstream.historian.connection import APPLICATION, GONE_MS
from sensorstream.pipeline.ingest import ingest
from sensorstream.sandbox.processes import HOST, wait_until
from sensorstream.verification.verify import verify
from tests import slowly
from tests.configs import file_of
from tests.conftest import Database
from tests.integration.historian.test_standby import Pair, pair  # noqa: F401
from tests.slowly import Slow

HERE, THERE = "198.18.57.1", "198.18.57.2"  # of a net that is for tests
WORDS = ["ingest", "--start", "2026-09-30", "--end", "2026-10-02", "--config"]
MORE_SECONDS = 15  # than it takes to miss a machine: keepalives are sent in whole steps


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A namespace of the network, with a cable from this one."""
    name, cable = f"sensorstream-{os.getpid()}", f"ss{os.getpid()}"
    steps = [
        f"netns add {name}",
        f"link add {cable} type veth peer name far netns {name}",
        f"address add {HERE}/30 dev {cable}",
        f"link set {cable} up",
        f"-n {name} address add {THERE}/30 dev far",
        f"-n {name} link set far up",
    ]
    try:
        for step in steps:
            ip(step)
        yield name
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no namespace of the network may be made here")
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True, capture_output=True)


@pytest.mark.slow
def test_when_the_network_is_lost_both_ends_end_within_two_minutes(elsewhere, pair: Pair, make_config, tmp_path):  # noqa: F811
    with (pair.folder / "primary" / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {THERE}/32 trust\n")
    pair.stop("primary")
    pair.start("primary", listen_addresses=f"{HOST},{HERE}")
    pair.execute("primary", "CREATE DATABASE far")
    dsn = pair.dsn("primary").replace("dbname=postgres", "dbname=far")
    slow = Slow(Database(dsn, dsn, "far"))
    near = pair.config(make_config, "primary", lookback_days=0)
    near = near.model_copy(update={"db": near.db.model_copy(update={"dbname": "far"})})
    far = near.model_copy(update={"db": near.db.model_copy(update={"host": HERE})})
    slow.slow_down(60, query=r"string_agg")
    line = [sys.executable, "-m", "sensorstream", *WORDS, str(file_of(far, tmp_path))]
    ran = subprocess.Popen(["ip", "netns", "exec", elsewhere, *line], stderr=subprocess.PIPE, text=True)
    assert wait_until(lambda: slow.asleep() or ran.poll() is not None, 60) and ran.poll() is None
    ip(f"-n {elsewhere} link set far down")
    cut = time.monotonic()
    _, said = ran.communicate(timeout=GONE_MS / 1000 + MORE_SECONDS)
    assert ran.returncode == 3 and "the connection was lost" in said.splitlines()[-1], said
    ours = f"SELECT FROM pg_stat_activity WHERE application_name LIKE '{APPLICATION}%'"
    assert wait_until(lambda: not slow.database.execute(ours), cut + GONE_MS / 1000 + MORE_SECONDS - time.monotonic())
    slow.slow_down(0)
    ingest(near, slowly.WINDOW)
    verify(near, slowly.WINDOW).raise_if_different()
