"""Values that nobody measured, ±1.797e308, NaN and infinities, beside ordinary ones: a run, its pictures and checks."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from sensorstream import exploration, report
from sensorstream.checks.learn_ranges import learn_ranges
from sensorstream.lake.scan import read_lake
from sensorstream.notebook_run.run import run
from sensorstream.pipeline.ingest import ingest
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.oracle import Row

DAY = window_of("UTC", day="2026-10-14")
MOST, LEAST, INF, NAN = sys.float_info.max, 5e-324, float("inf"), float("nan")
# What is sprinkled over an ordinary tag's readings, one of forty.
ODD = {
    "rig/largest": [MOST, -MOST],
    "rig/infinite": [INF, -INF],
    "rig/nan": [NAN],
    "rig/smallest": [LEAST, -LEAST],
    "rig/everything": [MOST, -MOST, INF, -INF, NAN, LEAST],
}
ONLY = {"rig/only largest": [MOST, -MOST], "rig/only nan": [NAN], "rig/only smallest": [0.0, LEAST]}


@pytest.fixture
def config(database, make_config, tmp_path):
    """A reading a minute of each tag; ``config.json`` says the same."""
    rows, minutes = [], range(DAY.start_ms, DAY.end_ms, 60_000)
    for tagid, odd in enumerate([*ODD.values(), *ONLY.values()]):
        usual = [20 + 5 * np.sin(n / 90) for n in range(len(minutes))]
        only = tagid >= len(ODD)
        values = [odd[n // 40 % len(odd)] if only or n % 40 == 7 else usual[n] for n in range(len(minutes))]
        rows += [Row(tagid, t, float(value), None, 192) for t, value in zip(minutes, values, strict=True)]
    small_historian(database, rows, dict(enumerate([*ODD, *ONLY])))
    made = make_config(dbname=database.name, reports_path=str(tmp_path / "re{po}rts 100% é"))
    password = made.db.password.get_secret_value()
    values = made.masked() | {"db": made.masked()["db"] | {"password": password}}
    (tmp_path / "config.json").write_text(json.dumps(values))
    return made


def test_a_run_over_values_that_nobody_measured_checks_the_lake_and_draws_the_rest(config, tmp_path):
    outcome = run(tmp_path / "config.json", date="2026-10-14")
    folder = tmp_path / "re{po}rts 100% é"
    (check,) = folder.glob("*/*/check_lake.json")
    assert json.loads(check.read_text())["success"]
    (source,) = folder.glob("*/*/check_source.json")
    (finding,) = [f for f in json.loads(source.read_text())["findings"] if f["column"] == "not_finite"]
    assert set(finding["tags"]) == {*ODD, *ONLY} - {"rig/smallest", "rig/only smallest"}
    (page,) = folder.glob("*/*/report.html")
    text = page.read_text()
    assert "The run is done" in text and "When each tag was read" in text
    assert "not drawn</text>" not in text
    assert outcome.record.rows_written == 1440 * len([*ODD, *ONLY])


def test_ranges_are_learned_from_what_was_measured(config):
    found = {one.pattern.removeprefix("(^|/)").removesuffix("$"): one for one in learn_ranges(config, DAY)}
    for name in ("largest", "infinite", "nan"):
        assert (found[name].lowest, found[name].highest) == (10, 30)
    assert (found["everything"].lowest, found["everything"].highest) == (0, 38)
    assert found[r"only\ smallest"].highest == LEAST and not {r"only\ largest", r"only\ nan"} & set(found)


@pytest.mark.parametrize("source", ["lake", "historian"])
def test_explore_draws_what_was_measured_and_marks_the_rest(source, config):
    ingest(config, DAY)
    bench = exploration.explore(config, ["rig/everything", "rig/only nan"], DAY, source=source)
    widget = bench.widget
    assert bench.problem is None and widget is not None
    line, marks = bench._figure.data[:2]
    drawn = np.array(line.y, float)
    assert np.nanmin(drawn) >= -LEAST and np.nanmax(drawn) <= 25
    assert {text.split(",")[0] for text in marks.text} == {"1.798e+308", "-1.798e+308", "inf", "-inf", "nan"}
    assert "<td class='n'>25</td>" in bench._facts.value and ">nan<" not in bench._facts.value
    assert "Not drawn" in bench.picture().alt
    days = report.daily(read_lake(config, DAY.start, DAY.end, ["^rig/everything$"]), config)
    assert days["max"].tolist() == [pytest.approx(25)] and days["left_out"].tolist() == [30]
