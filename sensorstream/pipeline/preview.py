"""What a run would read."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.settings import Config
from ..historian import open_historian
from ..lake.keys import storable
from ..planning.make_plan import make_plan
from ..planning.plan import Plan, workers_of
from ..staging import master_of
from ..windows import WindowLike, as_window


def plan(config: Config, window: WindowLike, patterns: Sequence[str] | None = None) -> Plan:
    """What a run over ``window`` (or a day, as for ``ingest``) would read; reads no reading, writes nothing.

    Raises ``SourceError`` and ``ConfigError`` as ````planning.make_plan```` does.
    """
    window = as_window(window, config.timezone)
    with open_historian(config) as historian:
        what = make_plan(historian, config, window, config.patterns(patterns), workers=workers_of(master_of(config)))
    storable((tag.path for tag in what.tags), prefix=config.prefix)
    return what
