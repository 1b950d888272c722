"""Faults that people have labelled in real readings (NAB, SKAB) can be seen in the pictures of a run's report."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from sensorstream import report
from sensorstream.pipeline.ingest import ingest
from sensorstream.report import run_page
from sensorstream.report.downsampling import min_max
from sensorstream.report.small_multiples import POINTS, read_lines
from sensorstream.sandbox.replay import replay
from sensorstream.sandbox.replay_csv import read_series
from sensorstream.windows import Window, window_of
from tests.conftest import SHARED_DATA

NAB = window_of("UTC", start="2013-07-01", end="2014-06-01")
SKAB = window_of("UTC", start="2020-03-01", end="2020-03-10")
AMBIENT, MACHINE = "ambient_temperature_system_failure/value", "machine_temperature_system_failure/value"
# NAB's own windows around the failures that the plants' engineers named.
KNOWN = {
    MACHINE: [
        ("2013-12-10 06:25", "2013-12-12 05:35"),
        ("2013-12-15 17:50", "2013-12-17 17:00"),
        ("2014-01-27 14:20", "2014-01-29 13:30"),
        ("2014-02-07 14:55", "2014-02-09 14:05"),
    ],
    AMBIENT: [("2013-12-15 07:00", "2013-12-30 09:00"), ("2014-03-29 15:00", "2014-04-20 22:00")],
}


@pytest.fixture
def run(database, make_config):
    """``run(window, files)``: configuration, record and statistics of a run over real readings."""

    def go(window: Window, files: str, patterns: list[str]):
        found = sorted(SHARED_DATA.glob(files))
        if not found:
            pytest.skip("shared/data with the NAB and SKAB files is not beside this checkout")
        for file in found:
            replay(database.owner, read_series(file))
        config = make_config(dbname=database.name)
        record = ingest(config, window, patterns)
        paths = {f"{file.stem}/{name}" for file in found for name in names(file)}
        return config, record, report.gather(config, record, paths)

    return go


def names(file) -> list[str]:
    with file.open(newline="") as lines:
        return next(csv.reader(lines, delimiter=";" if "skab" in str(file) else ","))[1:]


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_the_known_failures_of_nab_stand_out_and_the_gaps_are_listed_exactly(run, tmp_path):
    config, record, statistics = run(NAB, "nab/*.csv", [".*"])
    moved = {levels.tagpath: levels for levels in statistics.moved}
    for start, end in KNOWN[MACHINE]:
        assert any(a < ms(end) and b > ms(start) for a, b in moved[MACHINE].unusual()), f"{start} is not shaded"
    # The season moves the room more than a failure does: there the line itself is nowhere else as high, as low.
    times, values, *_ = read_lines(config, NAB, [AMBIENT])(AMBIENT)
    shown = min_max(values, POINTS)
    within = [(times[shown] >= ms(start)) & (times[shown] <= ms(end)) for start, end in KNOWN[AMBIENT]]
    rest = values[shown][~(within[0] | within[1])]
    assert values[shown][within[0]].max() > rest.max() + 4 and values[shown][within[1]].min() < rest.min()

    (file,) = SHARED_DATA.glob("nab/ambient*.csv")
    stamps = sorted({line.split(",")[0] for line in file.read_text().splitlines()[1:]})
    gaps = [(a, b) for a, b in pairwise(stamps) if ms(b) - ms(a) > 3_600_000]
    noted = [
        {"kind": "gap", "tagpath": AMBIENT, "text": "silent", "start": f"{a}+00:00", "end": f"{b}+00:00"}
        for a, b in gaps
    ]
    check = {"success": True, "summary": "", "findings": [], "notable": noted, "notable_total": {"gap": len(gaps)}}
    (tmp_path / "check_lake.json").write_text(json.dumps(check))
    record.save(tmp_path / "record.json")
    text = run_page.write(tmp_path, config, NAB, None).read_text()
    assert len(gaps) > 3 and f"Gaps: {len(gaps)}<" in text
    assert [(a, b) for a, b in gaps if f'>{a}</td><td class="word">{b}<' not in text] == []


def test_the_labelled_anomalies_of_skab_stand_out(run):
    config, _, statistics = run(SKAB, "skab/*_[01].csv", ["/[A-Z]"])
    moved = {levels.tagpath: levels for levels in statistics.moved}
    for file in sorted(SHARED_DATA.glob("skab/*_[01].csv")):
        with file.open(newline="") as lines:
            labelled = [ms(row["datetime"]) for row in csv.DictReader(lines, delimiter=";") if row["anomaly"] == "1.0"]
        levels = moved[f"{file.stem}/Volume Flow RateRMS"]
        assert any(a < labelled[-1] and b > labelled[0] for a, b in levels.unusual()), f"{file.stem} is not shaded"
        during = (levels.edges_ms[:-1] >= labelled[0]) & (levels.edges_ms[1:] <= labelled[-1])
        assert np.nanmean(levels.means[during]) < np.nanquantile(levels.means[~during], 0.1)
    assert {picture.title for picture in report.moved_most(config, statistics, SKAB)} == set(moved)
