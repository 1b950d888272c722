"""What stands out in single tags: lists, small multiples, and a page that stays small however much there is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import nbformat
import numpy as np
import pytest

from sensorstream import report
from sensorstream.errors import LakeError
from sensorstream.lake.stores import open_store
from sensorstream.report import run_page
from sensorstream.report.anomalies import by_tag, length, listed
from sensorstream.report.level_shifts import Levels, levels_of, most_moved
from sensorstream.report.run_statistics import TagFigures
from sensorstream.report.small_multiples import MOST_TAGS, Line, panel
from tests.lakes import publish, scope_of
from tests.unit.report.test_run_page import CONFIG, DAY, RECORD, STATISTICS

MANY = 10_000
KINDS = ("gap", "stuck", "clock step", "out of range", "unusual level")


def note(kind: str, path: str, minute: int, minutes: int = 30) -> dict[str, str]:
    start = DAY.start + timedelta(minutes=minute, milliseconds=250)
    return {
        "kind": kind, "tagpath": path, "text": f"{kind} of {minutes} minutes",
        "start": start.isoformat(), "end": (start + timedelta(minutes=minutes)).isoformat(),
    }  # fmt: skip


def check(folder: Path, notes: Sequence[dict[str, str]], totals: dict[str, int], name: str = "check_lake") -> None:
    told = {"success": True, "summary": "", "findings": [], "notable": list(notes), "notable_total": totals}
    (folder / f"{name}.json").write_text(json.dumps(told))


def levels(path: str, values: np.ndarray) -> Levels | None:
    return levels_of(path, np.arange(len(values), dtype=np.int64) * 1000, values)


def test_every_gap_is_listed_with_its_exact_times_in_the_sites_zone(tmp_path):
    check(tmp_path, [note("gap", "a/<b>", 0), note("gap", "c", 60, 1500)], {"gap": 345})
    config = CONFIG.model_copy(update={"timezone": "America/New_York"})
    text = run_page.write(tmp_path, config, DAY, None).read_text()
    assert "Gaps: 345, the worst 2 listed" in text and "Times in America/New_York" in text
    row = text[text.index("a/&lt;b&gt;</td>") :]
    assert row.index("2026-10-13 20:00:00.250") < row.index("2026-10-13 20:30:00.250") < row.index(">30 min<")
    assert "<b>" not in text and "1 d 1 h" in text


def test_what_both_checks_saw_is_listed_once_and_other_kinds_beside(tmp_path):
    check(tmp_path, [note("gap", "a", 0), note("odd", "b", 5)], {"gap": 1, "odd": 1}, "check_source")
    check(tmp_path, [note("gap", "a", 0)], {"gap": 1})
    assert [(kind.name, len(kind.found), kind.total) for kind in listed(tmp_path)] == [("Gaps", 1, 1), ("Odd", 1, 1)]


def test_a_check_that_notes_nothing_leaves_the_section_out(tmp_path):
    (tmp_path / "check_lake.json").write_text(json.dumps({"success": True, "summary": "", "findings": []}))
    assert "what else stands out" not in run_page.write(tmp_path, CONFIG, DAY, None).read_text()


def test_the_worst_of_each_kind_are_drawn_in_turn(tmp_path):
    notes = [note("gap", f"g{n}", n) for n in range(20)] + [note("stuck", f"s{n}", n) for n in range(3)]
    check(tmp_path, [*notes, note("stuck", "g0", 700)], {})
    drawn = by_tag(listed(tmp_path), MOST_TAGS)
    assert list(drawn)[:6] == ["g0", "s0", "g1", "s1", "g2", "s2"] and len(drawn) == MOST_TAGS
    assert [each.kind for each in drawn["g0"]] == ["gap", "stuck"], "a tag is drawn once, with all that is known of it"


def test_a_report_says_why_nothing_is_drawn_where_the_lake_is_away(tmp_path):
    check(tmp_path, [note("gap", "a", 0)], {"gap": 1})
    text = run_page.write(tmp_path, CONFIG, DAY, LakeError("lake lake: no answer")).read_text()
    assert "Not drawn: the lake failed" in text
    text = run_page.write(tmp_path, CONFIG, DAY, None).read_text()
    assert "Not drawn: lake folder lake does not exist" in text and "Gaps: 1" in text


def test_a_level_that_leaves_the_usual_is_found_and_a_calm_one_ranks_behind():
    calm, stepped = 50 + np.sin(np.arange(8000) / 300), 50 + np.sin(np.arange(8000) / 300)
    stepped[6000:6800] += 5
    states = np.where(np.arange(8000) % 4000 < 3900, 0.0, 1.0)
    energy = np.arange(8000.0)
    tags = {"calm": calm, "stepped": stepped, "pump runs": states, "energy": energy}
    found = most_moved(levels(path, values) for path, values in tags.items())
    assert [one.tagpath for one in found] == ["stepped"], "a motor and a counter have no level, a calm tag no picture"
    (span,) = found[0].unusual()
    assert abs(span[0] - 6_000_000) < 200_000 and abs(span[1] - 6_800_000) < 200_000


def test_a_stuck_value_is_no_usual_level_and_the_peaks_of_a_healthy_process_are_none_to_shade():
    rng = np.random.default_rng(1)
    healthy = 50 + 5 * np.sin(np.arange(8000) / 400) + rng.normal(size=8000) / 10
    stuck = healthy.copy()
    stuck[1000:6000] = 46.0
    assert most_moved([levels("stuck", stuck)]) == [], "the rest is as it always is"
    stuck[6800:7200] += 40
    (found,) = most_moved([levels("stuck and high", stuck)])
    (span,) = found.unusual()
    assert abs(span[0] - 6_800_000) < 200_000 and abs(span[1] - 7_200_000) < 200_000 and 48 < found.usual < 54
    batches = np.where(np.arange(8000) % 800 < 100, 80.0, 20.0) + rng.normal(size=8000)
    assert most_moved([levels("ten batches", batches)]) == [], "what happens again and again is usual"


@pytest.mark.parametrize("values", [np.full(500, 7.5), np.full(500, np.nan), np.array([1.5, 2.5])])
def test_a_tag_that_never_moves_has_no_numbers_or_hardly_any_readings_is_not_drawn(values):
    assert most_moved([levels("a", values)]) == []


def test_a_picture_of_a_tag_shades_what_is_worth_a_look_and_breaks_its_line_at_gaps():
    times = np.concatenate([np.arange(0, 600), np.arange(3000, 3600)]) * 1000
    wave = Line(times, np.sin(times / 9e4))
    bare = panel("a/b", "words", wave, "UTC")
    shaded = panel("a/b", "words", wave, "UTC", spans=[(600_000, 3_000_000)], unit="°C")
    line = max(bare.svg.split("<path"), key=len)
    assert line.count("M ") == 2 and len(shaded.svg) > len(bare.svg) and "#d9622b" not in bare.svg
    assert "#d9622b" in shaded.svg and "words" in shaded.alt
    assert ">°C<" in shaded.svg and "°C" not in bare.svg, "the unit is on the axis"
    nothing = panel("a/b", "words", Line(times[:0], np.empty(0)), "UTC", spans=[(600_000, 3_000_000)])
    assert "#d9622b" in nothing.svg, "a tag that is not in the lake yet"
    texts = panel("a/recipe", "words", Line(times, np.full(len(times), np.nan)), "UTC")
    assert texts.svg.count("<use") > 100, "readings of many texts are marks in time"
    states = panel("a/recipe", "words", Line(times, times // 60_000 % 2 * 1.0, states=("steel <14>", "oven")), "UTC")
    assert "steel &lt;14&gt;" in states.svg and "oven" in states.svg, "few are states, by name"


def test_how_long_is_said_in_two_units():
    spans = {250: "0.25 s", 12_500: "12.5 s", 90_000: "1 min 30 s", 3_900_000: "1 h 5 min", 576_000_000: "6 d 16 h",
             43_199_000: "12 h", 172_790_000: "2 d"}  # fmt: skip
    assert {span: length(span) for span in spans} == spans


@pytest.mark.slow
def test_a_report_of_ten_thousand_tags_stays_below_two_megabytes(tmp_path):
    paths = [f"plant{n % 7}/area with a long name {n % 90}/unit {n:05}/temperature" for n in range(MANY)]
    config = CONFIG.model_copy(update={"local_path": str(tmp_path / "lake")})
    rng = np.random.default_rng(1)
    times = range(DAY.start_ms, DAY.end_ms, 20_000)
    values = {
        (path, ms): value for path in paths[:MOST_TAGS] for ms, value in zip(times, rng.normal(size=4320), strict=True)
    }
    publish(open_store(config), scope_of(config, DAY, paths[:MOST_TAGS]), values)

    notes = [note(kind, path, n) for kind in KINDS for n, path in enumerate(paths[:200])]
    found = {"verdict": "warning", "success": False, "expectation": "e", "found": ", ".join(paths), "tags": paths}
    told = {"success": True, "summary": "", "findings": [found] * 300, "notable": notes}
    (tmp_path / "check_lake.json").write_text(
        json.dumps(told | {"notable_total": dict.fromkeys(KINDS, MANY), "gaps": dict.fromkeys(paths, 3)})
    )
    days = [f"2026-10-{day:02}" for day in range(1, 31)]
    late = {"detector": "heap tail", "reasons": [], "tag_days": 30 * MANY, "tag_days_left": 0, "rows_read": 1}
    replace(RECORD, tags_selected=MANY, explain=paths, late=late | {"tags": dict.fromkeys(paths, days)}).save(
        tmp_path / "record.json"
    )
    edges = np.linspace(DAY.start_ms, DAY.end_ms, 81).astype(np.int64)
    figures = (
        TagFigures(path, 86_400, n / 7, n / 3, n * 9.123, f"text {n}" if n % 5 == 0 else n / 11, 0.98, "°C", "float")
        for n, path in enumerate(sorted(paths))
    )
    statistics = replace(
        STATISTICS, rejected_by_tag=dict.fromkeys(paths, 3), bytes_by_tag=dict.fromkeys(paths, 9),
        kept_by_area=dict.fromkeys(paths, 5), tags=tuple(figures), kept_by_tag=rng.integers(0, 4000, (MANY, 24)),
        lost_by_tag=rng.integers(0, 9, (MANY, 24)),
        moved=tuple(Levels(path, edges, rng.normal(size=80)) for path in paths[:MOST_TAGS]),
    )  # fmt: skip
    report.all_tags(statistics).save(tmp_path / "tags.json")
    drawn = [
        report.read_when(statistics),
        report.readings_over_time(statistics),
        report.quality_by_area(statistics),
        report.most_rejected(statistics),
    ]
    drawn += [report.bytes_by_tag(statistics), *report.moved_most(config, statistics, DAY)]
    shown = [nbformat.v4.new_output("display_data", data=data, metadata=about)
             for data, about in (each._repr_mimebundle_() for each in drawn)]  # fmt: skip
    plan = nbformat.v4.new_output("display_data", data={"text/html": "<table>" + "<tr><td>1</td></tr>" * 90_000})
    cells = [
        nbformat.v4.new_code_cell("p()", outputs=shown),
        nbformat.v4.new_code_cell("plan = 1\nplan", outputs=[plan]),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "ingest.ipynb")

    text = run_page.write(tmp_path, config, DAY, None).read_text()
    assert text.count("<svg") == 5 + 2 * MOST_TAGS and len(text.encode()) < 2_000_000
    for cut in ("Gaps: 10,000, the worst 200 listed", "and 100 more, in the check", "and 9,800 more, in record.json"):
        assert cut in text
    assert "more slices" in text
