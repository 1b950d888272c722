"""Between the runs of a session its workers stay, for a while."""

from __future__ import annotations

import os
import threading
import time

import pyarrow as pa
import pytest

from sensorstream import warm

LONGER_THAN_SPARK_WAITS = 75.0


@pytest.fixture
def keeper():
    """None of an earlier test's runs keeps anything."""
    before, warm._keeper = warm._keeper, warm._Keeper()
    yield
    warm._keeper = before


def worker(spark) -> int:
    """The process that did a task."""
    return (
        spark.range(0, 1, 1, 1)
        .mapInArrow(lambda batches: (pa.RecordBatch.from_pydict({"pid": [os.getpid()]}) for _ in batches), "pid long")
        .collect()[0]["pid"]
    )


def keeping() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == warm.NAME]


@pytest.mark.slow
def test_a_worker_outlives_the_minute_after_which_spark_ends_it(spark, keeper):
    first = worker(spark)
    warm.keep_workers(spark)
    time.sleep(LONGER_THAN_SPARK_WAITS)
    assert worker(spark) == first


def test_keeping_ends_when_nobody_runs_again(spark, keeper, monkeypatch):
    others = keeping()
    monkeypatch.setattr(warm, "EVERY_SECONDS", 0.2)
    monkeypatch.setattr(warm, "KEPT_SECONDS", 1.0)
    touched = []
    monkeypatch.setattr(warm, "_touch", touched.append)
    warm.keep_workers(spark)
    warm.keep_workers(spark)
    (thread,) = [thread for thread in keeping() if thread not in others]
    thread.join(10)
    assert not thread.is_alive() and 1 <= len(touched) <= 6
    warm.keep_workers(spark)  # and begins anew
    assert [thread for thread in keeping() if thread not in others]


def test_a_session_that_has_ended_is_let_go(spark, keeper, monkeypatch):
    others = keeping()
    monkeypatch.setattr(warm, "EVERY_SECONDS", 0.05)

    def ended(session):
        raise RuntimeError("stopped")

    monkeypatch.setattr(warm, "_touch", ended)
    warm.keep_workers(spark)
    for thread in [thread for thread in keeping() if thread not in others]:
        thread.join(10)
        assert not thread.is_alive()
