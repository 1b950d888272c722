"""The report's page and pictures, from made-up statistics: no server, no Spark."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from xml.etree import ElementTree

import nbformat
import numpy as np
import pyarrow as pa
import pytest

from sensorstream import report
from sensorstream.config.layouts.known import known
from sensorstream.config.provenance import explain
from sensorstream.config.sources import check
from sensorstream.errors import LakeCheckFailed, NotSettled, SensorStreamError, SourceError
from sensorstream.formatting import short, size
from sensorstream.historian import PartitionTable
from sensorstream.lake.scan import READINGS, area, measure
from sensorstream.notebook_run.execute import failure
from sensorstream.pipeline.backlog import Changed
from sensorstream.pipeline.run_record import RunRecord
from sensorstream.planning.plan import Plan
from sensorstream.report import run_page
from sensorstream.report.charts import MOST_ROWS, MOST_TICKS, time_ticks
from sensorstream.report.downsampling import min_max, silences, usual_step
from sensorstream.report.run_statistics import MOST_BARS, RunStatistics, bar_width
from sensorstream.windows import Window, day_window, window_of

CONFIG = check(
    {"db": {"password": "hush-hush"}, "local_path": "lake", "spark_conf": {"fs.s3a.secret.key": "s3cr3t"}},
    where="the test's configuration",
)
DAY = day_window(date(2026, 10, 14), "UTC")
EVIL = "plant1/<script>alert('$x$')</script>/flow"
STATISTICS = RunStatistics(
    timezone="UTC",
    width_s=3600,
    starts_ms=np.arange(DAY.start_ms, DAY.end_ms, 3_600_000),
    kept=np.full(24, 100),
    rejected=np.arange(24),
    kept_by_area={"plant1/press": 900, "plant2/oven": 1500},
    rejected_by_area={"plant2/oven": 276},
    rejected_by_tag={EVIL: 200, "plant2/oven/b": 76},
    bytes_by_tag={f"plant1/press/{n}": 1000 * n for n in range(30)},
)
RECORD = RunRecord(
    run_id="one", started="2026-10-15T02:00:00.000+00:00", finished="2026-10-15T02:00:09.000+00:00", engine="packed",
    window={"start": DAY.start.isoformat(), "end": DAY.end.isoformat()}, patterns=[".*"], tags_selected=2,
    partition_tables=["sqlt_data_1_2026_10"], rows_read=2676, rows_written=2400, rows_rejected={"bad_quality": 276},
    rows_deduplicated=0, quality_codes={"192": 2400, "0": 276}, files_written=2, files_unchanged=0, files_removed=0,
    bytes_written=4321, seconds={"plan": 0.1, "extract": 2.0, "publish": 0.4, "total": 2.6}, source_snapshot="1:1:",
)  # fmt: skip


def pictures() -> list[report.Picture]:
    draw = (report.readings_over_time, report.quality_by_area, report.most_rejected, report.bytes_by_tag)
    return [make(STATISTICS) for make in draw]


@pytest.fixture
def folder(tmp_path):
    """The folder of a run as the notebooks leave it."""
    bundles = [picture._repr_mimebundle_() for picture in pictures()]
    shown = [nbformat.v4.new_output("display_data", data=data, metadata=about) for data, about in bundles]
    cells = [nbformat.v4.new_code_cell("a_picture()", outputs=[output]) for output in shown]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "ingest.ipynb")
    RECORD.save(tmp_path / "record.json")
    findings = [
        {"verdict": "holds", "success": True, "expectation": "times rise", "found": ""},
        {"verdict": "warning", "success": False, "expectation": "few gaps", "found": f"1 tag: {EVIL}"},
    ]
    (tmp_path / "check_lake.json").write_text(
        json.dumps({"success": True, "summary": "lake check passed: 1 of 2", "findings": findings})
    )
    return tmp_path


def test_a_picture_is_well_formed_says_what_it_shows_and_has_no_background():
    for picture in pictures():
        svg = ElementTree.fromstring(picture.svg)
        assert svg.get("role") == "img" and picture.title in svg.get("aria-label", "")
        assert picture.alt and "viewBox" in svg.attrib and "width" not in svg.attrib
        assert "#ffffff" not in picture.svg and "<image" not in picture.svg


def test_pictures_of_one_page_share_no_id():
    ids = [found for picture in pictures() for found in re.findall(r' id="([^"]+)"', picture.svg)]
    assert len(ids) == len(set(ids))


def test_the_same_facts_make_the_same_picture():
    assert report.readings_over_time(STATISTICS).svg == report.readings_over_time(STATISTICS).svg


def test_a_picture_names_the_largest_and_leaves_the_rest():
    picture = report.bytes_by_tag(STATISTICS)
    assert "plant1/press/29" in picture.alt and picture.svg.count("plant1/press/") == MOST_ROWS + 1
    assert "plant2/oven: 16 %" in report.quality_by_area(STATISTICS).alt
    assert report.quality_by_area(replace(STATISTICS, rejected_by_area={})).alt == "Nothing was rejected."


def test_nothing_to_show_is_a_picture_too():
    empty = replace(
        STATISTICS, kept=np.zeros(24), rejected=np.zeros(24), kept_by_area={}, rejected_by_area={}, rejected_by_tag={},
        bytes_by_tag={},
    )  # fmt: skip
    assert "Nothing was rejected" in report.most_rejected(empty).svg
    assert "24 of them empty" in report.readings_over_time(empty).alt


@pytest.mark.parametrize("days", [1 / 24, 1, 5, 31, 366, 4000])
def test_a_window_of_any_length_has_a_readable_number_of_bars(days):
    start = DAY.start_ms // 1000
    window = Window(DAY.start, datetime.fromtimestamp(start + round(days * 86400), UTC))
    assert 10 < days * 86400 / bar_width(window) <= max(MOST_BARS, days / 30)


def test_labels_stand_at_round_local_times_even_where_clocks_change():
    window = window_of("Europe/Berlin", start="2026-10-24", end="2026-10-27")  # 73 hours
    starts = np.arange(window.start_ms, window.end_ms, 3_600_000)
    ticks, labels = time_ticks(starts, "Europe/Berlin")
    assert len(ticks) <= MOST_TICKS
    assert labels == ["24 Oct", "12:00", "25 Oct", "12:00", "26 Oct", "12:00"]


def test_a_page_needs_nothing_from_outside(folder):
    text = run_page.write(folder, CONFIG, DAY, None).read_text()
    assert not re.search(r"""(?:src|href|url|import)\s*[=(]?\s*["']?(?:https?:)?//""", text)
    assert text.count("<script>") == 1 and "fetch(" not in text and text.count("<svg") == 4
    assert 'lang="en"' in text and "prefers-color-scheme: dark" in text and 'name="viewport"' in text
    assert len(text) < 2_000_000


def test_a_page_begins_with_the_verdict_and_shows_what_adds_up(folder):
    text = run_page.write(folder, CONFIG, DAY, None).read_text()
    assert text.index("The run is done") < text.index("2,676") < text.index("<svg") < text.rindex("few gaps")
    assert re.findall(r"<h(\d)", text)[0] == "1" and set(re.findall(r"<h(\d)", text)[1:]) <= {"2", "3"}


def test_what_a_run_warns_of_stands_at_the_top_and_is_counted(folder):
    replace(RECORD, warnings=["not one of 276 readings of <i>t</i> is kept"]).save(folder / "record.json")
    text = run_page.write(folder, CONFIG, DAY, None).read_text()
    assert (
        text.index("The run is done, with 2 warnings") < text.index("276 readings of &lt;i&gt;") < text.index("2,676")
    )
    assert json.loads((folder / "verdict.json").read_text())["verdict"] == "warnings"


def test_tag_paths_cannot_bring_markup_into_a_page(folder):
    text = run_page.write(folder, CONFIG, DAY, None).read_text()
    assert "&lt;script&gt;" in text and "alert('$x$')</script>" not in text


def test_no_secret_of_the_configuration_stands_in_a_page(folder):
    text = run_page.write(folder, CONFIG, DAY, None).read_text()
    assert "hush-hush" not in text and "s3cr3t" not in text and "fs.s3a.secret.key" in text


def test_a_failed_run_says_so_first_and_unfolds_its_notebook(tmp_path):
    error = nbformat.v4.new_output("error", ename="SourceError", evalue="the historian is down", traceback=[])
    cells = [nbformat.v4.new_code_cell("check()", outputs=[error])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "check_source.ipynb")
    text = run_page.write(tmp_path, CONFIG, DAY, SourceError("the historian is down")).read_text()
    assert text.index("The run failed") < text.index("the historian is down") < text.index("Exit code 3")
    assert "<details open><summary>Notebook: source check" in text


@pytest.mark.parametrize(
    ("ended", "known"),
    [
        (SourceError("the historian is down"), True),
        (SourceError("the historian is down", published=True), False),
        (SourceError(str(SourceError("the historian is down", published=True))), False),
        (NotSettled("the lake is down"), False),
        (SensorStreamError("the kernel died"), False),
    ],
)
def test_a_report_says_the_lake_is_as_it_was_only_where_that_is_known(ended, known, tmp_path):
    outside = failure(type(ended).__name__, str(ended), tmp_path)  # as it comes out of a notebook's kernel
    text = run_page.write(tmp_path, CONFIG, DAY, outside).read_text()
    assert ("The lake is as it was" in text) is known and f"Exit code {ended.exit_code}" in text


def test_names_of_tables_cannot_bring_markup_into_a_plan(monkeypatch):
    table = PartitionTable("<img src=x onerror=alert(1)>_2026_10")
    found = Plan("h", DAY, (), known("generic"), (table,), (), False, frozenset(), "time", (), 1, 0, ())
    assert "<img" not in found._repr_html_() and "&lt;img" in found._repr_html_()
    assert "<img" not in Changed("fingerprint", (f"{table.name} was made anew",), [])._repr_html_()


def test_a_failure_in_a_notebook_is_the_same_failure_outside(tmp_path):
    ours = failure("LakeCheckFailed", "lake check failed: why", tmp_path)
    assert type(ours) is LakeCheckFailed and str(ours) == "lake check failed: why" and ours.exit_code == 6
    other = failure("ZeroDivisionError", "division by zero\nsecond line", tmp_path / "ingest.ipynb")
    assert type(other) is SensorStreamError and "second line" not in str(other) and "ingest.ipynb" in str(other)
    assert type(failure("json", "no class of ours", tmp_path)) is SensorStreamError


def test_a_configuration_is_shown_without_its_secrets():
    shown = report.configuration(CONFIG)
    assert shown.rows["local_path"] == "lake" and "hush" not in shown._repr_html_() and "s3cr3t" not in repr(shown)
    assert "lookback_days" in shown.folded and "lookback_days" not in shown.rows, "what differs comes first"


def test_counts_and_sizes_are_short():
    assert [short(n) for n in (0, 950, 1234, 4_240_000, 7e9)] == ["0", "950", "1.23 k", "4.24 M", "7 G"]
    assert [size(n) for n in (12, 4321, 5_000_000)] == ["12 B", "4.32 kB", "5 MB"]


def test_where_a_tag_is_and_what_it_measures():
    assert [area(p) for p in ("[default]a/b/c/flow", "a/flow", "flow")] == ["a/b", "a", "(no area)"]
    assert measure("a/b/flow") == "flow"


def readings(name: str, times_s: list[int], values: list[float]) -> pa.Table:
    columns = {
        "tagpath": pa.array([name] * len(times_s)).dictionary_encode(),
        "datetime": pa.array([1000 * t for t in times_s], pa.int64()).cast(pa.timestamp("ms", tz="UTC")),
        "value": pa.array(values, pa.float64()),
        "text": pa.nulls(len(times_s), pa.string()),
        "quality": pa.array([192] * len(times_s), pa.int32()),
    }
    return pa.table(columns).cast(READINGS)


def test_gaps_are_found_and_shaded():
    times = [*range(0, 600, 10), *range(3600, 4200, 10)]
    times = 1000 * np.array(times)
    assert silences(times, usual_step(times)).tolist() == [[590_000, 3_600_000]]
    picture = report.series(readings("a/b/c", times, [float(t) for t in times]), CONFIG)
    assert picture.alt == "1 tags; 1 gaps are shaded." and "a/b/c" in picture.svg


def test_a_long_line_keeps_its_extremes():
    values = np.sin(np.arange(100_000) / 1000)
    values[77_777] = 9.0
    kept = min_max(values, 1200)
    assert 77_777 in kept and values.argmin() in kept and len(kept) <= 1202 and (np.diff(kept) > 0).all()


def test_days_of_a_table_are_those_of_the_site():
    config = CONFIG.model_copy(update={"timezone": "America/New_York"})
    midnight = round(datetime(2026, 10, 14, tzinfo=UTC).timestamp())
    found = report.daily(readings("a/b/c/flow", [midnight, midnight + 6 * 3600], [1.0, 3.0]), config)
    assert found.index.tolist() == [(date(2026, 10, 13), "a/b", "flow"), (date(2026, 10, 14), "a/b", "flow")]
    assert found["mean"].tolist() == [1.0, 3.0]


def test_a_report_says_where_each_setting_came_from(folder, tmp_path):
    file = tmp_path / "site.json"
    file.write_text('{"db": {"password": "hush-hush"}, "local_path": "lake"}')
    text = run_page.write(folder, CONFIG, DAY, None, settings=explain(file, arguments={"engine": "jdbc"})).read_text()
    rows = dict(re.findall(r'<th scope="row" class="word">([\w.]+)</th><td class="path">(.*?)</td></tr>', text))
    assert rows["local_path"] == f"lake</td><td>file {file}" and rows["engine"] == "jdbc</td><td>argument"
    assert rows["timezone"] == 'UTC</td><td class="soft">default' and "hush" not in text
