"""What stands out in a run, in sentences for people: which sensors, when, how long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from textwrap import shorten
from typing import Any

from ..checks.anomalies import Anomaly
from ..formatting import length
from ..windows import zone
from .anomalies import Listed

# Columns of the suites that the stretches of a kind stand behind: what the stretches tell need not be told twice.
BEHIND = {
    "gap": ("longest_gap_s", "steps_since_last"),
    "stuck": ("still_s",),
    "clock step": ("clock_steps",),
    "out of range": ("beyond_range", "lowest and range_low", "range_high and highest"),
}
OUTAGE_TAGS, OUTAGE_SHARE = 5, 0.5  # so many tags, or all of fewer, and so much of all, silent at once
NAMED, MOST, LONGEST = 3, 20, 400  # tags that a sentence names; sentences; characters of what a check found


@dataclass(frozen=True)
class Sentence:
    """One thing that stands out. ``kind`` is that of the stretches behind it, where there are any."""

    text: str
    fails: bool = False
    kind: str | None = None


def sentences(checks: Iterable[Mapping[str, Any]], kinds: Sequence[Listed], timezone: str) -> list[Sentence]:
    """What ``checks`` (as JSON) found, worst first: what ends a run, outages, each of the ``kinds`` of stretches that
    they noted (``anomalies.listed``), the rest. Times are told in the site's time zone."""
    checks, here = list(checks), zone(timezone)
    open_ones = [one for check in checks for one in check["findings"] if not one["success"]]
    tags = max((check.get("measured", {}).get("tags", 0) for check in checks), default=0)
    told = {column for kind in kinds for column in BEHIND.get(kind.kind, ())}
    counts = {one.get("column"): one.get("tags_total", 0) for one in open_ones}
    fail = [Sentence(_finding(one), fails=True) for one in open_ones if one["verdict"] == "fails"]
    rest = [one for one in open_ones if one["verdict"] != "fails" and one.get("column") not in told]
    outages = [
        Sentence(text, kind="gap") for kind in kinds if kind.kind == "gap" for text in _outages(kind, tags, here)
    ]
    known = [
        Sentence(_kind(kind, max(counts.get(c, 0) for c in BEHIND.get(kind.kind, ("",))), here), kind=kind.kind)
        for kind in kinds
    ]
    gaps = [each for kind in kinds if kind.kind == "gap" for each in kind.found]
    found = [*fail, *outages, *known, *(Sentence(_finding(one) + _silent_when(one, gaps, here)) for one in rest)]
    more = len(found) - MOST
    return found if more <= 0 else [*found[:MOST], Sentence(f"and {more:,} expectations more that do not hold")]


def _finding(one: Mapping[str, Any]) -> str:
    """``2 tags silent for more than a quarter of the window: a, b``, or the expectation that does not hold."""
    if one.get("says") and one.get("tags_total"):
        return f"{_tags(one['tags_total'])} {one['says']}: {_named(one['tags'], one['tags_total'], one.get('area'))}"
    return f"Not so: {one['expectation']}. Found: {shorten(one['found'], LONGEST, placeholder=' …')}"


def _silent_when(one: Mapping[str, Any], gaps: Iterable[Anomaly], here: tzinfo) -> str:
    """Of tags that are silent for long when all those that are named are, by the longest gap of each."""
    if one.get("column") != "silent_share":
        return ""
    longest = {each.tagpath: each for each in sorted(gaps, key=lambda each: each.end_ms - each.start_ms)}
    if not one["tags"] or not longest.keys() >= set(one["tags"]):
        return ""
    start, end = max(longest[path].start_ms for path in one["tags"]), min(longest[path].end_ms for path in one["tags"])
    return f": {_span(start, end, here)}" if start < end else ""


def _kind(kind: Listed, tags: int, here: tzinfo) -> str:
    worst = kind.found[0]
    paths = dict.fromkeys(each.tagpath for each in kind.found)
    count, when = max(tags, len(paths)), _span(worst.start_ms, worst.end_ms, here)
    if kind.kind == "gap" and count == kind.total == 1:
        return f"1 tag has a gap of {when}: {worst.tagpath}"
    if kind.kind == "gap":
        return f"{_tags(count)} {'has' if count == 1 else 'have'} gaps, the longest {when}: {worst.tagpath}"
    if kind.kind == "stuck":
        still = "1 sensor stands still" if count == 1 else f"{count:,} sensors stand still, one"
        return f"{still} at {worst.text.split(' in ')[0]} for {when}: {_named(list(paths), count)}"
    if kind.kind == "clock step":
        clocks = "The clock of 1 tag went back" if count == 1 else f"The clocks of {count:,} tags went back"
        return f"{clocks}, {when} is there twice: {_named(list(paths), count)}"
    if kind.kind == "out of range":
        left = "left its range" if count == 1 else "left their range"
        return f"{_tags(count)} {left}, most of all {worst.tagpath}: {worst.text}, {when}"
    return f"{kind.name}: {count:,} tags, first {worst.tagpath}, {when}"


def _outages(gaps: Listed, tags: int, here: tzinfo) -> list[str]:
    """When at least half of all tags were silent at once: no sensor, but a plant, a gateway or a network."""
    whole = gaps.total == len(gaps.found)
    of = tags if whole else len({each.tagpath for each in gaps.found})
    enough = max(min(OUTAGE_TAGS, tags), OUTAGE_SHARE * of, 2)
    steps = sorted([(each.start_ms, 1) for each in gaps.found] + [(each.end_ms, -1) for each in gaps.found])
    silent, most, since, found = 0, 0, None, []
    for at, step in steps:
        silent += step
        most = max(most, silent) if since else silent
        if since is None and silent >= enough:
            since = at
        elif since is not None and silent < enough:
            at_least = "" if whole else "at least "
            found.append(f"Outage: {at_least}{most:,} of {tags:,} tags are silent at once for {_span(since, at, here)}")
            since = None
    return found


def _span(start_ms: int, end_ms: int, here: tzinfo) -> str:
    """``6 h, Sat 31 Oct 04:00 to 10:00``, to the nearest minute."""
    start, end = round(start_ms / 60_000) * 60, round(end_ms / 60_000) * 60
    first, last = datetime.fromtimestamp(start, here), datetime.fromtimestamp(end, here)
    form = "%H:%M" if first.date() == last.date() else "%a %d %b %H:%M"
    return f"{length((end - start) * 1000)}, {first:%a %d %b %H:%M} to {last:{form}}"


def _tags(count: int) -> str:
    return "1 tag" if count == 1 else f"{count:,} tags"


def _named(paths: Sequence[str], total: int, area: str | None = None) -> str:
    if area and total > NAMED:
        return f"all under {area}"
    more = f" and {total - NAMED:,} more" if total > NAMED else ""
    return f"{', '.join(paths[:NAMED])}{more}"
