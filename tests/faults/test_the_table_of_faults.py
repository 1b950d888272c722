"""The page of faults names tests that there are, for every fault; and every test here is on it."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "faults.md"
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
NAME = re.compile(r"`(test_\w+)`")


def test_every_fault_has_tests_that_there_are():
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ") and "---" not in line]
    rows = [row for row in rows if row[0] != "| fault"]
    there = {
        name for path in TESTS.rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    assert len(rows) > 20
    for row in rows:
        named = NAME.findall(row[-1])
        assert named and set(named) <= there, row[0]


def test_every_file_of_faults_is_on_the_page():
    named = set(NAME.findall(PAGE.read_text()))
    for path in Path(__file__).parent.glob("test_*.py"):
        mine = set(TEST.findall(path.read_text()))
        assert mine & named or path == Path(__file__), path.name
