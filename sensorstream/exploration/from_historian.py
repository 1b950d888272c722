"""The same window from the historian: through its index on tag and time, by two connections at most.

What fits is read whole, cleaned by the rule of the configuration as a run would; of more, the first readings of each of
many short stretches are, so that no window keeps the historian busy. Measured on 2.7 M readings of a tag (a month at
1 Hz): packed and thinned here 1.1 s; least and greatest by stretch in SQL 0.9 s, without what the rule needs, which is
why it is not done; sampled 0.1 s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pyarrow as pa
from psycopg import sql

from ..config.credentials import Login
from ..config.settings import Config
from ..errors import ConfigError
from ..historian import PartitionTable, Tag, open_historian, readings_sql, values_sql
from ..historian.connection import Connection, let_go, snapshot_connection, source_errors
from ..historian.statistics import planned
from ..historian.two_sensors import refuse_two_sensors
from ..lake.scan import labelled
from ..planning.make_plan import OWN_CONNECTIONS
from ..report.downsampling import GAP_FACTOR, Reduced, reduced, silences
from ..transform.clean import RAW, Clean, clean
from ..transform.clean_packed import clean_parts
from ..transform.quality import QualityRule, quality_rule
from ..transform.readings import times_ms
from ..windows import Window

CONNECTIONS = 2  # that read, at most
MOST_READINGS = 2_000_000  # of all tags that are looked at, by the planner's estimate; of more, samples are read
MOST_WHOLE = 20_000_000  # of one tag that is read in full
STRETCHES, OF_EACH = 1000, 16  # readings, where sampled
SETTINGS = {"statement_timeout": "20000", "enable_seqscan": "off", "enable_bitmapscan": "off", "jit": "off"}


@dataclass(frozen=True)
class Asked:
    """What of the historian is looked at."""

    login: Login
    schema: str
    window: Window
    tables: tuple[PartitionTable, ...]
    rule: QualityRule
    snapshot: str

    @property
    def stretch_ms(self) -> int:
        """How long each of the stretches is that are sampled."""
        return -(-(self.window.end_ms - self.window.start_ms) // STRETCHES)


@dataclass(frozen=True)
class TagSeen:
    """A tag in a window: what the rule keeps, reduced, what it rejects, and whether only samples were read."""

    kept: Reduced
    rejected: pa.Table  # ``transform.REJECTED``
    sampled: bool = False


def look(
    config: Config, tagpaths: Sequence[str], window: Window, points: int, *, most: int | None = None
) -> dict[str, TagSeen]:
    """About ``points`` readings of each tag; one that has none in the window is there with none.

    Of a tag with more than ``most`` readings samples are read. Raises ``SourceError`` and ``ConfigError`` as ``plan``
    does.
    """
    if not tagpaths:
        return {}
    with open_historian(config) as historian:
        tags = {tag.path: tag for tag in historian.tags([exactly(path) for path in tagpaths])}
        tables = historian.partition_tables(window)
        for path in tagpaths:
            if path not in tags:
                raise ConfigError(f'the historian has no tag "{path}": look in the lake, or choose another')
        refuse_two_sensors(historian, [(tags[path], window) for path in tagpaths])
        rule, snapshot = quality_rule(config, historian.layout), historian.watch.hold(config.db_schema, tables)
        asked = Asked(historian.login, config.db_schema, window, tables, rule, snapshot)

        def one(path: str) -> TagSeen:
            return _look(asked, tags[path], points, most or MOST_READINGS // len(tagpaths))

        try:
            with ThreadPoolExecutor(min(CONNECTIONS, config.jdbc_num_partitions - OWN_CONNECTIONS)) as pool:
                return dict(zip(tagpaths, pool.map(one, tagpaths), strict=True))
        finally:
            let_go()


def exactly(tagpath: str) -> str:
    """A regular expression, Python's and PostgreSQL's, that fits this tag path alone."""
    return f"^{re.escape(tagpath)}$"


def read(config: Config, tagpaths: Sequence[str], window: Window) -> pa.Table:
    """Every reading of the tags (``scan.READINGS``) as a run would keep it.

    Raises ``ConfigError`` where a tag has more than is read at once.
    """
    whole = look(config, tagpaths, window, points=2**31, most=MOST_WHOLE)
    for path, found in whole.items():
        if found.sampled:
            raise ConfigError(
                f"{path} has more than {MOST_WHOLE:,} readings in {window}: choose a shorter window, or ingest it"
            )
    parts = [labelled(path, found.kept.readings) for path, found in whole.items()]
    return pa.concat_tables(parts).unify_dictionaries()


def _look(asked: Asked, tag: Tag, points: int, most: int) -> TagSeen:
    with (
        snapshot_connection(asked.login, asked.snapshot, SETTINGS) as connection,
        source_errors(asked.login, f"reading {tag.path}"),
    ):
        # Where no index finds a stretch of a tag, as of one of several columns, to read it whole costs less.
        found_at_once = all(table.own_keys[0] and (not table.time or table.time.plain) for table in asked.tables)
        limit = most if found_at_once else MOST_WHOLE
        expected = (
            planned(connection, asked.schema, table, readings_sql.in_window(table, asked.window, tag.ids))
            for table in asked.tables
        )
        sampled = sum(expected) > limit
        found = _sampled(connection, asked, tag) if sampled else _whole(connection, asked, tag)
    kept = reduced(found.kept, points)
    if sampled:  # between the samples of two stretches there is no silence, but where one between them is empty
        kept = replace(kept, gaps=silences(times_ms(found.kept), max(kept.step, 1.5 * asked.stretch_ms / GAP_FACTOR)))
    return TagSeen(kept, found.rejected, sampled)


def _whole(connection: Connection, asked: Asked, tag: Tag) -> Clean:
    parts = []
    lift = readings_sql.lift(asked.window)
    for place, table in enumerate(asked.tables):
        query = readings_sql.packed_by_tag(asked.schema, table, asked.window, tag.ids, lift)
        for tagid, rows, texts, _ in connection.cursor(binary=True).execute(query):
            if rows:
                parts.append((tagid, place, rows, texts or b""))
    return clean_parts(parts, lift, asked.rule)[0]


def _sampled(connection: Connection, asked: Asked, tag: Tag) -> Clean:
    found = []
    for place, table in enumerate(asked.tables):
        query = sql.SQL(
            "SELECT wanted.id, one.* FROM unnest({ids}::int8[]) AS wanted(id),"
            " generate_series({start}::int8, {last}::int8, {width}) AS stretch(begins), LATERAL"
            " (SELECT t_stamp, {value}, {text}, {quality}, {unreadable} FROM {table} WHERE tagid = wanted.id AND {mine}"
            " AND t_stamp >= begins AND t_stamp < least(begins + {width}, {end}) ORDER BY t_stamp LIMIT {most}) one"
        ).format(
            ids=sql.Literal(list(tag.ids)),
            start=sql.Literal(asked.window.start_ms),
            last=sql.Literal(asked.window.end_ms - 1),
            end=sql.Literal(asked.window.end_ms),
            width=sql.Literal(asked.stretch_ms),
            value=values_sql.value_of(table),
            text=values_sql.text_of(table),
            quality=values_sql.quality_of(table),
            unreadable=values_sql.unreadable(table),
            table=readings_sql.table_name(asked.schema, table),
            most=sql.Literal(OF_EACH),
            mine=readings_sql.in_window(table, asked.window, tag.ids),
        )
        found += [(tagid, place, *rest) for tagid, *rest in connection.cursor(binary=True).execute(query)]
    columns = list(zip(*found, strict=True)) or [()] * len(RAW)
    return clean(pa.table([list(column) for column in columns], schema=RAW), asked.rule)[0]
