"""What is seen of a window: readings that look like all of them, doubtful and rejected ones, silences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..config.settings import Config
from ..errors import ConfigError
from ..lake.scan import READINGS, labelled
from ..windows import Window
from . import from_historian as historian
from .from_historian import TagSeen
from .from_lake import LakeReader
from .from_rejected import RejectedReader

Source = Literal["lake", "historian"]
MARKS = pa.schema([("tagpath", pa.dictionary(pa.int32(), pa.string())), *READINGS.remove(0), ("reason", pa.string())])


@dataclass(frozen=True)
class View:
    """A window of some tags.

    ``gaps`` are pairs of the readings (ms since 1970 UTC) around a silence of more than twenty times the usual step.
    ``sampled`` are tags of which only some readings were looked at, so that a spike may be missing.
    """

    window: Window
    source: Source
    readings: pa.Table  # ``scan.READINGS``
    marks: pa.Table  # ``MARKS``: rejected readings, and kept ones of another quality than 192 or that cannot be drawn
    gaps: Mapping[str, np.ndarray]
    rows: Mapping[str, int]  # readings of which it is drawn; near its borders an estimate
    sampled: frozenset[str]

    def of(self, tagpath: str) -> pa.Table:
        """The readings of one tag."""
        return _own(self.readings, tagpath)

    def marks_of(self, tagpath: str) -> pa.Table:
        return _own(self.marks, tagpath)


class Reader:
    """Reads views of one configuration; what the lake gave is remembered between them."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def _lake(self) -> LakeReader:
        return LakeReader(self.config)

    @cached_property
    def _rejected(self) -> RejectedReader:
        return RejectedReader(self.config, self._lake.store)

    def look(self, tagpaths: Sequence[str], window: Window, points: int = 2000, source: Source = "lake") -> View:
        """See ``look``."""
        paths = list(dict.fromkeys(tagpaths))
        if points < 4:
            raise ConfigError(f"points is {points}: a line needs 4 or more")
        if source == "lake":
            kept, rejected = self._lake.look(paths, window, points), self._rejected.look(paths, window)
            return _view(window, source, {path: TagSeen(kept[path], rejected[path]) for path in paths})
        if source == "historian":
            return _view(window, source, historian.look(self.config, paths, window, points))
        raise ConfigError(f'source "{source}" is neither lake nor historian')


def look(
    config: Config, tagpaths: Sequence[str], window: Window, points: int = 2000, source: Source = "lake"
) -> View:  # fmt: skip
    """What there is to see of a window of some tags, at a resolution of about ``points`` readings each.

    Parameters
    ----------
    points
        Least and greatest of half as many stretches of time are kept, so that no spike is lost.
    source
        ``historian`` shows what a run would make of the window now; the lake need not hold it.

    Raises
    ------
    LakeError, SourceError, ConfigError
        As ``read`` and ``plan`` do.
    """
    return Reader(config).look(tagpaths, window, points, source)


def overview(
    config: Config, tagpaths: Sequence[str], window: Window, points: int = 2000, source: Source = "lake"
) -> pa.Table:  # fmt: skip
    """The readings of ``look`` alone: ``tagpath, datetime, value, text, quality``, by tag and time."""
    return look(config, tagpaths, window, points, source).readings


def _view(window: Window, source: Source, seen: Mapping[str, TagSeen]) -> View:
    kept = {path: one.kept for path, one in seen.items()}
    readings = [labelled(path, one.readings) for path, one in kept.items()]
    marks = []
    for path, one in kept.items():
        doubtful = one.doubtful.append_column("reason", pa.repeat(pa.scalar("kept"), one.doubtful.num_rows))
        for found in (doubtful, seen[path].rejected):
            marks.append(labelled(path, found.select(MARKS.names[1:])))
    return View(
        window=window,
        source=source,
        readings=pa.concat_tables(readings).unify_dictionaries() if readings else READINGS.empty_table(),
        marks=pa.concat_tables(marks).unify_dictionaries() if marks else MARKS.empty_table(),
        gaps={path: one.gaps for path, one in kept.items()},
        rows={path: one.rows for path, one in kept.items()},
        sampled=frozenset(path for path, one in seen.items() if one.sampled),
    )


def _own(table: pa.Table, tagpath: str) -> Any:
    return table.filter(pc.equal(table.column("tagpath").cast(pa.string()), tagpath)).combine_chunks()
