"""Days that have changed in the historian are read again, tag path by tag path, and patched into the files there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import time
from typing import Any

import pyarrow as pa

from ..config.settings import Config
from ..errors import WindowBusy
from ..historian import Historian, open_historian
from ..lake.keys import late_rejected_key
from ..lake.manifest import Root
from ..lake.source_state import Grid, Piece, days, window_of
from ..lake.stores import Store
from ..planning import make_plan
from ..planning.plan import Plan
from ..publishing.guards import refuse_losses
from ..publishing.publish import Known, Published, Scope, look, patch
from ..staging import Executor
from ..staging.measured import Measured
from ..staging.staged_files import Staged
from ..transform.parquet import parquet_or_none
from ..windows import Window, zone
from .detect import Late

MOST_NAMED = 2000  # tag days


@dataclass(frozen=True)
class ReadAgain:
    """What reading again brought; ``busy`` is why it was left to the next run."""

    measured: Measured
    published: Published
    busy: str | None


def read_again(late: Late, config: Config, store: Store, runs_on: Executor, *, run: str, after: Root) -> ReadAgain:
    """Read ``late.again`` with the packed engine, in a snapshot of its own, and publish it with the marks.

    The marks are of the run's snapshot, which has ended since, so that nobody waits for it while the run publishes:
    what has come between the two will be found once more.

    Parameters
    ----------
    after
        The root as this run's own publication left it.
    """
    scope = scope_around(late.again, config)
    before = look(store, scope)
    rows = pa.table([before.pieces.column("tagpath"), before.pieces.column("rows")], names=["path", "rows"])
    most = rows.group_by("path").aggregate([("rows", "max")]).to_pylist()
    known = {row["path"]: row["rows_max"] or 0 for row in most}
    with (
        open_historian(config) as historian,
        staged_again(late.again, known, historian, config, runs_on) as (held, found),
    ):
        refuse_losses(config, store, parts_of(late.again), before.entries, found)
        try:
            published, _ = patch(
                held,
                store,
                scope,
                before,
                late.again,
                Known(counted(late.again, found, config), late.marks, late.elsewhere),
                append=config.write_mode == "append",
                others=rejected_again(found, run),
                run=run,
                after=after,
            )
        except WindowBusy as busy:
            return ReadAgain(found, Published(0, 0, 0, 0), str(busy))
    return ReadAgain(found, published, None)


def scope_around(pieces: Sequence[Piece], config: Config) -> Scope:
    """The tag paths of ``pieces``, and the window from the first to the last."""
    span = Window.around([window_of(piece) for piece in pieces])
    months = (month for month, _ in span.months(config.timezone))
    return Scope.of(config, span, (path for path, *_ in pieces), months)


def parts_of(pieces: Sequence[Piece]) -> list[tuple[str, Window]]:
    return [(piece[0], window_of(piece)) for piece in pieces]


@contextmanager
def staged_again(
    pieces: Sequence[Piece], rows: Mapping[str, int], historian: Historian, config: Config, runs_on: Executor
) -> Iterator[tuple[Staged, Measured]]:
    """``pieces``, read with the packed engine and reconciled with the historian's own count.

    Parameters
    ----------
    rows
        Those of a piece of each path (estimate).
    """
    packed = config.model_copy(update={"engine": "packed"})
    parts = parts_of(pieces)
    estimated = {path: rows.get(path, 0) for path, _ in parts}
    what = make_plan.make_late_plan(historian, config, parts, estimated, workers=runs_on.workers)
    snapshot = historian.export_snapshot(what.tables)
    with ThreadPoolExecutor(1) as aside, ExitStack() as until_published:
        counting = aside.submit(_count, historian, what)
        held, found = until_published.enter_context(runs_on.staged(packed, what, snapshot))
        found.reconcile(counting.result())
        historian.release()
        yield held, found


def counted(pieces: Sequence[Piece], found: Measured, config: Config) -> pa.Table:
    """What is known now of the days that were read again."""
    alike: dict[Window, list[str]] = defaultdict(list)
    for piece in pieces:
        alike[window_of(piece)].append(piece[0])
    rows = [days(paths, [window], config.timezone) for window, paths in alike.items()]
    return Grid(pa.concat_tables(rows)).counted(found.prints)


def rejected_again(found: Measured, run: str) -> dict[str, bytes]:
    """The object of the readings that were rejected, by its key, if there are any."""
    rejected = parquet_or_none(found.rejected)
    return {late_rejected_key(run, rejected): rejected} if rejected else {}


def _count(historian: Historian, what: Plan) -> int:
    """The historian's own count, slice by slice."""
    found = sum(
        historian.count(
            what.tables[piece.table],
            piece.window,
            [n for position in piece.stretches for n in share.stretches[position].tag.ids],
        )
        for share in what.shares
        for piece in share.slices
    )
    historian.leave()
    return found


def late_record(late: Late, again: ReadAgain | None, timezone: str) -> dict[str, Any]:
    """What a run record says of late readings.

    ``detector`` spoke, for ``reasons`` if it was not the heap tail; ``tag_days`` were read again, with ``rows_read``
    rows, and ``tag_days_left`` were noted for another run. ``tags`` names the days of each tag path, the first
    ``MOST_NAMED`` of them.
    """
    tally = again.measured.tally if again else None
    tags: dict[str, list[str]] = {}
    for piece in sorted(late.again)[:MOST_NAMED]:
        start = window_of(piece).start.astimezone(zone(timezone))
        tags.setdefault(piece[0], []).append(
            f"{start:%Y-%m-%d}" if start.time() == time() else f"{start:%Y-%m-%d %H:%M}"
        )
    found = {
        "detector": late.detector,
        "reasons": list(late.reasons),
        "tag_days": len(late.again),
        "tag_days_left": len(late.elsewhere),
        "rows_read": tally.read if tally else 0,
        "rows_written": tally.written if tally else 0,
        "rows_rejected": sum(tally.rejected.values()) if tally else 0,
        "rows_deduplicated": tally.deduplicated if tally else 0,
        "tags": tags,
    }
    return found | ({"busy": again.busy} if again and again.busy else {})
