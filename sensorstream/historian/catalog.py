"""What this historian holds: layout, partition tables that fit a window, tags that fit patterns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby
from math import inf
from threading import Event
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from ..config.credentials import Login, login
from ..config.layouts.description import Description, Readings
from ..config.settings import Config
from ..config.tag_details import tag_details
from ..errors import ConfigError, SourceError
from ..windows import Window, zone
from . import readings_sql, values_sql
from .connection import BEGIN, Connection, connect, of_one_server, scalar, source_errors
from .layout import ANY, INTEGERS, layout_of, refuse_other_shape, wanted_of_tags
from .model import LeftOut, PartitionTable, Tag, tag_of
from .patterns import matched, refuse_bad_patterns
from .standby import refuse_lagging
from .table_shapes import checked, wide_paths
from .tables import Listing, around, existing_tables, listed_tables, listing_rows, may_hold, named_tables
from .tag_rows import matches, tag_kinds, tag_rows
from .time_sql import in_order
from .watch import Watch, kind_of, watched
from .zone_check import refuse_other_zones

OF_WEEKS = 'if the number in its name is a week\'s, write {year}_{n} in "tables" of a layout (docs/layouts.md)'
AWAKE_SECONDS = 0.5  # between two signs of life within a transaction


@dataclass(frozen=True)
class Historian:
    """An open historian: one read-only connection, what its catalog says, and who sees that nobody waits for it."""

    connection: Connection
    watch: Watch
    login: Login
    schema: str
    layout: Description
    timezone: str
    tags_table: str
    notes: list[str]
    gateway_prefixes: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of the site's own file
    judged: set[str] = field(default_factory=set)  # tables that were looked into, and are right
    reach: timedelta = timedelta()  # so far from the time that a table is listed for late readings may stand

    @property
    def encoding(self) -> str:
        """The server's, as PostgreSQL calls it."""
        return self.connection.info.parameter_status("server_encoding") or "UTF8"

    @property
    def tags_name(self) -> str:
        """The table of tags, or what there is in its place."""
        tags = self.layout.tags
        if tags is None:
            return "the columns of wide tables"
        return f'the query of tags of layout "{self.layout.name}"' if tags.query else tags.table or self.tags_table

    @cached_property
    def tag_kinds(self) -> dict[str, str]:
        """The columns of the tags' table or query, and their types."""
        return tag_kinds(self)

    @cached_property
    def whole_ids(self) -> bool:
        """Whether a tag is told by one column of whole numbers."""
        tags = self.layout.tags
        return tags is not None and len(tags.id) == 1 and self.tag_kinds.get(tags.id[0]) in INTEGERS

    def wide_paths(self) -> dict[str, None]:
        """The tag paths of wide tables, in order."""
        return wide_paths(self)

    def ask(
        self, doing: str, query: LiteralString | sql.Composed, parameters: Sequence[Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """What a query answers; ``doing`` says what it was for where PostgreSQL refuses it."""
        with source_errors(self.login, doing):
            return self.connection.execute(query, parameters).fetchall()

    def _require(self, table: str, wanted: Mapping[str, Sequence[str]]) -> None:
        """``SourceError`` where a table lacks one of the columns ``wanted``, or has it of none of its types."""
        refuse_other_shape(table, self.columns(table), wanted, self.layout.name)

    def _require_tags(self) -> None:
        if (tags := self.layout.tags) is not None:
            plain = all(kind.plain for kind in self.layout.readings)
            refuse_other_shape(self.tags_name, self.tag_kinds, wanted_of_tags(tags, whole=plain), self.layout.name)

    # -- tags ---------------------------------------------------------------------------------------------------

    def tags(self, patterns: Sequence[str] = (".*",)) -> tuple[Tag, ...]:
        """Tags whose whole path matches any of ``patterns`` (PostgreSQL regular expressions), ordered by path.

        Raises ``ConfigError`` for a pattern that PostgreSQL refuses, and where no tag matches.
        """
        with source_errors(self.login, "looking for the tags"):
            refuse_bad_patterns(self.connection, patterns)
        self._require_tags()
        table = tag_rows(self)
        self._refuse_ids_of_several(table)
        query = "SELECT {}, id, datatype, {description}, {unit}, created, retired, {} FROM {} tags WHERE {}"
        path, description, unit = (
            values_sql.plain_text(self.encoding, column) for column in ("tagpath", "description", "unit")
        )
        with source_errors(self.login, f"reading {self.tags_name}"):
            # No parameters beside a name: one with a percent sign would be taken for a place of theirs.
            asked = sql.SQL(query + ' ORDER BY tagpath COLLATE "C", id')

            def found_by(some: Sequence[str]) -> list[tuple[Any, ...]]:
                where = matches(self, table, some)
                columns = {"description": description[0], "unit": unit[0]}
                return self.connection.execute(asked.format(*path, table, where, **columns)).fetchall()

            every_row = matched(self.connection, patterns, found_by)
        rows = [row for row in every_row if row[1] is not None and row[7]]
        notes = [f"tag {row[1]} has a path that is no text ({row[0]}): left out" for row in every_row if not row[7]]
        if without := [path for path, number, *_ in every_row if number is None]:
            first = f"{self.tags_name} has rows without an id, {len(without):,} of them"
            notes.append(f"{first}, {without[0]} for one: left out")
        self.notes.extend(note for note in notes if note not in self.notes)
        tags = (tag_of(path, list(ids)) for path, ids in groupby(rows, key=lambda row: row[0]))
        found = tuple(replace(tag, **self.details.get(tag.path, {})) for tag in tags)
        if not found:
            count = sql.SQL("SELECT count(DISTINCT tagpath) FROM {} tags").format(table)
            ((every,),) = self.ask(f"counting {self.tags_name}", count)
            shown = ", ".join(f'"{pattern}"' for pattern in patterns)
            raise ConfigError(
                f"no tag path of {every:,} matches {shown}:"
                ' a pattern is searched in the whole stored path, "^plant1/" for instance'
            )
        return found

    def _refuse_ids_of_several(self, tags: sql.Composable) -> None:
        """``SourceError`` for an id that stands in the tags table twice, whichever tags are selected: readings would be
        doubled, or of two tags."""
        if self.tags_name in self.judged:
            return
        query = sql.SQL(
            "SELECT id, count(*), min(stored), max(stored) FROM {} tags WHERE id IS NOT NULL"
            " AND stored IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
        ).format(tags)
        for number, rows, first, last in self.ask(f"looking for doubled ids in {self.tags_name}", query):
            of = f'{rows} times with tag path "{first}"' if first == last else f'with tag paths "{first}" and "{last}"'
            raise SourceError(
                f"table {self.tags_name} has id {number} {of}: whose readings are they? Leave one row for each id"
            )
        self.judged.add(self.tags_name)

    def matching(self, paths: Collection[str], patterns: Sequence[str]) -> frozenset[str]:
        """Those of ``paths``, tags or not, that match any of ``patterns``, with a gateway's prefix or without."""
        query = "SELECT path FROM unnest(%s::text[], %s::text[]) way(path, spelled) WHERE spelled ~ ANY(%s)"
        known = [path for path in paths if "\0" not in path]  # no text of PostgreSQL's holds it
        prefixes = ["", *self.gateway_prefixes.values()]
        ways = [(path, path.removeprefix(one)) for path in known for one in prefixes if path.startswith(one)]
        paths_of, spellings = [path for path, _ in ways], [spelled for _, spelled in ways]

        def found_by(some: Sequence[str]) -> frozenset[str]:
            return frozenset(path for (path,) in self.connection.execute(query, [paths_of, spellings, list(some)]))

        with source_errors(self.login, "matching the lake's tag paths"):
            return matched(self.connection, patterns, found_by)

    def gateway_tables(self) -> frozenset[str]:
        """Those tables that tell a tag id's gateway and that there are, ``sqlth_scinfo`` and ``sqlth_drv``."""
        wanted = {
            "sqlth_scinfo": {"id": INTEGERS, "drvid": ANY},
            "sqlth_drv": {"id": INTEGERS, "name": ANY, "provider": ANY},
        }
        with source_errors(self.login, "looking for the gateways"):
            there = wanted.keys() & set(existing_tables(self.connection, self.schema))
        if self.layout.tags is None or not self.layout.tags.gateways:
            return frozenset()
        for table in sorted(there):
            self._require(table, wanted[table])
        if "sqlth_scinfo" in there:
            self._require(self.tags_name, {"scid": ANY})
        return frozenset(there)

    # -- partition tables ---------------------------------------------------------------------------------------

    def partition_tables(self, window: Window) -> tuple[PartitionTable, ...]:
        """Tables that can hold readings of ``window``, checked for their shape, ordered by time.

        Raises ``SourceError`` for a table that lacks a column or has one of the wrong type, and where the historian is
        a standby that does not know the whole window yet.
        """
        refuse_lagging(self.connection, self.login, window)
        refuse_other_zones(self, window)
        with source_errors(self.login, "reading the partition tables"):
            listing = self._listing()
            self.notes.extend(note for note in listing.notes if note not in self.notes)
            chosen = []
            for table, needed in may_hold(listing, window, self.layout.readings, self.reach):
                try:
                    table = checked(self, table)
                    if table.span is None or table.span.overlaps(window):
                        chosen.append(table)
                    elif self.holds_any(table, window):
                        self.notes.append(f"{table.name} is listed for {table.span} but holds readings of the window")
                        chosen.append(table)
                except SourceError as error:
                    if needed or self.connection.closed:
                        raise
                    self.notes.append(f"{table.name} (of {table.span}) cannot be looked into: left out ({error})")
        # Of two readings of a time the later table's wins, so their order must not hang on the window.
        return tuple(sorted(chosen, key=lambda table: (table.span.start_ms if table.span else -inf, table.name)))

    def left_out(self, window: Window) -> tuple[LeftOut, ...]:
        """Tables that look as if they held readings of ``window`` and are not read."""
        found, listed = [], self._listing()
        asked = {table for table, _ in may_hold(listed, window, self.layout.readings, self.reach)}
        for table in listed.tables:
            early = table not in asked and table.span and table.span.start > datetime.now(UTC)
            if early and self._holds_readings(table, window):
                why = f"{table.name} is of a time that has not begun, {table.span}, and holds readings of the window:"
                found.append(LeftOut(table.name, f"{why} left out, {OF_WEEKS}"))
        for table in listed.unlisted:
            if (listing := self.layout.readings[table.family].tables.listing) is None:
                why = f"{table.name} has the columns of readings but no month in its name"
                month = f"{window.start.astimezone(zone(self.timezone)):%Y_%m}"
                remedy = f'rename it, or show it in a view "{table.name}_{month}"'
                found.append(LeftOut(table.name, f"{why}: left out, {remedy}", certain=False))
            elif table.span is None or table.span.overlaps(around(window)):
                why = f"{table.name} is not listed in {listing.called} and"
                try:
                    if {*table.keys} <= set(self.columns(table.name)) and self.holds_any(table, window):
                        remedy = "list it there, or rename it if it is not wanted"
                        found.append(LeftOut(table.name, f"{why} holds readings of the window: left out, {remedy}"))
                except SourceError as error:
                    if self.connection.closed:
                        raise
                    found.append(LeftOut(table.name, f"{why} cannot be looked into: left out ({error})", certain=False))
        return tuple(found)

    def _holds_readings(self, table: PartitionTable, window: Window) -> bool:
        """Whether a table that nobody has asked for does; of one that cannot be looked into, nobody knows."""
        try:
            return self.holds_any(checked(self, table), window)
        except SourceError:
            if self.connection.closed:
                raise
            return False

    def _listing(self) -> Listing:
        with source_errors(self.login, "looking for the partition tables"):
            found = [self._listing_of(n, kind) for n, kind in enumerate(self.layout.readings)]
        return found[0] if len(found) == 1 else Listing.joined(found)

    def _listing_of(self, family: int, kind: Readings) -> Listing:
        if (listing := kind.tables.listing) is None:
            known = {self.tags_name, *self.layout.needs}
            return named_tables(self.connection, self.schema, kind, family, known, self.timezone)
        times = {name: (*INTEGERS, "numeric") for name in (listing.start, listing.end, listing.processed) if name}
        if listing.query:
            rows = sql.SQL("SELECT * FROM {} LIMIT 0").format(listing_rows(self.schema, listing))
            columns = self.types_of(f"readings.{family}.tables.listing.query", rows)
            refuse_other_shape(listing.called, columns, {listing.name: ANY, **times}, self.layout.name)
        elif listing.table in existing_tables(self.connection, self.schema):
            self._require(listing.table, {listing.name: ANY, **times})
        return listed_tables(self.connection, self.schema, kind, family, self.timezone)

    def every_table(self) -> tuple[PartitionTable, ...]:
        """Tables of readings, whatever time they hold; not looked into."""
        return self._listing().tables

    def types_of(self, key: str, query: sql.Composed) -> dict[str, str]:
        """The columns of a query under ``key`` of the layout, and their types; PostgreSQL's sentence if it refuses."""
        with source_errors(self.login, f'looking at "{key}" of layout "{self.layout.name}"'):
            try:
                with self.connection.transaction(force_rollback=True):
                    found = self.connection.execute(query, prepare=True).description or ()  # which is of one statement
            except psycopg.DatabaseError as error:
                if isinstance(error, psycopg.OperationalError | psycopg.errors.InsufficientPrivilege):
                    raise
                raise SourceError(
                    f'layout "{self.layout.name}": "{key}" is refused by the historian:'
                    f" {error.diag.message_primary or error}: correct it"
                ) from None
        return {column.name: kind_of(column.type_code) for column in found}

    def columns(self, table: str) -> dict[str, str]:
        query = (
            "SELECT attname, regexp_replace(format_type(atttypid, atttypmod), '\\(.*?\\)', '') FROM pg_attribute a"
            " JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = %s AND relname = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        return dict(self.ask(f"looking at {table}", query, [self.schema, table]))

    def holds_any(self, table: PartitionTable, window: Window, ids: Sequence[int] | None = None) -> bool:
        """Whether the table has a reading of ``window``, of one of ``ids`` or of whatever tag."""
        # In order, so that the planner goes by the index on time: the first rows of a file are hardly the window's.
        query = sql.SQL("SELECT t_stamp FROM {} WHERE {} ORDER BY {} LIMIT 1").format(
            readings_sql.table_name(self.schema, table),
            readings_sql.in_window(table, window, ids),
            in_order(table.time),
        )
        return bool(self.ask(f"looking into {table.name}", query))

    # -- readings -----------------------------------------------------------------------------------------------

    def count(self, table: PartitionTable, window: Window | None = None, ids: Sequence[int] | None = None) -> int:
        """The historian's own count of the table's readings, or of those of ``window`` and ``ids``."""
        ((count,),) = self.ask(f"counting {table.name}", readings_sql.count(self.schema, table, window, ids))
        return int(count)

    def codes(self, table: PartitionTable, where: sql.Composable) -> dict[int | None, int]:
        """How many of the table's readings that are ``where`` have each quality code."""
        query = sql.SQL("SELECT {}, count(*) FROM {} WHERE {} GROUP BY 1").format(
            values_sql.quality_of(table), readings_sql.table_name(self.schema, table), where
        )
        return dict(self.ask(f"counting the quality codes of {table.name}", query))

    def holds_only(self, table: PartitionTable, window: Window, ids: Sequence[int]) -> bool:
        """Whether every row of a table with indexes on time and tag is in the window and of ``ids``, in the snapshot
        that is open; false also where that takes more than some looks into an index."""
        query = readings_sql.anything_else(self.schema, table, window, ids)
        if query is None:
            return False
        with source_errors(self.login, f"looking for the borders of {table.name}"):
            self.connection.execute("SET LOCAL enable_seqscan = off")
            others = scalar(self.connection, query)
            self.connection.execute("SET LOCAL enable_seqscan TO DEFAULT")
        return not others

    def export_snapshot(self, tables: Sequence[PartitionTable]) -> str:
        """Begin the run's transaction; the name by which other connections see the very same rows.

        ``tables`` are held as they were planned against being dropped, emptied or rewritten (VACUUM FULL), which would
        move rows between pages that slices read one after the other; others read and write on. ``release`` ends it.
        """
        snapshot = self.watch.hold(self.schema, tables)
        with source_errors(self.login, "opening the snapshot"):
            self.connection.execute(
                sql.SQL("{}; SET TRANSACTION SNAPSHOT {}").format(sql.SQL(BEGIN), sql.Literal(snapshot))
            )
            # For the count: one process as any slice, and the index alone where the visibility map allows it, which
            # the default cost of a random page, made for turning disks, keeps the planner from.
            self.connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
            self.connection.execute("SET LOCAL random_page_cost = 1")
        return snapshot

    def keep_awake(self, until: Event) -> None:
        """Let PostgreSQL hear of this connection now and then: a role's sessions that are idle in a transaction may be
        ended."""
        while not until.wait(AWAKE_SECONDS):
            with source_errors(self.login, "waiting for the readings"):
                self.connection.execute("SELECT")

    def cancel(self) -> None:
        """End what this connection is asked: nobody wants to know it any more."""
        with suppress(psycopg.Error):  # it may be lost
            self.connection.cancel()

    def leave(self) -> None:
        """End this connection's own transaction, where it has nothing to ask any more; the snapshot is held on."""
        with source_errors(self.login, "ending a transaction"):
            self.connection.rollback()

    def release(self) -> None:
        """Let go of the snapshot, the tables and the connections, when all has been read and counted.

        VACUUM, and whoever changes a table, waits for them, and whatever is read next needs connections of its own.
        """
        self.leave()
        self.watch.release()
        self.connection.close()

    def visible_snapshot(self) -> str:
        """Which transactions the run's snapshot sees (``xmin:xmax:in progress``)."""
        ((snapshot,),) = self.ask("naming the snapshot", "SELECT pg_current_snapshot()::text")
        return str(snapshot)


@contextmanager
def open_historian(config: Config) -> Iterator[Historian]:
    """Connect, find the layout, and close again at the end.

    Raises ``SourceError`` if the historian cannot be reached, refuses the login, or holds neither layout.
    """
    where = of_one_server(login(config))
    with watched(where) as watch, closing(connect(where, watch.name)) as connection:
        with source_errors(where, "looking for the layout"):
            layout = layout_of(config, existing_tables(connection, config.db_schema))
        names = config.db_schema, layout.in_schema(config.db_schema), config.timezone, config.tags_table
        details = tag_details(config.tag_details) if config.tag_details else {}
        prefixes, reach = config.gateway_prefixes, timedelta(days=config.lookback_days)
        yield Historian(connection, watch, where, *names, [], prefixes, details, reach=reach)
