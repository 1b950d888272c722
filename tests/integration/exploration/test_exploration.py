"""Exploring: tags found as one types, windows at any zoom that lose no spike, and the workbench that shows them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import sensorstream
from sensorstream import exploration
from sensorstream.config.sources import load
from sensorstream.exploration import figure, from_historian, from_lake, view
from sensorstream.exploration.app import Workbench
from sensorstream.exploration.memory import Memory
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.publishing import publish as publishing
from sensorstream.publishing.file_changes import files_of
from sensorstream.staging.staged_files import StagedHere
from sensorstream.transform import parquet
from sensorstream.transform.clean import readings
from sensorstream.transform.readings import inside_ms, times_ms
from sensorstream.windows import Window, window_of
from tests.lakes import publish, scope_of

MARK = ["tagpath", "datetime", "quality"]
TAG = "plant1/press/vibration"
WINDOW = window_of("UTC", start="2026-10-31", end="2026-11-02")
SECONDS = np.arange(WINDOW.start_ms, WINDOW.end_ms, 1000)
SPIKE_MS = WINDOW.start_ms + 100_000_000
SILENCE_MS = (WINDOW.start_ms + 120_000_000, WINDOW.start_ms + 127_200_000)


@pytest.fixture
def second_by_second(make_config, monkeypatch):
    """A lake of one tag at 1 Hz over a month border, in files of many row groups: one spike, one silence."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 10_000)
    config = make_config()
    kept = SECONDS[~((SILENCE_MS[0] < SECONDS) & (SILENCE_MS[1] > SECONDS))]
    values = {(TAG, int(ms)): float(np.sin(ms / 5e6)) for ms in kept} | {(TAG, SPIKE_MS): 40.0}
    publish(open_store(config), scope_of(config, WINDOW, [TAG]), values)
    return config


@pytest.fixture(scope="module")
def demo(plant, sandbox):
    """The simulated plant in the lake."""
    config = load(plant.config_path)
    ingest(config, plant.window)
    return config


def test_an_overview_keeps_the_spike_and_the_exact_silence_at_every_zoom(second_by_second):
    reader = view.Reader(second_by_second)
    for margin in (timedelta(days=1), timedelta(hours=2), timedelta(minutes=5)):
        middle = WINDOW.start + timedelta(milliseconds=SPIKE_MS - WINDOW.start_ms)
        seen = reader.look([TAG], Window(max(WINDOW.start, middle - margin), middle + margin), points=200)
        assert pc.max(seen.readings.column("value")).as_py() == 40.0
        assert seen.readings.num_rows <= 202
    assert reader.look([TAG], WINDOW, points=200).gaps[TAG].tolist() == [list(SILENCE_MS)]
    within = Window(WINDOW.start + timedelta(seconds=122_000), WINDOW.start + timedelta(seconds=123_000))
    assert reader.look([TAG], within).gaps[TAG].tolist() == [list(SILENCE_MS)]


def test_a_zoom_into_what_was_seen_fetches_no_file_again(second_by_second, monkeypatch):
    reader = view.Reader(second_by_second)
    whole = reader.look([TAG], WINDOW, points=200)
    fetched = []
    monkeypatch.setattr(from_lake, "read_bytes", lambda *asked: fetched.append(asked))
    narrow = Window(WINDOW.start, WINDOW.start + timedelta(minutes=10))
    assert reader.look([TAG], narrow, points=2000).readings.num_rows == 600
    assert reader.look([TAG], WINDOW, points=200).readings.equals(whole.readings)
    assert not fetched


def test_what_is_remembered_stays_within_its_bounds(second_by_second):
    reader = view.Reader(second_by_second)
    kept = reader._lake
    kept.groups, kept.gists = Memory(200_000), Memory(200_000)
    for start in range(0, 48, 6):
        part = Window(WINDOW.start + timedelta(hours=start), WINDOW.start + timedelta(hours=start + 1))
        found = reader.look([TAG], part, points=8000).readings
        assert np.array_equal(times_ms(found), [ms for ms in SECONDS if part.start_ms <= ms < part.end_ms and not
                                                SILENCE_MS[0] < ms < SILENCE_MS[1]])  # fmt: skip
        assert kept.groups.kept.currsize <= 200_000 and kept.gists.kept.currsize <= 200_000


def test_lake_and_historian_show_the_same_of_every_kind_of_tag(demo, plant):
    tags = exploration.tag_list(demo)
    wanted = [exploration.find(tags, text)[0] for text in ("temperature", "valve", "recipe", "last_service", "ölpumpe")]
    for window in (plant.window, Window(plant.window.start, plant.window.start + timedelta(hours=1))):
        stored, now = (exploration.look(demo, wanted, window, 500, where) for where in ("lake", "historian"))
        assert stored.readings.equals(now.readings) and stored.readings.num_rows
        assert stored.marks.select(MARK).equals(now.marks.select(MARK))
        assert {t: gaps.tolist() for t, gaps in stored.gaps.items()} == {t: g.tolist() for t, g in now.gaps.items()}
        assert stored.marks.num_rows or window != plant.window
    assert any(len(gaps) for gaps in exploration.look(demo, tags.paths, plant.window).gaps.values())


def test_of_a_window_too_full_for_the_historian_samples_are_shown_and_said_to_be(demo, plant, monkeypatch):
    tag = exploration.find(exploration.tag_list(demo), "temperature")[0]
    monkeypatch.setattr(from_historian, "MOST_READINGS", 100)
    monkeypatch.setattr(from_historian, "MOST_WHOLE", 100)
    monkeypatch.setattr(from_historian, "OF_EACH", 2)
    seen = exploration.look(demo, [tag], plant.window, 2000, "historian")
    assert seen.sampled == {tag} and 1000 <= seen.readings.num_rows <= 2000
    assert not len(seen.gaps[tag])
    whole = sensorstream.read_lake(demo, plant.window.start, plant.window.end, [exploration.exactly(tag)])
    assert set(times_ms(seen.readings)) <= set(times_ms(whole))
    with pytest.raises(sensorstream.SensorStreamError, match=r"more than 100 readings .* choose a shorter window"):
        from_historian.read(demo, [tag], plant.window)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_year_at_one_reading_a_second_is_zoomed_in_less_than_a_second(kind, make_config):
    config = make_config(lake=kind)
    store, year = open_store(config), window_of("UTC", start="2025-01-01", end="2026-01-01")
    for month, part in year.months("UTC"):
        times = np.arange(part.start_ms, part.end_ms, 1000)
        values = np.round(50 + 10 * np.sin(times / 1.2e7) + np.random.default_rng(7).normal(0, 0.5, len(times)), 2)
        table = readings(times, pa.array(values), None, 192)
        scope = scope_of(config, part, [TAG])
        files = files_of((TAG, month), part, table, config.max_records_per_file)
        publishing.publish(StagedHere(dict(files), store), store, scope, publishing.look(store, scope), append=False)
    reader = view.Reader(config)
    assert reader.look([TAG], year, 3000).rows == {TAG: 365 * 86_400}
    middle = year.start + timedelta(days=200)
    for hours in (24 * 60, 24 * 14, 48, 24, 1, 0.02):
        begin = time.perf_counter()
        seen = reader.look([TAG], Window(middle, middle + timedelta(seconds=round(hours * 3600))), 3000)
        assert time.perf_counter() - begin < 1
        assert min(hours * 3600, 2500) <= seen.readings.num_rows <= 3002
    assert reader._lake.gists.kept.currsize < 8 * 2**20 and reader._lake.groups.kept.currsize <= 256 * 2**20


def test_fifty_thousand_tags_are_searched_while_one_types():
    rows = [
        {"tagpath": f"plant{n % 7}/Line {n % 90}/unit{n}/{'pressure' if n % 2 else 'temperature'}",
         "unit": "bar" if n % 2 else "°C", "description": "inlet" if n % 10 == 3 else None, "datatype": "float"}
        for n in range(50_000)
    ]  # fmt: skip
    tags = exploration.TagList.of(pa.Table.from_pylist(rows))
    exploration.find(tags, "warm")
    begin = time.process_time()
    found = exploration.find(tags, "PRESSURE line inlet plant3 unit:bar")
    assert time.process_time() - begin < 0.15
    assert found == sorted(r["tagpath"] for n, r in enumerate(rows) if n % 10 == 3 and n % 7 == 3)
    assert exploration.find(tags, "unit:°c area:plant2/line unit16/") == ["plant2/Line 16/unit16/temperature"]
    assert exploration.find(tags, "no such thing") == []


def test_the_workbench_draws_what_is_picked_and_reads_again_where_one_zooms(demo, plant):
    bench = sensorstream.explore(demo)
    assert "Choose a tag" in (bench.widget, bench._status.value)[1]
    bench._search.value = "press temperature"
    bench._found.index = (0, 1)
    assert [len(trace.x) > 1000 for trace in bench._figure.data] == [True, False, True, False]
    day = bench.window
    begin = day.start + timedelta(hours=6)
    bench._figure.layout.xaxis.range = [begin.strftime("%Y-%m-%d %H:%M:%S.250"), "2026-11-01 07:00:00"]
    assert bench.window == Window(begin, begin + timedelta(hours=1))
    drawn = bench._figure.data[0].x
    assert drawn[0] >= "2026-11-01T05:45" and drawn[-1] < "2026-11-01T07:16" and len(drawn) > 500
    assert (bench._from.value.hour, bench._to.value.hour) == (6, 7)
    whole = sensorstream.read_lake(
        demo, begin, begin + timedelta(hours=1), [exploration.exactly(t) for t in bench.tags]
    )
    bench._sources.value = "historian"
    for into, count in (("arrow", "num_rows"), ("polars", "height")):
        assert getattr(bench.readings(into), count) == whole.num_rows > 0
    assert bench.readings().equals(whole.to_pandas())


def test_kept_tags_stay_while_one_searches_on_and_may_share_one_axis(demo):
    bench = sensorstream.explore(demo)
    first, second = (exploration.find(bench.known, text)[0] for text in ("temperature", "recipe"))
    assert bench.widget
    bench._search.value = "temperature"
    bench._found.value = [first]
    bench._keep.click()
    bench._search.value = "recipe"
    bench._found.value = [second]
    assert bench.tags == (first, second)
    bench._ways.value = "together"
    states = bench._figure.data[2]
    assert states.line.shape == "hv" and "steel" in " ".join(filter(None, states.y))
    bench._chips.value = []
    assert bench.tags == (second,)
    bench._search.value = ""
    bench._found.index = tuple(range(9))
    assert len(bench.tags) == 8 and "1 more are not drawn" in bench._status.value


def test_times_are_drawn_and_zoomed_as_the_clocks_of_the_configured_zone_show_them():
    berlin = "Europe/Berlin"
    for day, hours in (("2026-10-25", 25), ("2026-03-29", 23)):
        window = window_of(berlin, day=day)
        assert (window.end_ms - window.start_ms) / 3_600_000 == hours
        assert figure.local(np.array([window.start_ms, window.end_ms - 1]), berlin)[0] == f"{day}T00:00:00.000"
        shown = [figure.text_of(window.start, berlin).replace("T", " "), figure.text_of(window.end, berlin)]
        assert figure.window_seen(shown, berlin) == window
    twice = figure.window_seen(["2026-10-25 02:10", "2026-10-25 02:40"], berlin)
    assert twice == window_of("UTC", start="2026-10-25T00:10", end="2026-10-25T01:40")


def test_the_hour_that_clocks_show_twice_is_drawn_once_and_zoomed_into(make_config):
    config = make_config(timezone="Europe/Berlin")
    window = window_of("Europe/Berlin", day="2026-10-25")
    values = {(TAG, ms): float(ms % 7) for ms in range(window.start_ms, window.end_ms, 60_000)}
    publish(open_store(config), scope_of(config, window, [TAG]), values)
    bench = sensorstream.explore(config, [TAG], window)
    assert bench.widget
    times, axis = bench._figure.data[0].x, bench._figure.layout.xaxis
    assert len(times) == 25 * 60 and list(times) == sorted(times) and times[0] == "2026-10-24T22:00:00.000"
    assert axis.title.text == "UTC: clocks of Europe/Berlin show an hour of this twice"
    axis.range = ["2026-10-25 00:10", "2026-10-25 00:40"]
    assert bench.window == window_of("UTC", start="2026-10-25T00:10", end="2026-10-25T00:40")
    assert bench._figure.data[0].x[0] == "2026-10-25T02:03:00.000" and not bench._figure.layout.xaxis.title.text
    bench.show(window=window_of("Europe/Berlin", day="2026-10-24"))  # they are shown twice beside it
    assert not bench._figure.layout.xaxis.title.text


def test_an_empty_lake_is_a_sentence_in_the_workbench_and_the_historian_is_shown_all_the_same(plant, make_config):
    config = make_config(sensor_patterns=[".*"])
    bench: Workbench = sensorstream.explore(config, window=plant.window)
    tag = exploration.find(bench.known, "temperature")[0]
    assert bench.show([tag]) is None and bench.widget
    assert "run ingest first" in bench._status.value and "make demo" in bench._status.value
    bench._sources.value = "historian"
    assert bench.view and bench.view.readings.num_rows and "historian, 1 tag" in bench._status.value


def test_only_tags_that_the_configuration_names_are_found_and_their_own_last_day_is_shown(demo, plant):
    press = demo.model_copy(update={"sensor_patterns": ("^plant1/press/",)})
    known = exploration.tag_list(press)
    assert known.paths and all(path.startswith("plant1/press/") for path in known.paths)
    nobody = demo.model_copy(update={"sensor_patterns": ("old gauge",)})  # whom the lake does not know is asked for
    assert exploration.tag_list(nobody).paths == ("plant1/press/old gauge/pressure",)
    assert "holds no reading of plant1/press/old gauge" in str(
        sensorstream.explore(nobody, exploration.tag_list(nobody).paths).problem
    )


def test_a_retired_tag_and_one_of_several_ids_are_told_in_the_list_and_below_the_picture(demo, plant):
    bench = sensorstream.explore(demo, ["plant2/packaging/unit1/pressure"], plant.window)
    assert "2 ids: 2, 26" in (bench.widget, bench._facts.value)[1]
    bench._search.value = "pressure retired"
    assert [label for label, _ in bench._found.options] == ["plant1/press/old gauge/pressure   (retired 23 Jul 2026)"]


def test_silences_are_listed_longest_first_and_looked_at_one_by_one(demo, plant):
    known = exploration.tag_list(demo)
    tags = [tag for word in ("flow", "temperature") for tag in exploration.find(known, word)][:8]
    bench = sensorstream.explore(demo, tags, plant.window)
    assert bench.widget
    (_, none), (longest, first), (_, second), *_ = bench._silences.options
    assert not none and first[1] - first[0] >= second[1] - second[0] and " from 2026-1" in longest
    bench._silences.value = first
    assert bench.window.start < first[0] < first[1] < bench.window.end
    bench._silences.value = second
    assert bench.window.start < second[0] < second[1] < bench.window.end
    bench._silences.value = none
    assert bench.window == plant.window


def test_a_window_without_a_reading_says_so(demo, plant):
    later = replace(plant.window, start=plant.window.end, end=plant.window.end + timedelta(days=1))
    tag = exploration.find(exploration.tag_list(demo), "temperature")[0]
    bench = sensorstream.explore(demo, [tag], later)
    assert bench.widget and f"no reading in this window of {tag}" in bench._status.value
    assert bench.readings().empty
    assert inside_ms(bench.view.of(tag), later.start_ms, later.end_ms).num_rows == 0


def test_a_pattern_that_only_postgresql_reads_hides_no_tag_from_the_list():
    tags = exploration.TagList(("a", "b1"), {})
    assert tags.named(["^a"]).paths == ("a",)
    for pattern in ("[[:digit:]]", r"\my", "("):
        assert tags.named([pattern]) is tags
