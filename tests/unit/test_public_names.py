"""What ``import sensorstream`` offers."""

from __future__ import annotations

import re
import sys
from inspect import getdoc, isfunction, signature
from pathlib import Path
from subprocess import run

import pytest

import sensorstream

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("old", "new"), [("read", "read_lake"), ("readings", "read_historian")])
def test_an_old_name_still_works_and_says_the_new_one(old, new):
    with pytest.warns(DeprecationWarning, match=f"sensorstream.{new}"):
        assert getattr(sensorstream, old) is getattr(sensorstream, new)


def test_every_public_name_is_there():
    assert all(hasattr(sensorstream, name) for name in sensorstream.__all__)


def test_every_public_function_says_what_it_takes_returns_and_raises():
    functions = [value for name in sensorstream.__all__ if isfunction(value := getattr(sensorstream, name))]
    for function in functions:
        sections = re.split(r"\n(\w+)\n-+\n", "\n" + getdoc(function))
        assert {"Parameters", "Returns", "Raises"} <= set(sections), function
        told = re.findall(r"^(\w[\w, ]*)$", sections[sections.index("Parameters") + 1], re.MULTILINE)
        assert ", ".join(told).split(", ") == list(signature(function).parameters), function


def test_the_page_of_public_names_is_rendered_without_a_warning():
    done = run([sys.executable, "docs/api.py"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.strip()).read_text()
    assert all(f'<section id="{name}">' in page for name in sensorstream.__all__)
