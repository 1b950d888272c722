"""What ends a run from outside: it says so in one sentence, its report too, and the next one is whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from sensorstream.pipeline.ingest import ingest
from sensorstream.verification.verify import verify
from tests import slowly
from tests.configs import file_of
from tests.slowly import Slow

SECONDS = 300
WINDOW = ["--start", "2026-09-30", "--end", "2026-10-02"]  # of slowly.Slow
SIGNALS = {signal.SIGTERM: (143, "stopped by SIGTERM, as systemd"), signal.SIGHUP: (129, "stopped by SIGHUP")}


def start(command: str, config: Path, *words: str, **keys: object) -> subprocess.Popen:
    line = [sys.executable, "-m", "sensorstream", command, "--config", str(config), *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | keys
    listen = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # which nohup tells its children not to
    return subprocess.Popen(line, preexec_fn=listen, **pipes)


def until(holds, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("command", ["ingest", pytest.param("run", marks=pytest.mark.slow)])
def test_a_signal_that_ends_a_run_is_named(command, number, database, make_config, tmp_path):
    slow, config = Slow(database), make_config(dbname=database.name)
    slow.slow_down(1.0, query="string_agg")
    ran = start(command, file_of(config, tmp_path), *WINDOW)
    until(lambda: slow.asleep() or ran.poll() is not None)
    ran.send_signal(number)
    _, said = ran.communicate(timeout=30)
    code, sentence = SIGNALS[number]
    assert (ran.returncode, said.count("\n")) == (code, 1) and sentence in said
    if command == "run":
        (verdict,) = Path(config.reports_path).rglob("verdict.json")
        assert sentence in json.loads(verdict.read_text())["reason"]
    slow.slow_down(0)
    ingest(config, slowly.WINDOW)
    verify(config, slowly.WINDOW).raise_if_different()


@pytest.mark.parametrize("command", ["plan", pytest.param("run", marks=pytest.mark.slow)])
def test_a_command_whose_reader_goes_away_does_its_work(command, plant, make_config, tmp_path):
    config = make_config()
    ran = start(command, file_of(config, tmp_path), "--date", plant.date)
    ran.stdout.close()
    said = ran.stderr.read()
    assert (ran.wait(SECONDS), said) == (0, "")
    if command == "run":
        verify(config, plant.date).raise_if_different()


def test_a_full_disk_behind_standard_output_is_named(plant, make_config, tmp_path):
    with open("/dev/full", "w") as full:
        ran = start("plan", file_of(make_config(), tmp_path), "--date", plant.date, stdout=full)
        _, said = ran.communicate(timeout=SECONDS)
    assert ran.returncode == 1 and said.startswith("sensorstream: No space left on device (standard output): ")
    assert said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_java_that_is_killed_is_named_with_the_memory_it_wants(engine, plant, make_config, tmp_path):
    config = make_config(engine=engine, spark_master="local[2]", readings_per_slice=2000)
    ran = start("ingest", file_of(config, tmp_path), "--date", plant.date)
    process = psutil.Process(ran.pid)
    until(lambda: _java(process))
    time.sleep(1)
    _java(process)[0].kill()
    _, said = ran.communicate(timeout=SECONDS)
    assert ran.returncode == 1 and "killed" in said and "memory" in said and said.count("\n") <= 2, said
    ingest(config.model_copy(update={"spark_master": None, "engine": "packed"}), plant.date)
    verify(config.model_copy(update={"spark_master": None}), plant.date).raise_if_different()


def _java(process: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in process.children(recursive=True):
        try:
            found += [child] if Path(child.exe()).name == "java" else []
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.slow
def test_a_notebook_that_records_nothing_is_named(plant, make_config, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    source = Path(__file__).parents[2] / "notebooks"
    for path in source.glob("*.ipynb"):
        text = path.read_text()
        (folder / path.name).write_text(text.replace("record.save(", "print("))
    script = (
        "import sys; from pathlib import Path; from sensorstream.notebook_run import execute\n"
        f"execute.find.__defaults__ = (Path({str(folder)!r}),)\nfrom sensorstream.cli.main import main; main()"
    )
    words = ["run", "--config", str(file_of(make_config(), tmp_path)), "--date", plant.date]
    ran = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, env=dict(os.environ))
    assert ran.returncode == 1 and "the notebook ingest.ipynb leaves no record.json in" in ran.stderr
    assert ran.stderr.count("\n") == 1
