"""When each tag was read: all tags by time, so that an outage of a plant is seen at once."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from ..lake.scan import area
from .charts import KEPT, NEUTRAL, REJECTED, SHOWN_FONT, Picture, pictured, place_names, time_ticks
from .run_statistics import RunStatistics

MOST_ROWS, MOST_BANDS = 160, 12
LABEL, TICKS, GAP = 18, 20, 4  # px: a band's name, the times below, between bands
ROWS_PX, ROW_PX = 220, (1.5, 10.0)  # of all rows together, and the least and the most of one
FAINT = 0.3  # of the colour, for a bar with hardly any of the usual readings


@pictured("When each tag was read", group="when")
def read_when(statistics: RunStatistics) -> Picture:
    """A row a tag (or several neighbours), a column an interval; the stronger, the more of what is usual was read."""
    title = "When each tag was read"
    paths = sorted((tag.tagpath for tag in statistics.tags), key=lambda path: (area(path), path))
    place = {tag.tagpath: number for number, tag in enumerate(statistics.tags)}
    order = [place[path] for path in paths]
    kept, lost = statistics.kept_by_tag[order], statistics.lost_by_tag[order]
    if not kept.size:
        raise ValueError("no tags")
    bands = list(_bands(paths))
    tags_a_row = -(-len(kept) // MOST_ROWS)
    height = float(np.clip(ROWS_PX / -(-len(kept) // tags_a_row), *ROW_PX))
    shares, silent = _shares(kept), int((kept + lost == 0).all(axis=0).sum())
    labels = place_names(statistics)
    parts, y = [], 0.0
    for name, first, last in bands:
        rows = [(at, min(at + tags_a_row, last)) for at in range(first, last, tags_a_row)]
        tip = {
            "labels": labels,
            "rows": [_row_name(paths[a:b]) for a, b in rows],
            "counts": [kept[a:b].sum(axis=0).tolist() for a, b in rows],
            "lost": [lost[a:b].sum(axis=0).tolist() if lost[a:b].any() else None for a, b in rows],
        }
        image = _png(np.array([_colours(shares[a:b], kept[a:b], lost[a:b]) for a, b in rows]))
        parts.append(f'<text y="{y + 13:g}">{escape(name)}</text>')
        y += LABEL
        parts.append(
            f'<image class="tipped" data-tip="{escape(json.dumps(tip), quote=True)}" y="{y:g}" width="100%"'
            f' height="{height * len(rows):g}" preserveAspectRatio="none" style="image-rendering:pixelated"'
            f' href="data:image/png;base64,{image}"/>'
        )
        y += height * len(rows) + GAP
    ticks, names = time_ticks(statistics.starts_ms, statistics.timezone)
    for number, (tick, label) in enumerate(zip(ticks, names, strict=True)):
        share = 100 * tick / len(labels)
        anchor = "start" if share < 3 else "end" if share > 97 else "middle"
        # On a phone every other one has room.
        kind = ' class="wide"' if number % 2 else ""
        where = f'x="{share:.2f}%" y="{y + 14:g}" text-anchor="{anchor}"'
        parts.append(f"<text {where}{kind}>{label.split(chr(10))[0]}</text>")
    alt = f"{len(kept):,} tags in {len(labels)} intervals: blue where readings are kept, orange where most are"
    alt += " rejected, empty where there are none."
    alt += f" In {silent} intervals no tag was read." if silent else ""
    label, font = (escape(text, quote=True) for text in (f"{title}: {alt}", SHOWN_FONT))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" width="100%" height="{y + TICKS:g}"'
        f' style="height:{y + TICKS:g}px" font-size="13" font-family="{font}" fill="var(--soft, {NEUTRAL})">'
        f"{''.join(parts)}</svg>"
    )
    return Picture(title, alt, svg, "when")


def _bands(paths: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Neighbours of one area, or of one plant where there are too many areas: name, first, last."""
    for name_of in (area, lambda path: area(path).split("/")[0], lambda _: "all tags"):
        names = [name_of(path) for path in paths]
        starts = [0, *(n for n in range(1, len(names)) if names[n] != names[n - 1])]
        if len(starts) <= MOST_BANDS:
            break
    for first, last in zip(starts, [*starts[1:], len(paths)], strict=True):
        count = last - first
        yield f"{names[first]}, {count:,} tag{'s' if count > 1 else ''}", first, last


def _shares(kept: np.ndarray) -> np.ndarray:
    """Readings as a share of what is usual for the tag: the median of the bars that have any."""
    there = np.where(kept > 0, kept, np.nan)
    usual = np.array([np.nanmedian(row) if (row > 0).any() else 1.0 for row in there])
    return np.minimum(kept / usual[:, None], 1.0)


def _colours(shares: np.ndarray, kept: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """A row of pixels, red, green, blue, opacity."""
    share, most_lost = shares.mean(axis=0), lost.sum(axis=0) > kept.sum(axis=0)
    pixels = np.zeros((len(share), 4), np.uint8)
    for colour, where in ((KEPT, ~most_lost), (REJECTED, most_lost)):
        pixels[where, :3] = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    share = np.where(most_lost, 1.0, share)
    pixels[:, 3] = np.where(share > 0, 255 * (FAINT + (1 - FAINT) * share), 0)
    return pixels


def _png(pixels: np.ndarray) -> str:
    from matplotlib.image import imsave

    sink = io.BytesIO()
    imsave(sink, pixels, format="png")
    return base64.b64encode(sink.getvalue()).decode()


def _row_name(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
