"""Names that somebody may have given a tag, a unit or a table, and what they must never become."""

from __future__ import annotations

from html.parser import HTMLParser

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
