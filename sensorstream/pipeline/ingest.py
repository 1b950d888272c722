"""A run: look before, stage and count, commit, read late days again; and the record of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from threading import Event
from typing import TYPE_CHECKING

from ..config.settings import Config
from ..errors import SensorStreamError
from ..historian import Historian, open_historian
from ..lake.keys import TAGS, rejected_key, storable
from ..lake.manifest import Manifest, Root, at_one_commit
from ..lake.source_state import Grid, days
from ..lake.stores import Store
from ..lake.tag_metadata import tag_table
from ..late.detect import Late, Lookback, look, lookback, read_otherwise
from ..late.read_again import ReadAgain, late_record, read_again
from ..planning import make_plan, row_counts
from ..planning.plan import Plan, Workers
from ..progress.steps import Progress
from ..progress.worker_messages import ProgressReceiver
from ..publishing.guards import covered_months, refuse_losses, refuse_to_empty
from ..publishing.lease import store_to_write
from ..publishing.publish import Known, Published, Scope, Seen, publish, seen_in
from ..staging import Executor, executor
from ..staging.measured import Measured
from ..staging.staged_files import Staged
from ..transform.parquet import parquet, parquet_or_none
from ..transform.quality import quality_rule
from ..windows import Window, WindowLike, as_window
from .clock import Clock
from .run_record import RunRecord, run_id
from .warnings import warnings_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def ingest(
    config: Config,
    window: WindowLike,
    patterns: Sequence[str] | None = None,
    *,
    spark: SparkSession | None = None,
    progress: Progress | None = None,
) -> RunRecord:
    """Move the readings of ``window`` from the historian to the lake.

    Parameters
    ----------
    config
        Where historian and lake are, see ``load``.
    window
        A ``Window``, or a day of the configured time zone: text such as ``2026-10-14`` or a date.
    patterns
        PostgreSQL regular expressions of tag paths; those of ``config`` by default.
    spark
        A session to use; one is started by default where ``config`` names a master.
    progress
        Told every step, see ``progress.steps.Step``; ``progress.display`` has ways to show it.

    Returns
    -------
    RunRecord
        Counts that add up: read = written + rejected + deduplicated.

    Raises
    ------
    SensorStreamError
        See ``errors``. The lake is untouched unless the manifest was swapped.
    """
    clock = Clock()
    window, patterns = as_window(window, config.timezone), config.patterns(patterns)
    run = run_id(window, patterns)
    # Where Spark does the work, its JVM starts while the lake is looked at and the plan is made.
    with closing(executor(config, spark)) as runs_on, open_historian(config) as historian:
        with clock.phase("plan"):
            before = look_before(config, historian, window, patterns, runs_on.workers)
        with clock.phase("start"):
            runs_on.start()
        with ExitStack() as until_published:
            receiver = until_published.enter_context(runs_on.listening(progress is not None))
            with clock.phase("extract"):
                counting = stage_and_count(config, historian, before, runs_on, progress, receiver)
                counted = until_published.enter_context(counting)
            with clock.phase("publish"), runs_on.watched("publish", progress, receiver):
                published, root = commit(config, before, counted, run)
        again = None
        if counted.late and counted.late.again:
            with clock.phase("late"):
                again = read_late_days(config, before.store, counted.late, runs_on, run, root)
            published = published + again.published
    measured = counted.measured
    return RunRecord(
        run_id=run,
        started=clock.started.isoformat(timespec="milliseconds"),
        finished=datetime.now(UTC).isoformat(timespec="milliseconds"),
        engine=config.engine,
        ran_on=runs_on.where,
        spark_stages=runs_on.stages,
        window=window.to_json(),
        patterns=list(patterns),
        tags_selected=len(before.plan.tags),
        partition_tables=[table.name for table in before.plan.tables],
        rows_read=measured.tally.read,
        rows_written=measured.tally.written,
        rows_rejected=dict(sorted(measured.tally.rejected.items())),
        rows_deduplicated=measured.tally.deduplicated,
        quality_codes=dict(sorted(measured.tally.codes.items())),
        digits_in_text=measured.tally.digits,
        **asdict(published),
        seconds=clock.seconds(),
        source_snapshot=counted.snapshot,
        explain=list(counted.plan.notes),
        late=late_record(counted.late, again, config.timezone) if counted.late else None,
        warnings=counted.warnings,
    )


@dataclass(frozen=True)
class Before:
    """What is known before a reading is read: the plan, what the lake holds of its scope, and where to look for late
    readings."""

    store: Store
    plan: Plan
    scope: Scope
    seen: Seen
    lookback: Lookback | None


def look_before(
    config: Config, historian: Historian, window: Window, patterns: Sequence[str], workers: Workers
) -> Before:
    """Make the plan and look at the lake; refuse what would empty it."""
    with ThreadPoolExecutor(1) as aside:
        opening = aside.submit(store_to_write, config)
        plan = make_plan.make_plan(historian, config, window, patterns, workers=workers)
        store = opening.result()
    paths = storable((tag.path for tag in plan.tags), prefix=config.prefix, iceberg=config.iceberg is not None)
    scope = Scope.of(config, window, paths, covered_months(plan, config))

    def at_once(manifest: Manifest) -> tuple[Seen, Lookback | None]:
        looked = lookback(historian, config, manifest, window, plan.tables) if config.lookback_days else None
        return seen_in(manifest, scope), looked

    seen, back = at_one_commit(store, at_once)
    if config.write_mode == "overwrite":
        refuse_to_empty(historian, plan, scope, seen)
    return Before(store, plan, scope, seen, back)


@dataclass(frozen=True)
class Counted:
    """Staged files that were held against the historian's own count, and what else its snapshot told."""

    staged: Staged
    measured: Measured
    plan: Plan
    snapshot: str
    tags: bytes
    late: Late | None
    warnings: list[str]


@contextmanager
def stage_and_count(
    config: Config, historian: Historian, before: Before, runs_on: Executor, progress: Progress | None,
    receiver: ProgressReceiver | None,
) -> Iterator[Counted]:  # fmt: skip
    """Stage the plan's readings, in one snapshot with everything else that is read; they are kept while the block runs.

    The snapshot has ended by then: nobody waits for it while the lake is written.
    """
    back = before.lookback
    plan, snapshot = row_counts.pinned(historian, before.plan, also=back.tables if back else ())
    visible = historian.visible_snapshot()
    on_the_way = plan.passed if config.engine == "packed" else {}  # what PostgreSQL counts as it packs
    staged = Event()

    def late_of(counts: dict[str, int]) -> Late | None:
        whole = {plan.tables[n].name: counts[plan.tables[n].name] for n in plan.whole}
        return look(back, before.scope.window, before.scope.paths, config.late_detector, whole) if back else None

    def beside() -> tuple[bytes, dict[str, int], Late | None]:
        tags = parquet(tag_table(historian.tags()))
        counts = row_counts.counts(historian, plan, without=on_the_way)
        late = None if on_the_way else late_of(counts)
        historian.keep_awake(staged)
        return tags, counts, late

    with ExitStack() as kept:
        with ThreadPoolExecutor(1) as aside, runs_on.watched("extract", progress, receiver, plan.estimated_readings):
            looking = aside.submit(beside)
            try:
                files, measured = kept.enter_context(runs_on.staged(config, plan, snapshot, receiver))
            except BaseException as error:
                # What failed first ends the snapshot, of which the others then speak.
                if isinstance(error, Exception) and looking.done() and (first := looking.exception()):
                    raise first from error
                historian.cancel()
                raise
            finally:
                staged.set()
            tags, counts, late = looking.result()
        if on_the_way:
            counts |= row_counts.counts_of_passed(plan, measured.counts)
            late = late_of(counts)
        measured.reconcile(sum(counts.values()))
        rule = quality_rule(config, plan.layout)
        warnings = [
            *warnings_of(historian, plan, counts, measured.tally, rule),
            *(read_otherwise(back) if back else ()),
        ]
        historian.release()
        months = [before.scope.part(month) for month in before.scope.months]
        replaced = ((path, part) for part in months for path in sorted(before.scope.paths))
        refuse_losses(config, before.store, replaced, before.seen.entries, measured)
        yield Counted(files, measured, plan, visible, tags, late, warnings)


def commit(config: Config, before: Before, counted: Counted, run: str) -> tuple[Published, Root]:
    """Publish the staged files, with the run's rejected readings and the tags beside them."""
    scope, late = before.scope, counted.late
    read = Grid(days(scope.paths, (scope.part(month) for month in scope.months), config.timezone))
    # Where days are read again, what is known of late readings is noted with them.
    noted = late if late and not late.again else None
    known = Known(
        pieces=read.counted(counted.measured.prints),
        marks=noted.marks if noted else {},
        stale=noted.elsewhere if noted else (),
    )
    return publish(
        counted.staged,
        before.store,
        scope,
        before.seen,
        append=config.write_mode == "append",
        known=known,
        others={
            rejected_key(run): cache(lambda: parquet_or_none(counted.measured.rejected)),
            TAGS: counted.tags,
        },
        run=run,
    )


def read_late_days(config: Config, store: Store, late: Late, runs_on: Executor, run: str, after: Root) -> ReadAgain:
    """Read the days again that have changed in the historian since they were read."""
    try:
        return read_again(late, config, store, runs_on, run=run, after=after)
    except SensorStreamError as error:
        raise type(error)(str(error), published=True) from error
