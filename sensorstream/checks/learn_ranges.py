"""Learn ranges from history: what good readings have been, summed up by the historian, widened by half."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.settings import Config
from ..extras import needs
from ..historian import open_historian
from ..historian.two_sensors import refuse_two_sensors
from ..transform.quality import quality_rule
from ..windows import WindowLike, as_window
from .ranges import Range, learned
from .source_summary import summarise


def learn_ranges(config: Config, window: WindowLike, patterns: Sequence[str] | None = None) -> list[Range]:
    """A range for each unit, or each last part of a tag path, that has numbers in ``window``.

    Raises ``SourceError`` and ``ConfigError`` as ``check_source`` does.
    """
    needs("learn_ranges", checks=("pandas",))
    window = as_window(window, config.timezone)
    with open_historian(config) as historian:
        tags = historian.tags(config.patterns(patterns))
        refuse_two_sensors(historian, [(tag, window) for tag in tags])
        rule = quality_rule(config, historian.layout)
        found = summarise(historian, historian.partition_tables(window), tags, window, rule)
    return learned((tag, seen) for tag in tags if tag.path in found.sums and (seen := found.sums[tag.path].seen()))
