"""Who asks for a time without readings is told which days there are."""

from __future__ import annotations

import pytest

from sensorstream.checks.check_source import check_source
from sensorstream.config.sources import load
from sensorstream.errors import SourceCheckFailed
from sensorstream.pipeline.preview import plan

DAYS = "the historian has readings of 2026-10-31 to 2026-11-01"


def test_a_plan_and_a_check_of_a_day_without_readings_say_which_days_there_are(plant):
    config, nobodys_day = load(plant.config_path), "2026-10-02"
    assert any(DAYS in note for note in plan(config, nobodys_day).notes)
    with pytest.raises(SourceCheckFailed, match=f"choose another window: {DAYS}$"):
        check_source(config, nobodys_day).raise_if_failed()
    assert not any("hardly a reading" in note for note in plan(config, plant.date).notes)
