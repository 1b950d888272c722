"""The source in two small frames: a row a tag id as it stands, and a row a tag path with its readings summed up.

Columns of ``readings_frame``:

=======================  ==========================================================================================
tagpath, datatype, ids   the path, ``int``, ``float``, ``string``, ``date`` or none, how many ids it has had
readings                 rows in the window, of all its ids and in all partition tables
kept_share               share that the quality rule keeps; empty under ``ENOUGH`` readings
rejected_share_of_all    readings that the rule rejects over the readings of all tags: the sum is the whole window's
expected_readings        ``readings`` of a tag that lives in the window; empty if retired before or created after
no_quality, unlisted     readings without a code, and with one that neither list names
empty_share              share of the kept readings that hold neither value nor text
texts_in_number          readings with a text though the tag is a number
not_finite               readings that are NaN or infinite
doubled                  readings beyond the first of one id at one time (what several ids share is normal: a rename)
keyless                  rows without time, or without tag id in the window; such a row stands under its table's name
first_ms, last_ms        first and last time, ms since 1970
lowest, highest          of the values
=======================  ==========================================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg import sql

from ..historian import Historian, PartitionTable, Tag
from ..historian.connect import source_errors
from ..transform import QualityRule
from ..windows import Window
from . import summary_sql as queries

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 100  # readings: a share of fewer says little
NUMBERS = ("int", "float")


@dataclass
class TagSum:
    """The readings of one tag path, added up over ids, quality codes and tables."""

    readings: int = 0
    kept: int = 0
    no_quality: int = 0
    unlisted: int = 0
    empty: int = 0
    texts: int = 0
    not_finite: int = 0
    doubled: int = 0
    times: list[int] = field(default_factory=list)  # first and last of each group, ms
    values: list[float] = field(default_factory=list)  # lowest and highest of each group

    def add(self, group: queries.Group, reason: str | None) -> None:
        self.readings += group.readings
        self.texts += group.texts
        self.not_finite += group.not_finite
        self.times += [group.first_ms, group.last_ms]
        self.values += [value for value in (group.lowest, group.highest) if value is not None]
        if reason is None:
            self.kept += group.readings
            self.empty += group.empty
        elif reason == "no_quality":
            self.no_quality += group.readings
        elif reason == "unlisted_quality":
            self.unlisted += group.readings


def tags_frame(historian: Historian, patterns: Sequence[str]) -> pd.DataFrame:
    """A row a tag id: those that ``patterns`` select, and those whose path is missing or blank.

    A path that is missing matches no pattern, so nobody would ever miss the readings of such an id.
    """
    import pandas as pd

    table = "sqlth_te" if historian.layout == "ignition" else historian.tags_table
    with source_errors(historian.login, "reading the tags"):
        rows = historian.connection.execute(
            queries.tag_ids(sql.Identifier(historian.schema, table)), [list(patterns)]
        ).fetchall()
    frame = pd.DataFrame(rows, columns=["id", "tagpath"], dtype=object)
    frame["trimmed"] = [path.strip() if path is not None else None for path in frame["tagpath"]]
    return frame


def readings_frame(
    historian: Historian, tables: Sequence[PartitionTable], tags: Sequence[Tag], window: Window, rule: QualityRule
) -> pd.DataFrame:
    """A row a tag path, and one for each table with rows that belong to no tag or no time."""
    ids = [number for tag in tags for number in tag.ids]
    path_of = {number: tag.path for tag in tags for number in tag.ids}
    sums: dict[str, TagSum] = defaultdict(TagSum)
    keyless: dict[str, int] = {}
    connection, schema = historian.connection, historian.schema
    for table in tables:
        with source_errors(historian.login, f"summing up {table.name}"):
            for row in connection.execute(queries.summary(schema, table, window, ids)):
                group = queries.Group(*row)
                sums[path_of[group.tagid]].add(group, rule.reason(group.quality))
            facts = connection.execute(queries.TABLE_FACTS, [schema, table.name]).fetchone()
            unique, nullable = facts or (False, True)
            if not unique:
                for tagid, doubled in connection.execute(queries.doubled(schema, table, window, ids)):
                    sums[path_of[tagid]].doubled += doubled
            if nullable:
                found = connection.execute(queries.keyless(schema, table, window)).fetchone()
                if found and found[0]:
                    keyless[table.name] = found[0]
    return frame_of(tags, sums, keyless, window)


def frame_of(tags: Sequence[Tag], sums: dict[str, TagSum], keyless: dict[str, int], window: Window) -> pd.DataFrame:
    """The frame from what was summed up. Pure."""
    import pandas as pd

    everything = sum(tag_sum.readings for tag_sum in sums.values())
    rows = [_row(tag, sums.get(tag.path, TagSum()), everything, window) for tag in tags]
    columns = list(rows[0]) if rows else []
    rows += [{"tagpath": f"table {name}", "readings": 0, "keyless": count} for name, count in keyless.items()]
    return pd.DataFrame(rows, columns=columns)


def _row(tag: Tag, found: TagSum, everything: int, window: Window) -> dict[str, Any]:
    retired = tag.retired is not None and tag.retired <= window.start_ms
    future = tag.created is not None and tag.created >= window.end_ms
    return {
        "tagpath": tag.path,
        "datatype": tag.datatype,
        "ids": len(tag.ids),
        "readings": found.readings,
        "kept_share": found.kept / found.readings if found.readings >= ENOUGH else None,
        "rejected_share_of_all": (found.readings - found.kept) / everything if everything else 0.0,
        "expected_readings": None if retired or future else found.readings,
        "no_quality": found.no_quality,
        "unlisted": found.unlisted,
        "empty_share": found.empty / found.kept if found.kept else None,
        "texts_in_number": found.texts if tag.datatype in NUMBERS else 0,
        "not_finite": found.not_finite,
        "doubled": found.doubled,
        "keyless": 0,
        "first_ms": min(found.times, default=None),
        "last_ms": max(found.times, default=None),
        "lowest": min(found.values, default=None),
        "highest": max(found.values, default=None),
    }
