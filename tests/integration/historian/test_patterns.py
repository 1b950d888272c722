"""A regular expression that tries every way to cut a tag path into pieces ends soon, by its name."""

from __future__ import annotations

import time

import pytest

from sensorstream.errors import ConfigError
from sensorstream.historian import open_historian, patterns
from sensorstream.pipeline.preview import plan
from sensorstream.windows import window_of
from tests.historians import small_historian

DAY = window_of("UTC", day="2026-10-14")
ENDLESS = r"^(.+)(.+)(.+)(.+)(.+)(.+)\1\2\3\4\5\6$"
NEVER_TWICE = "".join(chr(0x100 + n) for n in range(120))


def test_a_pattern_that_backtracks_ends_by_a_time_out_of_its_own_and_is_named(database, make_config, monkeypatch):
    small_historian(database, [], {1: NEVER_TWICE})
    config = make_config(dbname=database.name)
    monkeypatch.setattr(patterns, "MATCH_SECONDS", 1)
    begin = time.monotonic()
    with pytest.raises(ConfigError) as said:
        plan(config, DAY, ["^b", ENDLESS])
    assert time.monotonic() - begin < 20
    assert str(said.value).startswith(f'pattern "{ENDLESS}" takes PostgreSQL too long over the tag paths')
    with open_historian(config) as historian:
        with pytest.raises(ConfigError, match="too long"):
            historian.matching([NEVER_TWICE], [ENDLESS])
        assert historian.connection.execute("SHOW statement_timeout").fetchone() == ("1h",)


def test_a_pattern_of_several_that_selects_no_tag_is_named(database, make_config):
    small_historian(database, [], {1: "plant/a", 2: "plant/b"})
    config = make_config(dbname=database.name)
    asked = ["^plant/", "^plnat/", "b$", "c$"]
    assert '2 of 4 patterns match no tag path, "^plnat/" for one' in plan(config, DAY, asked).notes
    assert not any("match no tag" in note for note in plan(config, DAY, ["a$", "b$"]).notes)
