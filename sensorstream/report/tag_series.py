"""Readings of single tags as an analyst first looks at them: over time with their gaps, and by day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ..config.settings import Config
from ..lake.scan import area, measure
from ..transform.readings import times_ms
from ..windows import zone
from .charts import GRID, KEPT, REJECTED, WIDTH, Picture, canvas, pictured
from .downsampling import min_max, silences, usual_step
from .level_shifts import left_out, measured

if TYPE_CHECKING:
    import pandas as pd

POINTS = 1200  # of a line; more than a screen has in width
MOST_TAGS = 8


@pictured("Readings over time")
def series(
    readings: pa.Table, config: Config, *, good: tuple[int, ...] = (192,), units: Mapping[str, str] | None = None
) -> Picture:
    """Each numeric tag of ``readings`` over time, one below the other.

    A line breaks where a value cannot be drawn. Gaps are shaded; a reading whose quality code is not in ``good`` is a
    mark at the foot.
    """
    import matplotlib.dates as mdates

    chosen, units = _numeric(readings), units or {}
    gaps = {name: silences(times, usual_step(times)) for name, (times, _, _) in chosen.items()}
    alt = f"{len(chosen)} tags; {sum(map(len, gaps.values()))} gaps are shaded."
    alt += left_out(sum(int(np.isnan(values).sum()) for _, values, _ in chosen.values()))
    rows = max(len(chosen), 1)
    with canvas("Readings over time", alt, size=(WIDTH, 0.5 + 1.15 * rows), rows=rows) as drawing:
        for axes, (name, (times, values, quality)) in zip(drawing.figure.axes, chosen.items(), strict=False):
            shown = min_max(values, POINTS)
            broken = np.searchsorted(times[shown], [begin for begin, _ in gaps[name]], side="right")
            at = mdates.date2num(times.astype("datetime64[ms]"))
            axes.plot(
                np.insert(at[shown], broken, np.nan), np.insert(values[shown], broken, np.nan), color=KEPT, lw=0.9
            )
            for begin, end in gaps[name]:
                axes.axvspan(*mdates.date2num(np.array([begin, end], "datetime64[ms]")), color=GRID, lw=0)
            doubtful = at[~np.isin(quality, good)]
            axes.plot(doubtful, np.zeros(len(doubtful)), "|", color=REJECTED, transform=axes.get_xaxis_transform())
            axes.set_title(
                f"{name}, {units[name]}" if units.get(name) else name, loc="left", fontsize=9.5, parse_math=False
            )
            axes.xaxis.set_major_locator(
                locator := mdates.AutoDateLocator(tz=zone(config.timezone), minticks=3, maxticks=8)
            )
            axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, tz=zone(config.timezone)))
            axes.margins(x=0)
    return drawing.picture()


def daily(readings: pa.Table, config: Config) -> pd.DataFrame:
    """Count, minimum, mean and maximum of each day (of the configured time zone), area and measure.

    Of numbers that can be measured; how many others there are stands beside them.
    """
    import pandas as pd

    frame = readings.select(["tagpath", "datetime", "value"]).filter(readings.column("value").is_valid()).to_pandas()
    frame["value"] = frame["value"].where(measured(frame["value"].to_numpy()))
    paths = frame["tagpath"].cat
    for name, part in (("area", area), ("measure", measure)):
        # Worked out once a tag, not once a reading.
        frame[name] = np.array([part(path) for path in paths.categories], object)[paths.codes]
    frame["day"] = frame["datetime"].dt.tz_convert(config.timezone).dt.date
    grouped = frame.groupby(["day", "area", "measure"])["value"]
    found = grouped.agg(["count", "min", "mean", "max"])
    return pd.DataFrame(found.assign(left_out=grouped.size() - found["count"]))


def _numeric(readings: pa.Table) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Times (ms), values (NaN where one cannot be drawn) and quality codes of the first tags that have numbers."""
    found = {}
    for name in readings.column("tagpath").unique().to_pylist():
        own = readings.filter(pa.compute.equal(readings.column("tagpath").cast(pa.string()), name))
        own = own.filter(own.column("value").is_valid())
        if own.num_rows:
            values = own.column("value").to_numpy()
            drawn_values = np.where(measured(values), values, np.nan)
            found[name] = (times_ms(own), drawn_values, own.column("quality").to_numpy())
        if len(found) == MOST_TAGS:
            break
    return found
