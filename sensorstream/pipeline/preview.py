"""What a run would read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..config.settings import Config
from ..historian import open_historian
from ..historian.extent import has_readings_of
from ..lake.keys import storable
from ..planning.make_plan import make_plan
from ..planning.plan import Plan, workers_of
from ..staging import master_of
from ..windows import WindowLike, as_window


def plan(config: Config, window: WindowLike, patterns: Sequence[str] | None = None) -> Plan:
    """Decide what a run over ``window`` would read; reads no reading, writes nothing.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    window
        A ``Window``, or a day of the configured time zone: text such as ``2026-10-14`` or a date.
    patterns
        PostgreSQL regular expressions of tag paths; those of ``config`` by default.

    Returns
    -------
    Plan
        Partition tables, tags, slices and how many readings they hold (estimates of PostgreSQL's planner).

    Raises
    ------
    SourceError
        The historian cannot be reached, a table has the wrong shape, or two gateways write one tag path at once.
    ConfigError
        No tag matches, a pattern is no regular expression, or a tag path does not fit into a key of the lake.
    """
    window = as_window(window, config.timezone)
    with open_historian(config) as historian:
        what = make_plan(historian, config, window, config.patterns(patterns), workers=workers_of(master_of(config)))
        # The planner never says that there is none.
        if what.estimated_readings < len(what.tags) and (known := has_readings_of(historian)):
            what = replace(what, notes=(*what.notes, f"the window holds hardly a reading: {known}"))
    storable((tag.path for tag in what.tags), prefix=config.prefix)
    return what
