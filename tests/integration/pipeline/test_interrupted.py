"""Ctrl-C at the command line: one word, exit code 130 and no trace, whatever the run is at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from sensorstream.windows import window_of
from tests.configs import file_of
from tests.historians import small_historian
from tests.oracle import Row
from tests.slowly import Slow

DAY = window_of("UTC", day="2026-10-14")


SLOW = {  # views that take ten minutes: to be counted, as the plan does, or to have their values read
    "plan": "SELECT h.* FROM hidden h, LATERAL (SELECT pg_sleep(600) OFFSET 0) slow",
    "extract": "SELECT tagid, intvalue, slow(floatvalue) AS floatvalue, stringvalue, datevalue, dataintegrity, t_stamp"
    " FROM hidden",
}


@pytest.mark.parametrize("phase", SLOW)
def test_a_run_that_is_stopped_says_so_and_leaves_no_query(phase, database, make_config, tmp_path):
    small_historian(database, [Row(1, DAY.start_ms, 1.0)], {1: "a"})
    database.execute(
        "CREATE FUNCTION slow(x float8) RETURNS float8 IMMUTABLE LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM pg_sleep(600); RETURN x; END';"
        f"ALTER TABLE sqlt_data_1_2026_10 RENAME TO hidden; CREATE VIEW sqlt_data_1_2026_10 AS {SLOW[phase]}"
    )
    words = ["ingest", "--config", str(file_of(make_config(dbname=database.name), tmp_path)), "--date", "2026-10-14"]
    ran = subprocess.Popen([sys.executable, "-m", "sensorstream", *words], stderr=subprocess.PIPE, text=True)
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"

    def at_work() -> int:
        with psycopg.connect(database.reader) as connection:  # a role sees what its own sessions wait for
            return connection.execute(query).fetchone()[0]

    wait_until(at_work)
    ran.send_signal(signal.SIGINT)
    assert (ran.communicate(timeout=10)[1], ran.returncode) == ("sensorstream: stopped\n", 130)
    wait_until(lambda: not at_work())


@pytest.mark.slow
def test_a_run_that_is_stopped_while_spark_starts_says_so(plant, tmp_path):
    words = ["ingest", "--config", str(plant.config_path), "--date", plant.date, "--engine", "jdbc"]
    ran = subprocess.Popen(
        [sys.executable, "-m", "sensorstream", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    process = psutil.Process(ran.pid)
    wait_until(lambda: any("java" in " ".join(_command(one)) for one in process.children(True)))
    ran.send_signal(signal.SIGINT)
    assert (ran.communicate(timeout=60)[1], ran.returncode) == ("sensorstream: stopped\n", 130)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_ctrl_c_in_a_terminal_where_spark_is_at_work_says_so_and_nothing_after(engine, database, make_config, tmp_path):
    """A terminal tells Java and the workers as well."""
    slow = Slow(database)
    slow.slow_down(600, query=r"string_agg|\) readings")
    config = file_of(make_config(dbname=database.name, engine=engine, spark_master="local[2]"), tmp_path)
    words = ["ingest", "--config", str(config), "--start", "2026-09-30", "--end", "2026-10-02"]
    for pause in (0, 0.1, 0.3, 1, 2):
        wait_until(lambda: not slow.asleep())  # who read for the one before
        with (tmp_path / "said").open("w+") as said:  # also by workers that end after it
            ran = subprocess.Popen([sys.executable, "-m", "sensorstream", *words], stderr=said, process_group=0)
            wait_until(slow.asleep, 300)
            time.sleep(pause)
            os.killpg(ran.pid, signal.SIGINT)
            assert ran.wait(60) == 130
            time.sleep(1)
            said.seek(0)
            assert [line for line in said if not line.startswith("extract: ")] == ["sensorstream: stopped\n"]


def wait_until(holds, seconds=60):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


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
