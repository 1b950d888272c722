"""Numbers and names as people read them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WIDTH = 110  # characters of a screen's line
# Nothing that is measured is larger, and squares of what is smaller are doubles still. Larger is what PLC drivers write
# where they have no value: the largest double, of either sign.
MOST_MEASURED = 1e150


def printable(text: str) -> str:
    """``text`` as one line that a terminal only shows: whatever would steer it, turn the line round or end it stands by
    its number. Pure."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def short(value: float) -> str:
    """A count in few characters: ``950``, ``1.2 k``, ``3 M``."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:.3g}"


def plain(value: float) -> str:
    """A value in few characters: ``-0.05``, ``238.9``, ``1.2e+09``."""
    return f"{value:.4g}" if abs(value) < 1e4 or abs(value) >= 1e7 else f"{value:,.0f}"


def size(count: float) -> str:
    """Bytes in few characters: ``1.2 MB``."""
    return f"{short(count)}B" if count >= 1e3 else f"{count:.0f} B"


def span(seconds: float) -> str:
    """A time to wait: ``40 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def length(milliseconds: int) -> str:
    """A duration in its two largest units: ``6 d 16 h``, ``1 h 5 min``, ``12.5 s``. Pure."""
    seconds = milliseconds / 1000
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            whole, rest = divmod(round(seconds / part), size // part)
            return f"{whole} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds:g} s"


def on_a_screen(head: str, *parts: Sequence[str], most: int = 8) -> str:
    """A heading and some lines of each part, ``most`` of them, cut to a screen's width: what ``repr`` shows."""
    lines = [cut(head, 4 * WIDTH)]
    for part in parts:
        lines += [f"  {cut(line)}" for line in part[:most]]
        lines += [f"  and {len(part) - most:,} more"] if len(part) > most else []
    return "\n".join(lines)


def cut(value: Any, most: int = WIDTH) -> Any:
    """Text, and lists of it, no longer than is read at a glance."""
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[: most - 1]}…"
    return (*value[:5], "…") if isinstance(value, tuple) and len(value) > 5 else value


def html_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of the same names as a table for a notebook; nothing where there are none."""
    lines = [_html_row(row.values()) for row in rows]
    return f"<table>{_html_row(rows[0], 'th')}{''.join(lines)}</table>" if rows else ""


def html_pairs(values: Mapping[str, str]) -> str:
    """Names and values as a table for a notebook."""
    rows = (f"<tr>{_html_cell(name, 'th scope=row')}{_html_cell(value)}</tr>" for name, value in values.items())
    return f"<table>{''.join(rows)}</table>"


def _html_row(cells: Iterable[object], tag: str = "td") -> str:
    return f"<tr>{''.join(_html_cell(cell, tag) for cell in cells)}</tr>"


def _html_cell(value: object, tag: str = "td") -> str:
    from html import escape  # which the command line does without

    text = f"{value:,}" if isinstance(value, int) else str(value)
    return f"<{tag} style='text-align:left'>{escape(text)}</{tag[:2]}>"
