"""All tags of a run: their table, when each was read, the days before, and lines that read the same."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import asdict, replace
from datetime import timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from matplotlib.image import imread

from sensorstream import report
from sensorstream.config.settings import Config
from sensorstream.lake.keys import TAGS, rejected_key
from sensorstream.lake.stores import open_store
from sensorstream.lake.tag_metadata import SCHEMA as METADATA
from sensorstream.pipeline.run_record import run_id
from sensorstream.report import run_page, small_multiples
from sensorstream.report.comparison import Day, shifted, verdict
from sensorstream.report.lines_to_copy import in_duckdb, in_python
from sensorstream.report.run_statistics import REJECTED, TagFigures
from sensorstream.report.small_multiples import read_lines
from sensorstream.report.tag_figures import compact, front_coded
from sensorstream.transform.parquet import parquet
from sensorstream.windows import window_of
from tests.lakes import publish, scope_of
from tests.unit.report.test_index_page import DONE, keep
from tests.unit.report.test_run_page import CONFIG, DAY, RECORD

HOUR, MINUTE = 3_600_000, 60_000
FLOW, RECIPE, SILENT, HALF = "plant1/press/a%b flow", "plant1/press/recipe", "plant2/oven/silent", "plant2/oven/x"
PATHS = [FLOW, RECIPE, SILENT, HALF]


@pytest.fixture
def config(tmp_path) -> Config:
    """A lake with a day of readings, of which nobody has any from six to nine; half of one tag's are rejected."""
    found = CONFIG.model_copy(update={"local_path": str(tmp_path / "lake"), "reports_path": str(tmp_path / "reports")})
    times = [ms for ms in range(DAY.start_ms, DAY.end_ms, MINUTE) if not 6 <= (ms - DAY.start_ms) / HOUR < 9]
    values: dict[tuple[str, int], float | str] = {(FLOW, ms): 2.0 + n for n, ms in enumerate(times)}
    values |= {(RECIPE, ms): "oak <1>" if n % 2 else "elm" for n, ms in enumerate(times)}
    values |= {(HALF, ms): 1.5 for ms in times[::2]}
    store = open_store(found)
    publish(store, scope_of(found, DAY, PATHS), values)
    bad, why = times[1::2], ["bad_quality"] * (len(times) // 2)
    store.put(rejected_key(RECORD.run_id), parquet(pa.table([[HALF] * len(bad), bad, why], schema=REJECTED)))
    return found


def test_every_tag_has_its_figures_also_one_without_a_reading(config):
    statistics = report.gather(config, RECORD, PATHS)
    found = {tag.tagpath: tag for tag in statistics.tags}
    assert list(found) == PATHS
    flow, half = found[FLOW], found[HALF]
    assert (flow.count, flow.least, flow.mean, flow.greatest, flow.last) == (1260, 2.0, 631.5, 1261.0, 1261.0)
    recipe, silent = found[RECIPE], found[SILENT]
    assert (recipe.last, recipe.mean, silent.count, silent.good) == ("oak <1>", None, 0, None)
    assert (half.count, half.good, flow.good) == (630, 0.5, 1.0)
    assert statistics.kept.sum() == 2 * 1260 + 630 and statistics.rejected.sum() == 630


def test_an_outage_of_the_plant_is_seen_at_once(config):
    statistics = report.gather(config, RECORD, PATHS)
    picture = report.read_when(statistics)
    assert "In 12 intervals no tag was read." in picture.alt and "plant1/press, 2 tags" in picture.svg
    images = [imread(io.BytesIO(base64.b64decode(found))) for found in re.findall(r"base64,([^\"]+)", picture.svg)]
    opacity = np.concatenate([image[:, :, 3] for image in images])
    assert opacity.shape == (4, 96) and not opacity[:, 24:36].any() and opacity[[0, 1, 3], 36:].all()


def test_many_tags_share_a_row_and_few_bands(config):
    many = [f"plant{n % 5}/area {n % 40:02}/unit {n:05}/flow" for n in range(4000)]
    picture = report.read_when(report.gather(config, RECORD, [*many, FLOW]))
    assert picture.svg.count("<image") == 5 and len(picture.svg) < 200_000
    assert "4,001 tags" in picture.alt


def test_a_report_has_them_all_to_search_and_links_to_what_is_drawn(config, tmp_path):
    RECORD.save(tmp_path / "record.json")
    gone = {"tagpath": SILENT, "ids": [7, 8], "retired": DAY.start_ms - HOUR, "created": None}
    store = open_store(config)
    store.put(TAGS, parquet(pa.Table.from_pylist([gone], schema=METADATA)))
    report.all_tags(report.gather(config, RECORD, PATHS)).save(tmp_path / "tags.json")
    gap = {"kind": "gap", "tagpath": RECIPE, "text": "silent", "start": DAY.start.isoformat(),
           "end": DAY.end.isoformat()}  # fmt: skip
    told = {"success": True, "summary": "", "findings": [], "notable": [gap], "notable_total": {"gap": 1}}
    (tmp_path / "check_lake.json").write_text(json.dumps(told | {"gaps": {RECIPE: 1}}))
    text = run_page.write(tmp_path, config, DAY, None, opened=("site.json", "file")).read_text()
    tags = json.loads(re.search(r'id="tag-data">(.*?)</script>', text)[1])
    assert tags["gaps"] == [0, 1, 0, 0] and tags["good"][3] == 50.0 and tags["last"][1] == "oak <1>"
    assert tags["note"] == {"values": ["", "retired 13 Oct 2026; 2 ids: 7, 8"], "codes": [0, 0, 1, 0]}
    assert f'id="{tags["pictures"][RECIPE]}"' in text and "oak <1>" not in text
    assert "sensorstream.load(&#39;site.json&#39;)" in text and "500 Stale" not in text and "0 Bad" in text


@pytest.mark.parametrize("together", [0, small_multiples.TOGETHER])
def test_text_tags_of_few_texts_are_drawn_as_states(config, monkeypatch, together):
    monkeypatch.setattr(small_multiples, "TOGETHER", together)
    line = read_lines(config, DAY, [RECIPE])(RECIPE)
    assert line.states == ("elm", "oak <1>") and line.values.tolist()[:3] == [0, 1, 0]


def test_the_mean_of_a_counter_has_the_digits_of_its_neighbours():
    figures = TagFigures("a", 7416, 1_239_556.0, 1_239_821.25, 1_240_047.0)
    columns = {name: [value] for name, value in asdict(figures).items()}
    assert compact(columns, None, {})["mean"] == [1_239_821.0]
    assert ">7,416<" in report.AllTags((figures,))._repr_html_()


def test_paths_are_told_by_what_differs_from_the_one_before():
    names = ["a/b/c", "a/b/d", "a/𝔘/x", "a/𝔘/y", ""]
    coded = front_coded(names)
    assert coded[2:4] == [4, "d"]
    found, before = [], b""
    for shared, rest in zip(coded[::2], coded[1::2], strict=True):
        before = before[: 2 * shared] + rest.encode("utf-16-le")
        found.append(before.decode("utf-16-le"))
    assert found == names


def test_the_lines_to_copy_read_exactly_the_window(config, tmp_path):
    (tmp_path / "site.json").write_text(json.dumps({"db": {}, "local_path": config.local_path}))
    part = window_of("UTC", start="2026-10-14T05:00", end="2026-10-14T06:00")
    asked = [(DAY, [".*"], [], 3150), (DAY, ["a%b", "recipe"], [], 2520), (part, ["oven"], [], 30)]
    # PostgreSQL's own, or by a gateway's name: the paths are named.
    asked += [(part, [pattern], [HALF], 30) for pattern in (r"\mov", "[[:alpha:]]ven", "(?i)OVEN", "^gateway/oven")]
    for window, patterns, paths, count in asked:
        there: dict[str, object] = {}
        exec(in_python(config, window, patterns, paths, (str(tmp_path / "site.json"), "file")), there)
        assert len(there["readings"]) == count
        assert len(duckdb.connect().sql(in_duckdb(config, window, patterns, paths)).to_arrow_table()) == count
    assert "[]" not in in_python(config, DAY, [r"\mov"], [], (None, "file")) + in_duckdb(config, DAY, [r"\mov"], [])
    assert in_python(
        config, DAY, [r"^([a-z]+/?)+x$"], ["a" * 60], (None, "file")
    )  # which Python would not end to match


def test_a_day_is_held_against_the_day_before_and_the_same_weekday(config, tmp_path):
    root, day, asked = tmp_path / "reports", DAY.start.date(), run_id(DAY, config.patterns(None)).rpartition("_")[2]
    folder = keep(root, day, DONE, patterns=asked)
    for days, read in ((-1, 5000), (-7, 4000), (1, 1)):
        other = keep(root, day + timedelta(days=days), replace(DONE, read=read, rejected=50), patterns=asked)
        (other / "check_lake.json").write_text('{"notable_total": {"gap": 2}}')
    RECORD.save(folder / "record.json")
    text = run_page.write(folder, config, DAY, None).read_text()
    assert text.count("Worse than Tue 13 Oct and Wed 07 Oct: 33 % fewer readings, 10 % rejected where 1.2 % were") == 2
    links = dict(re.findall(r'<a href="([^"]+)">(the day \w+|Wed 07 Oct|all runs)<', text))
    assert [name for link, name in links.items() if (folder / link).exists()] == [
        "the day before", "the day after", "Wed 07 Oct"]  # fmt: skip
    alone = tmp_path / "reports" / "one" / "run"
    alone.mkdir(parents=True)
    text = run_page.write(alone, config, window_of("UTC", day="2026-12-24"), None).read_text()
    assert 'href="../../index.html#2026-12-23">the day before<' in text and "Compared" not in text


def test_what_is_not_worse_is_called_so_and_what_is_by_how_much():
    usual = [Day("Tue 13 Oct", 1000, 10, 3), Day("Wed 07 Oct", 1100, 20, None)]
    assert verdict(Day("now", 950, 19, 5), usual) == "Not worse than Tue 13 Oct and Wed 07 Oct"
    assert verdict(Day("now", 600, 60, 40), usual) == (
        "Worse than Tue 13 Oct and Wed 07 Oct: 40 % fewer readings, 10 % rejected where 1.8 % were,"
        " 40 gaps where there were 3"
    )


def test_the_day_before_is_one_of_the_sites_calendar():
    day = window_of("Europe/Berlin", day="2026-10-25")  # 25 hours
    assert shifted(day, -1, "Europe/Berlin") == window_of("Europe/Berlin", day="2026-10-24")
    assert shifted(day, 1, "Europe/Berlin") == window_of("Europe/Berlin", day="2026-10-26")
