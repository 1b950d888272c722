"""What a check finds and how it says it; no historian, no lake, no Great Expectations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sensorstream.checks.result import CheckResult, Finding
from sensorstream.checks.suites import load_suite
from sensorstream.errors import ConfigError, LakeCheckFailed, SourceCheckFailed

HELD = Finding("source_readings", "the window holds a reading", "t", "readings", "critical", True, observed=1788473)
WARNED = Finding(
    "source_readings", "a tag id has one reading a time", "t", "doubled", "warning", False,
    unexpected=1, tags=("plant1/a",), tags_total=1, examples=({"tagpath": "plant1/a", "doubled": 3},),
)  # fmt: skip
FAILED = Finding(
    "source_tags", "no tag path is blank", "t", "trimmed", "critical", False,
    unexpected=12, tags=tuple(f"t{n}" for n in range(10)), tags_total=12, examples=({"tagpath": "t0", "id": 9001},),
)  # fmt: skip


def result(*findings: Finding) -> CheckResult:
    window = {"start": "2026-10-14T00:00:00+00:00", "end": "2026-10-15T00:00:00+00:00"}
    return CheckResult("source", ("source_tags",), window, findings, {"tags": 60, "readings": 1788473}, 1.25)


def test_a_warning_does_not_end_a_run() -> None:
    check = result(HELD, WARNED)
    assert check.success
    assert check.warnings == (WARNED,)
    check.raise_if_failed()


def test_a_critical_failure_names_expectation_tags_numbers_and_file() -> None:
    with pytest.raises(SourceCheckFailed) as raised:
        result(HELD, WARNED, FAILED).raise_if_failed()
    assert str(raised.value) == (
        'source check failed: "no tag path is blank" does not hold, 12 tags: t0, t1, t2 and 9 more; the first: id 9001:'
        " set it right, or change the expectation in source_tags.json"
    )
    assert raised.value.exit_code == 4


def test_a_failed_lake_check_has_its_own_exit_code() -> None:
    with pytest.raises(LakeCheckFailed) as raised:
        replace(result(FAILED), subject="lake").raise_if_failed()
    assert raised.value.exit_code == 6


def test_the_summary_counts_what_held_and_what_was_looked_at() -> None:
    assert result(HELD, WARNED).summary() == (
        "source check passed: 1 of 2 expectations hold, 0 failed, 1 warning; 60 tags, 1,788,473 readings; 1.2 s"
    )


def test_the_saved_file_is_plain_json_and_leaves_no_draft(tmp_path: Path) -> None:
    path = result(HELD, FAILED).save(tmp_path / "run" / "check_source.json")
    saved = json.loads(path.read_text())
    assert saved["success"] is False
    assert [f["verdict"] for f in saved["findings"]] == ["holds", "fails"]
    assert saved["findings"][1]["tags_total"] == 12
    assert [found.name for found in path.parent.iterdir()] == ["check_source.json"]


def test_the_table_escapes_tag_paths_and_sets_no_colour() -> None:
    odd = replace(FAILED, tags=("<b>&",), tags_total=1)
    page = result(HELD, odd)._repr_html_()
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page
    assert "color" not in page
    assert page.index("no tag path is blank") < page.index("the window holds a reading")


def test_an_expectation_without_its_parameter_is_left_out() -> None:
    suite = load_suite("lake_readings")
    given = {"rows_written": 7, "max_records_per_file": 5}
    assert len(suite.given(given | {"rows_written": None}).expectations) == len(suite.given(given).expectations) - 1


def test_a_parameter_that_no_check_knows_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r'lake_readings.json asks for the parameter "max_records_per_file"'):
        load_suite("lake_readings").given({"rows_written": 7})


@pytest.mark.parametrize("name", ["source_tags", "source_readings", "lake_readings"])
def test_every_expectation_is_said_in_words_and_has_a_severity(name: str) -> None:
    suite = load_suite(name)
    words = [expectation["description"] for expectation in suite.expectations]
    assert len(set(words)) == len(words) > 0
    assert all(expectation["severity"] in ("critical", "warning", "info") for expectation in suite.expectations)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist"),
        ("{", "is not JSON"),
        ("{}", "is not one of Great Expectations"),
        ("[]", "holds a list, not one JSON object"),
        (
            '{"expectations": [{"type": "t", "kwargs": {}, "severity": "fatal"}]}',
            'expectation 1: "severity": Input should',
        ),
    ],
)
def test_a_broken_suite_is_refused_in_one_sentence(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "source_tags.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_suite("source_tags", tmp_path)
