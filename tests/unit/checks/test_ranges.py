"""The ranges file: learned, edited, read again."""

from __future__ import annotations

import json

import pytest

from sensorstream.checks.ranges import FILE, Range, Seen, learned, load_ranges, matcher, write_ranges
from sensorstream.errors import ConfigError
from sensorstream.historian import Tag


def test_ranges_are_learned_by_unit_or_last_part_of_the_path_and_read_back(tmp_path):
    seen = [
        (Tag("plant/a/temperature", (1,)), Seen(20, 60, False)),
        (Tag("plant/b/temperature", (2,)), Seen(-4, 40, False)),
        (Tag("plant/a/p", (3,), unit="bar"), Seen(1, 3, False)),
        (Tag("plant/a/energy", (4,)), Seen(1000, 2000, True)),
    ]
    found = learned(seen)
    assert found == [
        Range(pattern="(^|/)energy$", lowest=500),
        Range(pattern="(^|/)temperature$", lowest=-36, highest=92),
        Range(unit="bar", lowest=0, highest=4),
    ]
    write_ranges(tmp_path / FILE, found)
    assert load_ranges(tmp_path) == found
    of = matcher(found)
    assert of(Tag("x/temperature", (9,))) == found[1] and of(Tag("x", (9,), unit="bar")) == found[2]
    assert of(Tag("x/temperatures", (9,))) is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"pattern": "a", "unit": "b"}, "range 1: give a pattern or a unit"),
        ({"pattern": "("}, r'range 1: "pattern": "\(" is no pattern'),
        ({"pattern": "a", "top": 3}, 'range 1: unknown key "top": known are'),
        ({"pattern": "a", "lowest": "3"}, 'range 1: "lowest": Input should be a valid number'),
        ({"pattern": "a", "lowest": 3, "highest": 2}, "range 1: lowest 3 is above highest 2"),
    ],
)
def test_a_range_that_is_none_is_refused_by_its_number(entry, message, tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"ranges": [entry]}))
    with pytest.raises(ConfigError, match=message):
        load_ranges(tmp_path)


def test_a_range_is_said_by_the_limits_that_it_has():
    limits = [(None, None), (1, None), (None, 2), (1, 2)]
    said = [str(Range(unit="bar", lowest=low, highest=high)) for low, high in limits]
    assert said == ["any value", "at least 1", "at most 2", "1 to 2"]
