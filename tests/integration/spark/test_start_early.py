"""The JVM starts while a run plans, and goes again where the run fails before it needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
from contextlib import closing
import psutil
from sensorstream.config.sources import check
from sensorstream.spark.session import start_early
config = check({"db": {}, "local_path": "unused", "spark_master": "local[1]"}, where="the test")
"""


def run(script):
    return subprocess.run([sys.executable, "-c", BEGIN + script], capture_output=True, text=True, timeout=180)


@pytest.mark.slow
def test_the_session_comes_when_it_is_asked_for_and_again_after_that():
    done = run("""
with closing(start_early(config)) as starting:
    session = starting.result()
print(session.range(3).count(), start_early(config).result() is session)
session.stop()
print(start_early(config).result().range(4).count())
""")
    assert (done.stdout, done.stderr) == ("3 True\n4\n", "")


@pytest.mark.slow
def test_a_run_that_fails_first_leaves_no_jvm():
    done = run("""
try:
    with closing(start_early(config)):
        raise ValueError
except ValueError:
    print(len(psutil.Process().children(recursive=True)))
with closing(start_early(config)) as starting:
    print(starting.result().range(3).count())
""")
    assert (done.stdout, done.stderr) == ("0\n3\n", "")


def test_a_process_that_just_leaves_says_nothing():
    done = run("start_early(config)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_session_leaves_the_environment_as_it_was_and_no_java_that_a_cluster_could_not_reach():
    done = run("""
import os
before = dict(os.environ)
def changed():
    now = os.environ.items() ^ before.items()
    print({name for name, _ in now} - {"SPARK_AUTH_SOCKET_TIMEOUT", "SPARK_BUFFER_SIZE"})  # pyspark's own
with start_early(config) as starting:
    session = starting.result()
changed()
session.stop()
apart = config.model_copy(update={"spark_master": "spark://203.0.113.1:7077"})
with start_early(apart) as starting:
    starting._thread.join()
    print(starting._gateway.jvm.System.getProperty("spark.driver.host"))
changed()
""")
    assert (done.stdout, done.stderr) == ("set()\nNone\nset()\n", "")
