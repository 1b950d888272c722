"""What a configuration service may answer."""

import json

import pytest

from sensorstream.airflow.pattern_service import Change, parse
from sensorstream.errors import ConfigError


def test_an_answer_with_the_schema_is_taken():
    offer = parse(b'{"sensor_patterns": ["^plant1/", "x$"], "version": "7"}', where="there")
    assert offer.sensor_patterns == ("^plant1/", "x$") and offer.version == "7"


@pytest.mark.parametrize(
    "answer",
    ["<html>", "[]", {}, {"sensor_patterns": []}, {"sensor_patterns": [""]}, {"sensor_patterns": "a"},
     {"sensor_patterns": ["a", 1]}, {"sensor_patterns": ["a"], "patterns": ["b"]}],
)  # fmt: skip
def test_any_other_answer_is_refused(answer):
    body = answer if isinstance(answer, str) else json.dumps(answer)
    with pytest.raises(ConfigError, match=r"configuration service there: .*the old patterns stay"):
        parse(body.encode(), where="there")


def test_a_change_says_what_came_and_what_went():
    assert Change(("a", "b"), ("b", "c")).text == "+ c, - a"
    assert not Change(("a",), ("a",)) and Change(("a", "b"), ("b", "a")).text == "another order"
