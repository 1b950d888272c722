"""Real readings (NAB, SKAB): every one of them, exactly, through each engine."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensorstream.pipeline.ingest import ingest
from sensorstream.sandbox.replay import replay
from sensorstream.sandbox.replay_csv import read_series
from sensorstream.windows import window_of
from tests.conftest import SHARED_DATA
from tests.oracle import Reading, bits, readings_of

WHOLE = window_of("UTC", start="2013-01-01", end="2021-01-01")


def csv_readings(file: Path) -> list[tuple[str, int, bytes | None]]:
    """Every cell of a file as (tag path, ms, bits of the double), in the order of the file."""
    with file.open(newline="") as lines:
        rows = list(csv.reader(lines, delimiter=";" if ";" in file.read_text()[:200] else ","))
    names = rows[0][1:]
    found = []
    for row in rows[1:]:
        time = round(datetime.fromisoformat(row[0]).replace(tzinfo=UTC).timestamp() * 1000)
        found += [(f"{file.stem}/{name}", time, bits(float(cell))) for name, cell in zip(names, row[1:], strict=True)]
    return found


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_every_reading_of_the_files_is_in_the_lake_and_no_other(engine, database, make_config):
    files = sorted(SHARED_DATA.glob("*/*.csv"))
    if not files:
        pytest.skip("shared/data with the NAB and SKAB files is not beside this checkout")
    wanted: dict[tuple[str, int], bytes | None] = {}
    cells = 0
    for file in files:
        replay(database.owner, read_series(file))
        for path, time, value in csv_readings(file):
            wanted[path, time] = value  # of two readings at one time the later in the file wins
            cells += 1
    config = make_config(dbname=database.name, lake="s3", engine=engine)
    record = ingest(config, WHOLE)
    found: list[Reading] = readings_of(config)
    assert {(path, time): value for path, time, value, _, _ in found} == wanted
    assert len(found) == len(wanted) == record.rows_written
    assert (record.rows_read, record.rows_deduplicated) == (cells, cells - len(wanted))
    assert {text for *_, text, _ in found} == {None} and {quality for *_, quality in found} == {192}
    doubled = [r for r in csv_readings(SHARED_DATA / "nab/machine_temperature_system_failure.csv")]
    assert record.rows_deduplicated == len(doubled) - len({r[1] for r in doubled}) == 12
