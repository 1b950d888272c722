"""What ``import sensorstream`` offers."""

from __future__ import annotations

import re
import sys
from inspect import getdoc, isfunction, signature
from pathlib import Path
from subprocess import run

import pytest

import sensorstream
from sensorstream.config.sources import check
from sensorstream.errors import ConfigError
from sensorstream.verification.differences import Difference
from sensorstream.verification.result import Verification

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("old", "new"), [("read", "read_lake"), ("readings", "read_historian")])
def test_an_old_name_still_works_and_says_the_new_one(old, new):
    with pytest.warns(DeprecationWarning, match=f"sensorstream.{new}"):
        assert getattr(sensorstream, old) is getattr(sensorstream, new)


def test_every_public_name_is_there():
    assert all(hasattr(sensorstream, name) for name in sensorstream.__all__)
    assert set(sensorstream.__all__) <= set(re.findall(r"``(\w+)``", sensorstream.__doc__)), "what help begins with"


def test_a_prompt_is_offered_the_public_names_alone():
    fresh = run(
        [sys.executable, "-c", "import sensorstream; print(*dir(sensorstream))"], capture_output=True, text=True
    )
    assert fresh.stdout.split() == sorted(sensorstream.__all__)


def test_what_a_prompt_shows_of_a_record_and_a_configuration_is_a_screen_without_secrets():
    texts = {"spark.hadoop.fs.s3a.secret.key": "hush"}
    config = check(
        {"db": {"host": "h", "password": "hush"}, "local_path": "lake", "spark_conf": texts}
        | {"sensor_patterns": [f"^area{n}/" for n in range(2000)]},
        where="the test",
    )
    assert "local_path='lake'" in repr(config) and "lookback_days" not in repr(config), "what differs from the defaults"
    found = Difference("surplus", "a/b", "2026-10", "1,000 readings")
    shown = Verification("lake", {"start": "a", "end": "b"}, (), False, (found,) * 999, (), (), {"files": 3}, 1.0)
    assert "999 differences" in repr(shown) and "and 991 more" in repr(shown)
    for text in (repr(config), repr(shown)):
        assert len(text) < 2000 and "hush" not in text


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


def test_help_calls_the_kinds_of_keys_by_name():
    text = str(signature(sensorstream.Config))
    assert "layout: Layout = 'auto'" in text and "db_schema: Name" in text
    assert not re.search("<function|FieldInfo|AfterValidator", text)
    layout = {"readings": {"tables": "a", "id": "b", "time": {"column": "c"}, "numbers": "d"}, "need": []}
    with pytest.raises(ConfigError, match=r'unknown key "layout\.need": did you mean "needs"'):
        check({"db": {}, "local_path": "x", "layout": layout}, where="the test")
