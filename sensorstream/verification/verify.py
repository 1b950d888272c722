"""``verify``: the lake held against the source and against its own manifest, every difference named, and put right."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

from ..config.settings import Config
from ..errors import LakeError
from ..historian import Historian, coverage, open_historian
from ..lake import source_state as of_source
from ..lake.keys import storable
from ..lake.manifest import StateGone, by_partition
from ..lake.stores import Store, reached_store
from ..planning import make_plan, row_counts
from ..planning.plan import Plan
from ..progress.steps import Progress
from ..publishing import lease
from ..publishing.publish import Scope, seen_in
from ..staging import Executor, executor
from ..windows import Window, WindowLike, as_window, without
from .audit_objects import AtRest, at_rest, whole_months
from .compare_files import Asked, compare_places
from .differences import Difference
from .notes import appended_notes, no_tags, pieces_notes, uncovered
from .repair import rebuild
from .repair import repair as put_right
from .result import Found, Verification

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOOKS = 5


def verify(
    config: Config,
    window: WindowLike,
    patterns: Sequence[str] | None = None,
    *,
    repair: bool = False,
    spark: SparkSession | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Hold the lake's readings of ``window`` against the source, and its objects against the manifest.

    What a killed run left is finished or undone at once, and is a difference of this verification.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    window
        A ``Window``, or a day of the configured time zone: text such as ``2026-10-14`` or a date.
    patterns
        PostgreSQL regular expressions of tag paths; those of ``config`` by default.
    repair
        Read from the source again what differs, and put it in place; files that are damaged are read again as far as
        they reach. What no table covers any more is left as it is.
    spark
        A session to use; one is started by default where ``config`` names a master.
    progress
        Told every step, see ``progress.steps.Step``.

    Returns
    -------
    Verification
        What does not hold raises nothing here: see ``Verification.raise_if_different``.

    Raises
    ------
    SensorStreamError
        Lake or historian cannot be used, or others publish the same window all the time (``WindowBusy``).
    """
    begin = time.perf_counter()
    window, patterns = as_window(window, config.timezone), config.patterns(patterns)
    store = reached_store(config)
    append = config.write_mode == "append"
    with closing(executor(config, spark)) as runs_on:

        def differences() -> list[Difference]:
            return found.differences(append=append)

        found = look(config, store, window, patterns, runs_on, progress)
        before: list[Difference] = []
        if repair and (found.rest.lost or found.rest.table):
            before += differences()
            rebuild(store, window, config)
            found = look(config, store, window, patterns, runs_on, progress)
        if repair and differences():
            before += differences()
            put_right(config, store, window, patterns, found, runs_on, progress)
            found = look(config, store, window, patterns, runs_on, progress)
    after = differences()
    left = {difference.same_as for difference in after}
    return Verification(
        lake=config.lake,
        window=window.to_json(),
        patterns=patterns,
        repair=repair,
        differences=tuple(after),
        repaired=tuple(difference for difference in before if difference.same_as not in left),
        notes=tuple(dict.fromkeys(found.notes)),
        measured=found.measured,
        seconds=round(time.perf_counter() - begin, 3),
    )


def look(
    config: Config, store: Store, window: Window, patterns: Sequence[str], runs_on: Executor,
    progress: Progress | None,
) -> Found:  # fmt: skip
    """Look until nobody has published the window's tag paths meanwhile."""
    killed: list[Difference] = []
    for _ in range(LOOKS):
        with open_historian(config) as historian:
            rest = at_rest(store, window, config.timezone)
            killed += rest.killed
            try:
                found = _look(config, store, window, patterns, historian, rest, runs_on, progress)
            except StateGone:  # others have published: see AtRest.lost for what is gone for good
                continue
        if found:
            return replace(found, rest=replace(rest, killed=tuple(killed)))
    raise LakeError(f"lake {store.place}: {window} was published {LOOKS} times while it was verified: try again later")


def _look(
    config: Config, store: Store, window: Window, patterns: Sequence[str], historian: Historian, rest: AtRest,
    runs_on: Executor, progress: Progress | None,
) -> Found | None:  # fmt: skip
    """``None`` if others have published meanwhile."""
    manifest = rest.manifest.held_to(config.timezone)
    what = make_plan.make_plan(historian, config, window, patterns, workers=runs_on.workers)
    tags = frozenset(storable((tag.path for tag in what.tags), prefix=config.prefix))
    every = dict(window.months(config.timezone))
    months = tuple(whole_months(list(every), rest.lost))
    others = {path for month in months for path in manifest.files(month)["tagpath"].unique().to_pylist()}
    others |= {one.tagpath for one in rest.foreign if one.tagpath is not None}
    paths = tags | historian.matching(others - tags, patterns)
    scope = Scope.of(config, window, paths, months)
    before = seen_in(manifest, scope)
    committed = by_partition(manifest.entries(*months, paths=paths))
    covered = without(coverage(what.tables, window), [part for month, part in every.items() if month not in months])
    asked = Asked(window, tuple(day for _, day in window.days(config.timezone)), tuple(covered), tags)

    if covered:
        what, snapshot = row_counts.pinned(historian, what)
        runs_on.start()
        with ExitStack() as until_compared:
            receiver = until_compared.enter_context(runs_on.listening(progress is not None))
            with (
                ThreadPoolExecutor(1) as aside,
                runs_on.watched("extract", progress, receiver, what.estimated_readings),
            ):
                counting = aside.submit(_count, historian, what)
                held, measured = until_compared.enter_context(runs_on.staged(config, what, snapshot, receiver))
                measured.reconcile(counting.result())
            historian.release()
            places = compare_places(store, committed, held, asked, progress)
    else:
        measured = None
        places = compare_places(store, committed, None, asked, progress)
    after = lease.wait_until_free(store)
    seen = seen_in(after, scope)
    if seen.entries != before.entries or not of_source.same(seen.pieces, before.pieces):
        return None
    notes = [left.why for left in what.left_out if left.certain]
    notes += [*uncovered(scope, covered, before.entries), *no_tags(paths - tags, before.entries)]
    if measured:
        notes += pieces_notes(before.pieces, measured, scope, covered, tags, places)
    if config.write_mode == "append":
        notes += appended_notes(places)
    rows: Counter[str] = Counter()
    if measured:
        for row in measured.prints.to_pylist():
            rows[row["tagpath"]] += row["rows"]
    return Found(
        rest=rest,
        foreign=tuple(one for one in rest.foreign if one.tagpath is None or one.tagpath in paths),
        places=tuple(places),
        rows=rows,
        notes=tuple(notes),
        measured={
            "tag paths": len(paths),
            "files": sum(place.files for place in places),
            "readings in them": sum(place.readings for place in places),
            "bytes": sum(place.size for place in places),
            "rows of the source": measured.tally.read if measured else 0,
        },
    )


def _count(historian: Historian, what: Plan) -> int:
    """The historian's own count."""
    found = sum(row_counts.counts(historian, what).values())
    historian.leave()
    return found
