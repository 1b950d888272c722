"""What a view says in words: one line, and a table of its tags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape

from ..formatting import length
from ..report.downsampling import MOST_DOUBTFUL
from ..report.level_shifts import measured
from ..transform.readings import inside
from ..windows import Window, zone
from .tag_search import TagList
from .view import View

COLUMNS = ("tag", "unit", "least", "greatest", "last", "not good", "silences", "note")
NUMBERS = ("least", "greatest", "last", "not good")  # to the right
LONGEST = 3  # silences that are named
MOST_LISTED = 50


def status(view: View, window: Window, seconds: float) -> str:
    """Where it comes from, how long that took, and what is missing."""
    silent = [tag for tag in view.rows if not inside(view.of(tag), window).num_rows]
    parts = [f"{view.source}, {len(view.rows)} tag{'s' if len(view.rows) > 1 else ''}, read in {seconds:.2f} s"]
    if silent:
        parts.append(f"no reading in this window of {', '.join(silent)}")
    if view.sampled:
        parts.append(f"sampled, a spike may be missing: {', '.join(sorted(view.sampled))}; the lake shows every one")
    return "; ".join(parts)


def facts(view: View, known: TagList, window: Window, tz: str) -> str:
    """The tags of a view as an HTML table: what they hold, what was not good, where they were silent."""
    rows = [dict(zip(COLUMNS, _cells(view, known, tag, window, tz), strict=True)) for tag in view.rows]
    names = {name: "n" if name in NUMBERS else "" for name in COLUMNS if any(row[name] for row in rows)}
    head = "".join(f"<th class='{kind}' scope='col'>{name}</th>" for name, kind in names.items())
    lines = ("".join(f"<td class='{kind}'>{escape(row[name])}</td>" for name, kind in names.items()) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(view: View, known: TagList, tag: str, window: Window, tz: str) -> list[str]:
    seen = inside(view.of(tag), window)
    values, texts = seen.column("value").to_numpy(zero_copy_only=False), seen.column("text").drop_null()
    values = values[measured(values)]
    numbers = [f"{number:.6g}" for number in (values.min(), values.max(), values[-1])] if len(values) else ["", "", ""]
    if not len(values) and len(texts):
        numbers[-1] = str(texts[-1])
    marks = view.marks_of(tag)
    more = "+" if marks.num_rows >= MOST_DOUBTFUL else ""  # what is not drawn is not counted
    count = f"{inside(marks, window).num_rows:,}{more}"
    return [tag, known.unit(tag), *numbers, count, _silences(view, tag, window, tz), known.note(tag)]


def _silences(view: View, tag: str, window: Window, tz: str) -> str:
    """The longest ones in words."""
    gaps = sorted(_seen(view, tag, window), key=lambda pair: pair[0] - pair[1])
    named = [_told(*pair, tz) for pair in gaps[:LONGEST]]
    return ", ".join(named + ([f"{len(gaps) - LONGEST:,} more"] if gaps[LONGEST:] else [])) or "none"


def silences(view: View, window: Window, tz: str) -> list[tuple[str, tuple[datetime, datetime]]]:
    """Those of all tags of a window, longest first: in words, and from when to when in whole seconds."""
    found = [(pair, tag) for tag in view.gaps for pair in _seen(view, tag, window)]
    found.sort(key=lambda one: one[0][0] - one[0][1])
    return [
        (
            f"{_told(begin, end, tz)}, {tag}",
            (begin.replace(microsecond=0), end.replace(microsecond=0) + timedelta(seconds=1)),
        )
        for (begin, end), tag in found[:MOST_LISTED]
    ]


def _seen(view: View, tag: str, window: Window) -> list[tuple[datetime, datetime]]:
    """A tag's silences that meet the window."""
    pairs = (tuple(datetime.fromtimestamp(ms / 1000, UTC) for ms in gap) for gap in view.gaps[tag])
    return [(begin, end) for begin, end in pairs if begin < window.end and end > window.start]


def _told(begin: datetime, end: datetime, tz: str) -> str:
    took = length(round((end - begin).total_seconds()) * 1000)
    return f"{took} from {begin.astimezone(zone(tz)):%Y-%m-%d %H:%M}"
