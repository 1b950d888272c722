"""Late readings: which tag paths and days have changed in the historian since the lake read them.

What was inserted since the last run stands at the end of a partition table's file (``historian/heap_tail.py``). Where
that cannot vouch for all, fingerprints of every day that the lake knows are compared. Either names pieces; what a run
does not read again itself is noted in the manifest as not known, so that the next one that may does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from psycopg import sql
from pydantic import TypeAdapter, ValidationError

from ..config.settings import Config
from ..errors import LakeError, SourceError
from ..historian import Historian, PartitionTable
from ..historian import fingerprint_sql as prints
from ..historian.connection import source_errors
from ..historian.heap_tail import CannotVouch, Mark, TableState, rows_now, table_state, tail, take_mark
from ..historian.readings_sql import in_time, table_name
from ..lake.manifest import PIECES, ROOT, Manifest, chosen
from ..lake.source_state import Grid, Piece
from ..transform.fingerprint import MODULUS
from ..windows import Window, day_window, midnight, zone

HEAP_TAIL, FINGERPRINT = "heap tail", "fingerprint"
MARKS = TypeAdapter(dict[str, Mark])


@dataclass(frozen=True)
class Late:
    """What has changed in the historian since the lake read it.

    ``again`` are pieces that this run is to read again, ``elsewhere`` others, to be noted as not known. ``marks`` say
    how far each table has been looked at now.
    """

    detector: str
    reasons: tuple[str, ...]  # why the heap tail did not do
    again: tuple[Piece, ...]
    elsewhere: tuple[Piece, ...]
    marks: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Lookback:
    """What the detectors need, put together before the run's snapshot is taken."""

    historian: Historian
    span: Window  # days that are looked over, and the run's window
    tables: tuple[PartitionTable, ...]
    states: dict[str, TableState | CannotVouch]
    marks: dict[str, Mark]
    known: pa.Table
    path_of: dict[int, str]
    timezone: str


def lookback(
    historian: Historian, config: Config, manifest: Manifest, window: Window, planned: Sequence[PartitionTable]
) -> Lookback:
    """Look back ``lookback_days`` from the run's ``window``; to be called before the snapshot is exported.

    ``planned`` are the tables that the run itself reads.
    """
    first = window.start.astimezone(zone(config.timezone)).date() - timedelta(days=config.lookback_days)
    span = Window(min(midnight(first, config.timezone), window.start), window.end)
    try:
        tables = {table.name: table for table in (*_tables(historian, span), *planned)}
    except SourceError as error:
        historian.notes.append(f"late readings are looked for in the window's own tables only: {error}")
        tables = {table.name: table for table in planned}
    path_of = {number: tag.path for tag in historian.tags() for number in tag.ids}
    return Lookback(
        historian=historian,
        span=span,
        tables=tuple(tables.values()),
        states={name: table_state(historian, table) for name, table in tables.items()},
        marks=_marks(manifest, tables),
        known=_known(manifest, config, [span, *(t.span for t in tables.values() if t.span)], tables, path_of),
        path_of=path_of,
        timezone=config.timezone,
    )


def _tables(historian: Historian, span: Window) -> Sequence[PartitionTable]:
    """The tables that hold readings of ``span``; where one is listed for another time, also those of that time: what
    has been read of it is compared with all that the historian has."""
    found = historian.partition_tables(span)
    while others := [table.span for table in found if table.span and not table.span.overlaps(span)]:
        span = Window.around([span, *others])
        found = historian.partition_tables(span)
    return found


def _marks(manifest: Manifest, tables: Collection[str]) -> dict[str, Mark]:
    said = {name: mark for name, mark in manifest.root.marks.items() if name in tables}
    try:
        return MARKS.validate_python(said)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise LakeError(
            f"lake {manifest.store.place}: {ROOT} has no mark of {name} that can be read: remove it there, and all that"
            " came late to the table is looked for again"
        ) from None


def _known(
    manifest: Manifest, config: Config, spans: Sequence[Window], tables: dict[str, PartitionTable],
    path_of: dict[int, str],
) -> pa.Table:  # fmt: skip
    """Pieces that the tables are listed for, of tags that the historian still has.

    A table that the historian has dropped takes nothing out of the lake.
    """
    everything = any(table.span is None for table in tables.values())
    wanted = {month for span in spans for month, _ in span.months(config.timezone)}
    months = [month for month in manifest.root.pieces if everything or month in wanted]
    found = [chosen(manifest.pieces(month), None, set(path_of.values())) for month in sorted(months)]
    known = pa.concat_tables([PIECES.empty_table(), *found]).combine_chunks()
    if everything:
        return known
    starts, ends = (known.column(name).to_numpy() for name in ("start", "end"))
    listed = np.zeros(known.num_rows, bool)
    for table in tables.values():
        if table.span is not None:
            start, end = table.span.seconds
            listed |= (starts < end) & (ends > start)
    return known.filter(pa.array(listed))


def look(
    back: Lookback,
    window: Window,
    paths: frozenset[str],
    detector: str = "auto",
    counted: Mapping[str, int] | None = None,
) -> Late:
    """Find what has changed, in the run's snapshot.

    Parameters
    ----------
    window, paths
        What the run reads anyway.
    detector
        ``fingerprint`` to compare fingerprints whatever the heap tail says.
    counted
        The rows of tables that the run counts whole, by name; others are counted here where need be.
    """
    rows, marks = dict(counted or {}), {}
    for table in back.tables:
        name, state = table.name, back.states[table.name]
        if isinstance(state, TableState):
            if name not in rows:
                rows[name] = rows_now(back.historian, table, state, back.marks.get(name))
            marks[name] = _mark(back, table, state, rows[name])
    if not back.known.num_rows:
        return Late(HEAP_TAIL, (), (), (), marks)
    grid = Grid(back.known)
    reasons = ["fingerprints were asked for"] if detector == FINGERPRINT else []
    changed = np.zeros(back.known.num_rows, bool)
    new: set[Piece] = set()
    for table in back.tables if not reasons else ():
        found = _inserted(back, table, rows.get(table.name), grid)
        if isinstance(found, CannotVouch):
            reasons.append(found.reason)
        else:
            changed |= _sums(back, grid, [(i, n, count) for (i, n), count in found.items()]) > 0
            new |= _never_read(back, grid, found, paths)
    if reasons:
        changed, new = _compared(back, grid), set()
    unknown = grid.pieces.column("rows").is_null().to_numpy()
    again, elsewhere = _shared_out(grid, changed, unknown, back.span, window, paths, new)
    return Late(FINGERPRINT if reasons else HEAP_TAIL, tuple(reasons), again, elsewhere, marks)


def read_otherwise(back: Lookback) -> list[str]:
    """That the lake has other readings of the same rows, by another layout: told once, for then the marks are new."""
    marked = [table for table in back.tables if isinstance(back.states[table.name], TableState)]
    tables = [table.name for table in marked if (mark := back.marks.get(table.name)) and not mark.fits(table)]
    first = back.span.start.astimezone(zone(back.timezone)).date()
    says = (
        f"{', '.join(tables)}: read otherwise than by earlier runs, by another layout or other columns. Days that"
        f" differ are read again from {first} on; those before keep what was read, which verify --repair puts right"
    )
    return [says] if tables else []


def _mark(back: Lookback, table: PartitionTable, state: TableState, rows: int) -> dict[str, Any]:
    new, old = take_mark(back.historian, table, state, rows), back.marks.get(table.name)
    # Where nothing has happened the old mark does as well, and the manifest keeps its bytes.
    return asdict(old if old and replace(new, snapshot=old.snapshot) == old else new)


def _inserted(
    back: Lookback, table: PartitionTable, rows: int | None, grid: Grid
) -> dict[tuple[int, int], int] | CannotVouch:
    """Rows that have come since the table was last looked at, by tag id and place in the grid."""
    state, mark = back.states[table.name], back.marks.get(table.name)
    if isinstance(state, CannotVouch):
        return state
    if mark is not None and rows is not None:
        return tail(back.historian, table, mark, rows, grid.borders_ms)
    first, last = int(grid.borders[0]), int(grid.borders[-1])
    if table.span is None or chosen(grid.pieces, table.span, None).num_rows:
        return CannotVouch(f"the manifest has no mark of {table.name}")
    # A table that no run has read before: whatever it holds of days that were read is late.
    query = sql.SQL("SELECT tagid::int8, {}, count(*) FROM {} WHERE {} GROUP BY 1, 2")
    asked = query.format(
        prints.piece_of(grid.borders_ms),
        table_name(back.historian.schema, table),
        in_time(table, first * 1000, last * 1000),
    )
    came = back.historian.ask(f"looking for late readings in {table.name}", asked)
    return {(tagid, place): count for tagid, place, count in came}


def _never_read(back: Lookback, grid: Grid, found: Mapping[tuple[int, int], int], paths: frozenset[str]) -> set[Piece]:
    """Days of ``paths`` that have rows now and have never been read, though those of other tags were: a tag is new and
    brings its history along."""
    there = grid.there()
    read = np.any(there, axis=0)
    days = set()
    for tagid, place in found:
        path = back.path_of.get(tagid, "")
        if path not in paths or not 0 <= place < len(read) or not read[place]:
            continue
        if path not in grid.number or not there[grid.number[path], place]:
            day = datetime.fromtimestamp(int(grid.borders[place]), zone(back.timezone)).date()
            days.add((path, *day_window(day, back.timezone).seconds))
    return days


def _sums(back: Lookback, grid: Grid, found: Sequence[tuple[int, int, int]], kind: type = np.int64) -> np.ndarray:
    """Values by tag id and place in the grid, summed up by piece."""
    mine = [
        (grid.number[path], place, value)
        for i, place, value in found
        if (path := back.path_of.get(i, "")) in grid.number
    ]
    paths, places, values = zip(*mine, strict=True) if mine else ((), (), ())
    return grid.sums(paths, places, np.array(values, kind))


def _compared(back: Lookback, grid: Grid) -> np.ndarray:
    """Which pieces have other fingerprints in the historian than the manifest has."""
    counts, hashes = [], []
    for table in back.tables:
        with source_errors(back.historian.login, f"taking fingerprints of {table.name}"):
            for name, value in prints.SETTINGS.items():
                statement = sql.SQL("SET LOCAL {} = {}").format(sql.SQL(name), sql.Literal(value))
                back.historian.connection.execute(statement)
            query = prints.fingerprints(back.historian.schema, table, grid.borders_ms)
            for tagid, place, count, total in back.historian.connection.execute(query):
                counts.append((tagid, place, count))
                hashes.append((tagid, place, int(total) % MODULUS))
    rows, known_hash = (grid.pieces.column(name).fill_null(0).to_numpy() for name in ("rows", "hash"))
    return (_sums(back, grid, counts) != rows) | (_sums(back, grid, hashes, np.uint64) != known_hash)


def _shared_out(
    grid: Grid, changed: np.ndarray, unknown: np.ndarray, span: Window, window: Window, paths: frozenset[str],
    new: Collection[Piece],
) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:  # fmt: skip
    """Pieces that this run reads again, and those that are left for another."""
    start, end = window.seconds
    earliest, _ = span.seconds
    again, elsewhere = [], []
    named = [*zip(grid.named(changed | unknown), ~unknown[changed | unknown], strict=True)]
    for piece, known in (*named, *((piece, True) for piece in sorted(new))):
        path, first, last = piece
        if path in paths and start <= first and last <= end:
            continue  # the run reads it anyway
        if path in paths and first >= earliest and last <= start:
            again.append(piece)
        elif known:
            elsewhere.append(piece)
    return tuple(_apart(again)), tuple(elsewhere)


def _apart(pieces: Sequence[Piece]) -> list[Piece]:
    """One piece for those that share time, such as a new day of a tag that had been read in part: what is read twice
    would be in the lake twice."""
    found: list[Piece] = []
    for path, start, end in sorted(pieces):
        if found and found[-1][0] == path and start < found[-1][2]:
            found[-1] = path, found[-1][1], max(end, found[-1][2])
        else:
            found.append((path, start, end))
    return found
