"""The page of all runs, from run folders as runs leave them: no server, no Spark."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from sensorstream.cli.main import main
from sensorstream.config.sources import check
from sensorstream.report import verified
from sensorstream.report.index_page import build, comparable
from sensorstream.report.outcome import Outcome
from sensorstream.report.run_history import by_day, runs
from sensorstream.verification.differences import Difference
from sensorstream.verification.result import Verification
from sensorstream.windows import Window, day_window
from tests.unit.report.test_run_page import RECORD

FIRST = date(2024, 2, 1)
DONE = Outcome(
    "done", "", None, None, read=4_000_000, rejected=60_000, written=3_900_000, bytes_written=21_000_000, seconds=5.2
)
FAILED = Outcome("failed", "", None, None, reason="historian <db> cannot be reached: check host and port", exit_code=3)


def keep(root: Path, day: date, outcome: Outcome, *, hour: int = 2, patterns: str = "12aca9f6") -> Path:
    """The folder of a nightly run over ``day``, that ended at ``hour`` the day after."""
    window = day_window(day, "UTC")
    ended = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1, hours=hour)
    asked = f"{window.name}_{patterns}"
    folder = root / asked / f"{ended:%Y%m%dT%H%M%S.%fZ}"
    folder.mkdir(parents=True)
    span = {"start": window.start.isoformat(), "end": window.end.isoformat()}
    replace(outcome, asked=asked, window=span, ended=ended.isoformat()).save(folder)
    (folder / "report.html").write_text("a report")
    return folder


def years(root: Path, count: int) -> None:
    """Nightly runs, some of which fail, warn, or vary."""
    for night in range(count):
        outcome = (
            FAILED if night % 41 == 7 else replace(DONE, verdict="warnings", warnings=2) if night % 17 == 3 else DONE
        )
        read = outcome.read and 4_000_000 + 9_000 * night + 400_000 * (night % 7 > 4)
        keep(root, FIRST + timedelta(days=night), replace(outcome, read=read))


@pytest.fixture
def config(tmp_path):
    keys = {"db": {}, "local_path": "lake", "reports_path": str(tmp_path / "reports")}
    return check(keys, where="the test's configuration")


@pytest.fixture
def root(config) -> Path:
    return Path(config.reports_path)


def test_a_day_shows_the_worst_of_what_was_asked_last(config, root):
    day = FIRST + timedelta(days=4)
    keep(root, day, FAILED, hour=2)
    keep(root, day, DONE, hour=3)
    assert [run.outcome.verdict for run in by_day(runs(config), "UTC")[day]] == ["done"], "a rerun puts it right"
    keep(root, day, FAILED, hour=1, patterns="other")
    assert [run.outcome.verdict for run in by_day(runs(config), "UTC")[day]] == ["failed", "done"]


def test_a_run_that_did_not_come_as_far_as_the_lake_leaves_a_day_as_another_run_left_it(config, root):
    day = FIRST + timedelta(days=4)
    keep(root, day, FAILED, hour=1)
    assert [run.outcome.verdict for run in by_day(runs(config), "UTC")[day]] == ["failed"]
    keep(root, day, DONE, hour=2)
    keep(root, day, FAILED, hour=3)  # the historian was stopped
    keep(root, day, replace(FAILED, exit_code=2), hour=4, patterns="a mistake")
    (keep(root, day, FAILED, hour=5) / "verdict.json").unlink()  # Ctrl-C
    assert [run.outcome.verdict for run in by_day(runs(config), "UTC")[day]] == ["done"]
    keep(root, day, replace(DONE, verdict="failed", exit_code=6), hour=6)
    assert [run.outcome.verdict for run in by_day(runs(config), "UTC")[day]] == ["failed"], "the lake has it, and wrong"


def test_a_day_is_a_day_of_the_site(config, root):
    keep(root, FIRST, DONE)
    assert list(by_day(runs(config), "America/New_York")) == [FIRST - timedelta(days=1), FIRST]


def test_the_page_leads_to_every_report_and_says_why_a_run_failed(config, root):
    first, second, third = (FIRST + timedelta(days=n) for n in range(3))
    folders = [keep(root, first, DONE), keep(root, second, FAILED), keep(root, third, DONE)]
    text = Path(build(config).place).read_text()
    links = set(re.findall(r'<a href="([^"]+)"', text))
    assert {(root / link).resolve() for link in links} == {folder / "report.html" for folder in folders}
    assert "historian &lt;db&gt; cannot be reached" in text and text.count("<svg") == 4
    assert text.index("2 Feb 2024</a>") < text.index("1 Feb 2024</a>"), "the newest first"


def test_figures_are_held_against_those_of_the_same_tags_by_the_day_of_their_data(config, root):
    for night in (2, 0, 1):  # a backfill goes back
        keep(root, FIRST + timedelta(days=night), replace(DONE, read=100 + night, patterns=[".*"]), hour=5 - night)
    keep(root, FIRST + timedelta(days=1), replace(DONE, read=101), hour=9)
    keep(root, FIRST, replace(DONE, read=3, patterns=["one tag"]), hour=7, patterns="other")
    assert [run.outcome.read for run in comparable(runs(config), "UTC")] == [100, 101, 102]
    text = Path(build(config).place).read_text()
    assert "one tag" in text and "historian on 127.0.0.1" in text, "each run with its patterns, and the plant"


def tips(config) -> dict[str, dict]:
    """What pointing at each trend tells, by its title."""
    found = re.findall(r'data-tip="([^"]+)"', Path(build(config).place).read_text())
    return {title: tip for tip in map(json.loads, map(unescape, found)) for title in tip["values"]}


def test_a_rerun_that_writes_nothing_leaves_the_bytes_of_its_day(config, root):
    for night in (0, 1, 2):
        keep(root, FIRST + timedelta(days=night), replace(DONE, bytes_written=0 if night == 2 else 100_000))
    keep(root, FIRST, replace(DONE, bytes_written=0), hour=9)
    assert tips(config)["Bytes written"]["values"]["Bytes written"] == ["100 kB", "100 kB"]
    assert len(tips(config)["Readings read"]["labels"]) == 3


def test_each_of_two_windows_of_a_day_is_told_by_itself(config, root):
    middle = datetime(2024, 2, 1, 12, tzinfo=UTC)
    day = day_window(FIRST, "UTC")
    for part, read in ((Window(day.start, middle), 1), (Window(middle, day.end), 2)):
        folder = keep(root, FIRST, DONE, patterns=part.name)
        replace(DONE, asked=f"{part.name}_a", window=part.to_json(), ended=day.end.isoformat(), read=read).save(folder)
    tip = tips(config)["Readings read"]
    assert tip["places"] == [0, 0.5] and tip["labels"] == ["Thu 01 Feb 2024", "Thu 01 Feb 2024, 12:00"]
    assert tip["values"] == {"Readings read": ["1", "2"]}


def test_what_verify_found_stands_on_the_day_until_a_run_has_put_it_right(config, root):
    keep(root, FIRST, DONE)
    day = day_window(FIRST, "UTC")
    found = Verification(config.lake, day.to_json(), (".*",), False, (), (), (), {"files": 3}, 1.0)
    look = f"{FIRST.day} February 2024: "
    verified.keep(config, found)
    assert f"{look}done, verified" in Path(build(config).place).read_text()
    lost = Difference("missing", "a/<b>", "2024-02", "no file")
    verified.keep(config, replace(found, differences=(lost,)))
    text = Path(build(config).place).read_text()
    assert f"{look}verify found differences" in text and "a/&lt;b&gt;" in text and build(config).runs == 1
    keep(root, FIRST, DONE, hour=24 * 365 * 50)
    assert f"{look}done" in Path(build(config).place).read_text()


def test_a_page_elsewhere_leads_there_too(config, root, tmp_path):
    folder = keep(root, FIRST, DONE)
    out = tmp_path / "elsewhere" / "all.html"
    out.parent.mkdir()
    build(config, out)
    (link,) = set(re.findall(r'<a href="([^"]+)"', out.read_text()))
    assert (out.parent / link).resolve() == folder / "report.html"


def test_runs_older_than_verdicts_are_read_from_their_records(config, root):
    folder = root / "one" / "20261015T020000.000000Z"
    RECORD.save(folder / "record.json")
    (unchecked,) = runs(config)
    assert (unchecked.outcome.verdict, unchecked.outcome.reason) == ("failed", "the lake was not checked")
    (folder / "check_lake.json").write_text('{"success": true, "findings": []}')
    (checked,) = runs(config)
    assert (checked.outcome.verdict, checked.outcome.rejected) == ("done", 276)


def test_a_broken_folder_is_listed_with_what_is_wrong(config, root, capsys):
    name = f"{day_window(FIRST, 'UTC').name}_12aca9f6"
    (root / name / "20240202T020000.000000Z").mkdir(parents=True)
    for folder, file, text in (
        ("half", "verdict.json", '{"verdict": "do'),
        ("empty", "record.json", ""),
        ("strange", "verdict.json", '{"verdict": "fine", "asked": "", "window": null, "ended": null}'),
        ("old", "check_source.ipynb", "{}"),
    ):
        (root / folder / "x").mkdir(parents=True)
        (root / folder / "x" / file).write_text(text)
    found = {run.folder.split("/")[0]: run.outcome for run in runs(config)}
    assert {outcome.verdict for outcome in found.values()} == {"broken"} and len(found) == 5
    assert "verdict.json cannot be read" in found["half"].reason and "no record" in found["old"].reason
    assert list(by_day(runs(config), "UTC")) == [FIRST], "its folder's name says for which day it was"
    text = Path(build(config).place).read_text()
    assert text.count("no record: it is still running") == 2


def test_no_run_yet_is_a_page_too(config):
    assert "No run yet" in Path(build(config).place).read_text()


def test_a_thousand_runs_make_a_page_of_moderate_size_that_stands_alone(config, root):
    years(root, 1000)
    text = Path(build(config).place).read_text()
    assert text.count("<tr data-run>") == 1000 and len(text) < 2_000_000
    assert not re.search(r"""(?:src|href|url|import)\s*[=(]?\s*["']?(?:https?:)?//""", text)
    assert text.count("<script") == 1
    assert build(config).runs == 1000, "the page itself is no run"


def test_the_command_says_where_the_page_is_and_of_how_many_runs(config, root, tmp_path, capsys):
    keep(root, FIRST, DONE)
    (tmp_path / "config.json").write_text(f'{{"db": {{}}, "local_path": "lake", "reports_path": "{root}"}}')
    with pytest.raises(SystemExit) as ended:
        main(["reports", "--config", str(tmp_path / "config.json")])
    assert not ended.value.code and f"index of 1 runs: {root}/index.html" in capsys.readouterr().out
