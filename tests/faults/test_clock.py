"""A clock that is set while a run publishes: nothing in the lake hangs on it."""

from __future__ import annotations

import time

import pytest

from sensorstream.pipeline.ingest import ingest
from sensorstream.publishing import publish
from sensorstream.verification.verify import verify
from tests.historians import DAY, T0, small_historian
from tests.oracle import Row


@pytest.mark.parametrize("seconds", [-10_800, 172_800])
def test_a_clock_that_is_set_during_a_run_is_not_noticed(seconds, database, make_config, monkeypatch):
    small_historian(database, [Row(1, T0, 0.0)], {1: "a"})
    config = make_config(dbname=database.name, iceberg={"table": "plant.readings", "keep_days": 1})
    real, acquire, later = time.time, publish.acquire, 0
    monkeypatch.setattr(time, "time", lambda: real() + later)

    def acquired(*arguments):
        nonlocal later
        later = seconds - later
        return acquire(*arguments)

    monkeypatch.setattr(publish, "acquire", acquired)
    for value in (1.0, 2.0, 3.0):  # there, back, and there
        database.execute("UPDATE sqlt_data_1_2026_10 SET floatvalue = %s", value)
        assert ingest(config, DAY).files_written == 1
        verify(config, DAY).raise_if_different()  # the table too
