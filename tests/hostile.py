"""Names that somebody may have given a tag, a unit or a table, and what they must never become; files and answers that
somebody else wrote, as hypothesis makes them."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensorstream.errors import SensorStreamError

NAMES = (
    "a/<script>alert('SPY')</script>",
    "a/\"><img src=x onerror=alert('SPY')>",
    "a/</td></table><iframe/src=//SPY>",
    "a/\x1b[2J\x1b]0;SPY\x07\x1b[31m",
    "a/\x9b31mSPY\x85x",
    "a/one\r\nsensorstream: two\n",
    "a/\u202ereversed\u2066\u200b\u2028SPY",
    "a/[/bold][link=file:///SPY]x[/]",
    "a/=HYPERLINK(\"http://SPY\")",
    "a/'; DROP TABLE tags; --",
    "a/{{7*7}}${SPY}%s%(x)s$1",
    "a/../../../etc/passwd",
    "a/<!channel> @everyone [x](http://SPY) &amp; *b* `c`",
)  # fmt: skip


def steers(text: str) -> set[str]:
    """Characters of ``text`` that a terminal or a log does more with than to show them."""
    return {c for c in text if not c.isprintable() and c != "\n"}


class Page(HTMLParser):
    """What of a page is of the names: elements and attributes in which their word stands."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.told = ""  # text outside of elements that run
        self.running = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        words = {name: value or "" for name, value in attributes}
        self.running = tag in ("script", "style") and words.get("type") != "application/json"
        if tag == "iframe" or any(name.startswith("on") and "SPY" in value for name, value in words.items()):
            self.found.append(self.get_starttag_text())
        if any("SPY" in words.get(name, "") for name in ("src", "href", "action", "style")):
            self.found.append(self.get_starttag_text())

    def handle_endtag(self, tag):
        self.running = False

    def handle_data(self, data):
        if self.running:
            self.found += [data] if "SPY" in data else []
        else:
            self.told += data


SPECIAL = ("", "\0", "\ud800", "../x", "/etc/passwd", "s3://", "{x}", "%s", "\n", "\x1b[2J", "\u202e", "2024-02-30",
           "NaN", "9" * 5000, "lots", "local[0]", "a//b", "tagpath=..", "\udcff", *NAMES)  # fmt: skip
TEXTS = st.text(alphabet=st.characters(), max_size=20) | st.sampled_from(SPECIAL)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**12, 10**400, -1, 0, 2**31, 2**63, 253402300800, 1e308])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
FEW_OR_MANY = pytest.mark.parametrize(
    "examples", [40, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)


def hold(examples: int, test: Callable[..., None], *strategies: st.SearchStrategy[Any]) -> None:
    checks = list(HealthCheck)
    settings(max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=checks)(
        given(*strategies)(test)
    )()


def a_sentence(error: SensorStreamError) -> None:
    assert str(error) and len(str(error)) < 5000 and not steers(str(error)) and "\n" not in str(error)
    assert "hunter2" not in str(error)


def bent(data: bytes) -> st.SearchStrategy[bytes]:
    """``data`` with bytes changed, cut out, put in, or other bytes altogether."""
    places = st.integers(0, len(data))

    def change(edits: list[tuple[int, int, bytes]]) -> bytes:
        found = data
        for start, length, new in edits:
            found = found[:start] + new + found[start + length :]
        return found

    edits = st.lists(st.tuples(places, st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=4)
    return edits.map(change) | st.binary(max_size=60)


def damaged(value: Any, other: st.SearchStrategy[Any] = ANYTHING) -> st.SearchStrategy[Any]:
    """``value``, JSON, with something ``other`` in one of its places, or a place more, or one less."""

    def at(value: Any) -> st.SearchStrategy[Any]:
        ways = [other]
        if isinstance(value, dict):
            ways += [at(inner).map(lambda new, key=key: value | {key: new}) for key, inner in value.items()]
            ways += [st.just({k: v for k, v in value.items() if k != key}) for key in value]
            ways.append(st.tuples(TEXTS, other).map(lambda more: value | {more[0]: more[1]}))
        if isinstance(value, list):
            for n, inner in enumerate(value):
                ways.append(at(inner).map(lambda new, n=n: [*value[:n], new, *value[n + 1 :]]))
        return st.one_of(ways)

    return at(value)
