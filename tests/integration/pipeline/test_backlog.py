"""Which days the lake lacks is told as it is, however they were read."""

from __future__ import annotations

from functools import partial

import pytest

from sensorstream.errors import ConfigError
from sensorstream.exploration.from_lake import LakeReader
from sensorstream.pipeline.backlog import changed_days, missing_days
from sensorstream.pipeline.ingest import ingest
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.oracle import Row

HALVES = [("2026-10-14", "2026-10-14T12:00"), ("2026-10-14T12:00", "2026-10-15")]
FIRST = 1_791_936_000_000


@pytest.fixture
def config(database, make_config):
    rows = [Row(number, FIRST + hour * 3_600_000, 1.0, None, 192) for number in (1, 2) for hour in range(18 * 24)]
    small_historian(database, rows, {1: "a", 2: "b"})
    return make_config(dbname=database.name)


def test_a_day_that_was_read_in_parts_is_not_missing_nor_is_a_part_of_one(config):
    days = ("2026-10-14", "2026-10-15")
    ingest(config, HALVES[0])
    assert [str(day) for day, _ in missing_days(config, days)] == ["2026-10-14"]
    ingest(config, HALVES[1], ["^a"])
    assert missing_days(config, "2026-10-14", ["^a"]) == [] and len(missing_days(config, "2026-10-14")) == 1
    ingest(config, HALVES[1])
    assert missing_days(config, "2026-10-14") == []
    assert missing_days(config, ("2026-10-14T03:00", "2026-10-14T21:00")) == []


def test_a_lake_is_told_of_by_its_own_days_and_months_or_not_at_all(config):
    ingest(config, ("2026-10-31", "2026-11-01"))
    other = config.model_copy(update={"timezone": "Asia/Tokyo"})  # where November begins nine hours before
    november = window_of("Asia/Tokyo", start="2026-11-01", end="2026-11-01T01:00")
    assert LakeReader(other).look(["a"], november, 100)["a"].readings.num_rows == 1
    for ask in (partial(missing_days, window=november), changed_days, partial(verify, window=november)):
        with pytest.raises(ConfigError, match="has the days and months of UTC"):
            ask(other)
