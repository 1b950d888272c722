"""Late readings at the end of a table's file: what was inserted since a mark, found without reading the table.

A historian appends, so new rows stand behind the place where the file ended. Whether nothing happened before that place
is proved by counting: the table gained as many rows as its tail. What a count cannot see (a row updated, or one deleted
and another put in its place) moves PostgreSQL's counters of updates and deletes.

Where the counters stand still and the counts disagree, rows were inserted before the tail: into space that VACUUM
found, or by a backend that writes rarely and still fills a page of long ago. Then every row is asked which transaction
wrote it, at a third of the cost of fingerprints. Where that does not add up either, or the counters moved, the tail
declines, with a reason, and fingerprints tell what changed.

A table whose counter of inserts stands still as well, such as that of a month that is over, is not even counted.

Two things lie outside. A backend reports its counts within a second while it is busy, within ten once it is idle, so an
update in the last seconds before a run shows in the run after it, and so does an insert before the tail of a table that
nothing else was put into. And DDL that changes values without touching rows.

A mark says nothing of what was not visible to its snapshot, so what stands outside snapshots (length of the file,
counters) is read before it: ``table_state``, then ``Historian.export_snapshot``, then ``rows_now``, ``tail`` and
``take_mark``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import md5
from typing import Any

from psycopg import sql

from .catalog import Historian
from .fingerprint_sql import piece_of
from .model import PartitionTable
from .readings_sql import EVERY_ROW, in_pages, table_name
from .statistics import TID_RANGE_SCAN

# How far before the end of the file the tail begins. Each backend fills a page of its own, which lies behind the end by
# all that the others have added since; a page holds some 130 readings and costs the tail 20 µs.
MARGIN_PAGES = 1024
XIDS = 1 << 32  # a row keeps the lower half of its transaction's number of 64 bits


@dataclass(frozen=True)
class TableState:
    """What PostgreSQL tells of a table outside any snapshot.

    ``server`` is its identity and timeline, ``filenode`` changes when the table is written anew, ``pages`` is the
    length of its file, ``inserted``, ``updated`` and ``deleted`` are rows since ``counting_since``.
    """

    server: str
    filenode: int
    pages: int
    inserted: int
    updated: int
    deleted: int
    counting_since: str


@dataclass(frozen=True)
class Mark:
    """Where a table ended, and what it held, when a snapshot was taken. Integers and strings: JSON as it is.

    ``rows`` is the whole table, ``tail_rows`` are those in the pages from ``tail_from`` on; ``snapshot`` says which
    transactions it saw, as ``pg_snapshot`` spells it (64 bits).
    """

    table: str
    columns: str
    server: str
    filenode: int
    pages: int
    updated: int
    deleted: int
    counting_since: str
    tail_from: int
    tail_rows: int
    rows: int
    snapshot: str
    inserted: int | None = None  # unknown to the marks of former versions

    def fits(self, table: PartitionTable) -> bool:
        """Whether rows of ``table`` are still the readings that they were."""
        return (self.table, self.columns) == (table.name, _columns(table))


@dataclass(frozen=True)
class CannotVouch:
    """Why a tail does not tell all that changed: a sentence."""

    reason: str


def table_state(historian: Historian, table: PartitionTable) -> TableState | CannotVouch:
    """Ask the catalog; for a mark, before the snapshot that the mark is taken in."""
    if historian.connection.info.server_version < TID_RANGE_SCAN:
        return CannotVouch("the server is older than PostgreSQL 14 and cannot read the end of a file alone")
    found = historian.ask(
        f"looking at the file of {table.name}",
        "SELECT CASE WHEN pg_is_in_recovery() THEN 'the server is a standby, which counts no updates'"
        " WHEN NOT current_setting('track_counts')::bool THEN 'the server counts no updates (track_counts is off)'"
        " WHEN relkind <> 'r' OR relhassubclass OR amname IS DISTINCT FROM 'heap'"
        " THEN format('%%s is no plain table', relname) END,"
        " concat_ws('/', (SELECT system_identifier FROM pg_control_system()),"
        " (SELECT timeline_id FROM pg_control_checkpoint()), c.oid),"
        " pg_relation_filenode(c.oid)::int8,"
        " pg_relation_size(c.oid) / current_setting('block_size')::int,"
        " pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_deleted(c.oid),"
        # A crash forgets the counters; that shows in the one, a reset of a table's in the other.
        " concat_ws('/', (SELECT stats_reset FROM pg_stat_bgwriter),"
        " (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()))"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN pg_am ON pg_am.oid = relam"
        " WHERE nspname = %s AND relname = %s",
        [historian.schema, table.name],
    )
    if not found:
        return CannotVouch(f"{table.name} is gone")
    ((why, *state),) = found
    return CannotVouch(why) if why else TableState(*state)


def take_mark(historian: Historian, table: PartitionTable, before: TableState, rows: int) -> Mark:
    """The mark of a table in the transaction's snapshot.

    Parameters
    ----------
    before
        ``table_state`` from before the snapshot.
    rows
        ``rows_now`` in the snapshot.
    """
    tail_from = max(0, before.pages - MARGIN_PAGES)
    return Mark(
        table=table.name,
        columns=_columns(table),
        tail_from=tail_from,
        tail_rows=_count(historian, table, in_pages(tail_from, None)),
        rows=rows,
        snapshot=historian.visible_snapshot(),
        **asdict(before),
    )


def tail(
    historian: Historian, table: PartitionTable, mark: Mark, rows: int, borders: Sequence[int]
) -> dict[tuple[int, int], int] | CannotVouch:
    """How many rows the transaction's snapshot holds in ``table`` that the mark's did not, by tag id and piece, or why
    that cannot be told.

    Rows of transactions that ended while others ran on at the mark may be among them although its snapshot saw them.

    Parameters
    ----------
    rows
        ``rows_now`` in the snapshot.
    borders
        Milliseconds, rising: piece ``n`` is ``[borders[n], borders[n + 1])``. Rows outside all pieces are counted and
        not named.
    """
    now = table_state(historian, table)
    if isinstance(now, CannotVouch):
        return now
    if why := _moved(table, mark, now):
        return CannotVouch(why)
    doing = f"looking for what is new in {table.name}"
    writers = _Writers.between(mark.snapshot, historian.visible_snapshot())
    if writers.count < 0:
        return CannotVouch(f"the server's transactions are older than the mark of {table.name}: it was restored")
    came = rows - mark.rows
    name, piece, end = table_name(historian.schema, table, only=True), piece_of(borders), in_pages(mark.tail_from, None)
    # In the tail, the piece is -1 for rows that the mark's snapshot saw.
    query = sql.SQL("SELECT tagid::int8, CASE WHEN {} THEN {} ELSE -1 END, count(*) FROM {} WHERE {} GROUP BY 1, 2")
    found = historian.ask(doing, query.format(writers.wrote(), piece, name, end))
    in_tail = sum(count for *_, count in found) - mark.tail_rows
    if in_tail == came:
        return _named(found, borders)
    query = sql.SQL("SELECT tagid::int8, {}, count(*), count(*) FILTER (WHERE {}) FROM {} WHERE {} GROUP BY 1, 2")
    found = historian.ask(doing, query.format(piece, writers.wrote_unseen(), name, writers.wrote()))
    unseen = sum(count for *_, count in found)
    if unseen != came:
        return CannotVouch(
            f"{table.name} has {came:+,} rows since the mark, its end {in_tail:+,}, and {unseen:,} are new: rows went"
        )
    return _named(found, borders)


def _named(found: Sequence[tuple[Any, ...]], borders: Sequence[int]) -> dict[tuple[int, int], int]:
    """Those of a piece; a row without a time is of none."""
    pieces = range(len(borders) - 1)
    return {(tagid, piece): count for tagid, piece, count, *_ in found if piece in pieces}


def _moved(table: PartitionTable, mark: Mark, now: TableState) -> str | None:
    """What has happened to the table besides inserts, as far as it shows without reading it."""
    name = table.name
    if not mark.fits(table):
        return f"{name} is read otherwise than at the mark ({_columns(table)}, then {mark.columns})"
    if now.server != mark.server:
        return f"{name} is another table than at the mark, or of another server, or the server was restored since"
    if now.filenode != mark.filenode:
        return f"{name} was written anew since the mark (TRUNCATE, VACUUM FULL, CLUSTER)"
    if now.pages < mark.pages:
        return f"the file of {name} shrank from {mark.pages:,} to {now.pages:,} pages"
    if now.counting_since != mark.counting_since:
        return f"the server's counters of {name} were reset since the mark"
    if now.updated != mark.updated or now.deleted != mark.deleted:
        updated, deleted = now.updated - mark.updated, now.deleted - mark.deleted
        return f"{updated:,} rows of {name} were updated and {deleted:,} deleted since the mark"
    return None


def _columns(table: PartitionTable) -> str:
    """What is read of a table: its columns and, where a description says what they are, a digest of how."""
    how = md5(repr(table.view).encode(), usedforsecurity=False).hexdigest()[:8] if table.view else ""
    return ",".join(table.columns) + (f" as {how}" if how else "")


@dataclass(frozen=True)
class _Writers:
    """Transactions that can have written what a mark's snapshot did not see.

    They are the ``count`` that were begun from the oldest on that had not ended at the mark, ``oldest``. A row that the
    mark did not see is of one of them; so may be one that it saw. Of those that began before ``following``, it did not
    see those in ``running``; of theirs, it does not say which subtransactions they had.
    """

    oldest: int
    following: int
    running: tuple[int, ...]
    count: int

    @staticmethod
    def between(mark: str, now: str) -> _Writers:
        oldest, following, running = mark.split(":")
        until = int(now.split(":")[1])
        ids = tuple(int(number) for number in running.split(",") if number)
        return _Writers(int(oldest), int(following), ids, until - int(oldest))

    def wrote(self) -> sql.Composable:
        """The condition that a row is of any of them.

        Rows keep 32 bits of a transaction's number, and their age has 31: an older row whose number has come round is
        taken for one of them, which is harmless.
        """
        if self.count >= XIDS // 4:  # far from where an age turns negative
            return sql.SQL("true")
        return sql.SQL("age(xmin) <= (SELECT age({}::xid))").format(_xid(self.oldest))

    def wrote_unseen(self) -> sql.Composable:
        """The condition that a row of theirs was not seen by the mark's snapshot."""
        running = sql.SQL(", ").join(sql.SQL("{}::xid").format(_xid(number)) for number in self.running)
        after = sql.SQL("age(xmin) <= (SELECT age({}::xid))").format(_xid(self.following))
        return sql.SQL("({} OR xmin IN ({}))").format(after, running) if self.running else after


def _xid(number: int) -> sql.Literal:
    return sql.Literal(str(number % XIDS))


def rows_now(historian: Historian, table: PartitionTable, now: TableState, mark: Mark | None) -> int:
    """The rows of the whole table in the transaction's snapshot; once a run, for its old mark and its new one.

    Where nothing was put into it since the mark they are the mark's. Else the planner reads the table or, where VACUUM
    has been over it, the shortest index alone: on 10 M rows 0.3 to 0.4 s.

    Parameters
    ----------
    now
        ``table_state`` from before the snapshot.
    """
    still = mark and (mark.inserted, mark.pages) == (now.inserted, now.pages) and not _moved(table, mark, now)
    if mark and still and _count(historian, table, in_pages(mark.tail_from, None)) == mark.tail_rows:
        return mark.rows
    return _count(historian, table, EVERY_ROW)


def _count(historian: Historian, table: PartitionTable, where: sql.Composable) -> int:
    query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(table_name(historian.schema, table, only=True), where)
    ((count,),) = historian.ask(f"counting {table.name}", query)
    return int(count)
