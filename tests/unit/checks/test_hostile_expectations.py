"""Suites and ranges are edited by people: whatever stands in them is held, or refused in a sentence."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from hypothesis import strategies as st

from sensorstream.checks.ranges import FILE, load_ranges, matcher
from sensorstream.checks.suites import load_suite
from sensorstream.checks.validation import validate
from sensorstream.errors import ConfigError
from sensorstream.historian import Tag
from tests.hostile import ANYTHING, FEW_OR_MANY, TEXTS, a_sentence, bent, damaged, hold

RANGES = {"ranges": [{"pattern": "e$", "lowest": 1, "highest": 2.5, "still_hours": 6}, {"unit": "bar", "lowest": 0}]}
SIGNS = st.text(alphabet="ab/(?P<n>)[]{}*+|^$\\1.,:=!-9", max_size=12) | st.sampled_from(["(" * 5000, "a{4294967296}"])


def written(value):
    return damaged(value, ANYTHING | SIGNS).map(lambda new: json.dumps(new).encode())


@FEW_OR_MANY
def test_any_ranges_are_held_or_refused(examples, tmp_path):
    def test(data: bytes) -> None:
        (tmp_path / FILE).write_bytes(data)
        try:
            found = matcher(load_ranges(tmp_path))(Tag("plant/temperature", (1,), unit="bar"))
        except ConfigError as error:
            a_sentence(error)
        else:
            assert found is None or (found.borders[0] <= found.borders[1] and str(found))

    hold(examples, test, written(RANGES) | bent(json.dumps(RANGES).encode()))


@pytest.mark.parametrize("examples", [pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
def test_any_suite_is_held_or_refused(examples, tmp_path):
    frame = pd.DataFrame({"tagpath": ["a", "b"], "file": ["x", "y"], "rows": [1.0, 2.0]})
    kwargs = {"column": "rows", "min_value": 1, "max_value": {"$PARAMETER": "most"}, "mostly": 0.9}
    one = {"type": "expect_column_values_to_be_between", "kwargs": kwargs, "severity": "warning", "description": "d"}
    sum_of = {"type": "expect_column_sum_to_be_between", "kwargs": {"column": "rows", "max_value": 9}, "meta": {}}
    whole = {"name": "lake_readings", "expectations": [one, sum_of], "meta": {}}
    types = st.sampled_from(sorted({e["type"] for e in load_suite("lake_readings").expectations})) | TEXTS

    def test(data: bytes) -> None:
        (tmp_path / "s.json").write_bytes(data)
        try:
            suite = load_suite("s", tmp_path)
            found = validate(suite, frame, keys=["tagpath", "file"], parameters={"most": 2})
        except ConfigError as error:
            a_sentence(error)
        else:
            assert len(found) == len(suite.expectations) and suite.at_most("rows") is not None

    other = types.map(lambda name: json.dumps(whole | {"expectations": [one | {"type": name}]}).encode())
    hold(examples, test, written(whole) | other | bent(json.dumps(whole).encode()))
