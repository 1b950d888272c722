"""Ctrl-C at the command line: one word, exit code 130 and no trace, whatever the run is at."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest


@pytest.mark.parametrize("begun", ["java", "worker_daemon"], ids=["while Spark starts", "while readings are read"])
def test_a_run_that_is_stopped_says_so(begun, plant, tmp_path):
    words = ["ingest", "--config", str(plant.config_path), "--date", plant.date]
    ran = subprocess.Popen(
        [sys.executable, "-m", "sensorstream", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    process, until = psutil.Process(ran.pid), time.monotonic() + 60
    while time.monotonic() < until and not any(begun in " ".join(_command(one)) for one in process.children(True)):
        time.sleep(0.02)
    ran.send_signal(signal.SIGINT)
    assert (ran.communicate(timeout=60)[1], ran.returncode) == ("sensorstream: stopped\n", 130)


def test_a_command_that_is_stopped_while_it_is_imported_says_so(plant):
    words = ["ingest", "--config", str(plant.config_path), "--date", plant.date]
    ran = subprocess.Popen([sys.executable, "-m", "sensorstream", *words], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 30
    while time.monotonic() < until and "pydantic_core" not in Path(f"/proc/{ran.pid}/maps").read_text():
        time.sleep(0.002)
    ran.send_signal(signal.SIGINT)
    assert (ran.communicate(timeout=30)[1], ran.returncode) == ("sensorstream: stopped\n", 130)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended since it was listed
        return []
