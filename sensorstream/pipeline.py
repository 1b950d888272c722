"""One run without a notebook: plan, extract, reconcile, publish, and the record of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa

from . import planning
from .config import Config
from .errors import SensorStreamError, after_commit
from .extraction import Measured, parquet, parquet_or_none
from .guards import covered_months, refuse_losses, refuse_to_empty, replaced_parts
from .historian import Historian, open_historian
from .lake.keys import TAGS, rejected_key, storable
from .lake.manifest import Manifest, at_one_commit
from .lake.pieces import Grid, days
from .lake.publishing import Known, Scope, Seen, publish, seen_in
from .lake.turns import store_to_write
from .late.lookback import Late, Lookback, look, lookback
from .late.rereading import late_record, read_again
from .planning import Plan, workers_of
from .progress import Progress
from .record import RunRecord, run_id
from .staging import executor, master_of
from .transform import quality_rule
from .unkept import warnings_of
from .windows import Window, WindowLike, as_window

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PHASES = ("plan", "start", "extract", "publish", "late")


def plan(config: Config, window: WindowLike, patterns: Sequence[str] | None = None) -> Plan:
    """What a run over ``window`` (or a day, as for ``ingest``) would read; reads no reading, writes nothing.

    Raises ``SourceError`` and ``ConfigError`` as ``planning.make_plan`` does.
    """
    window = as_window(window, config.timezone)
    with open_historian(config) as historian:
        what = planning.make_plan(
            historian, config, window, config.patterns(patterns), workers=workers_of(master_of(config))
        )
    storable((tag.path for tag in what.tags), prefix=config.prefix)
    return what


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
    window
        A ``Window``, or a day: text such as ``2026-10-14`` or a date.
    patterns
        PostgreSQL regular expressions of tag paths; those of ``config`` by default.
    spark
        A session to use; one is started by default.
    progress
        Told every step, see ``progress.Step``; ``telling`` has ways to show it.

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
    name = run_id(window, patterns)
    # Where Spark does the work, its JVM starts while the lake is looked at and the plan is made.
    with closing(executor(config, spark)) as runs_on, open_historian(config) as historian:
        with clock.phase("plan"):
            with ThreadPoolExecutor(1) as aside:
                opening = aside.submit(store_to_write, config)
                what = planning.make_plan(historian, config, window, patterns, workers=runs_on.workers)
                store = opening.result()
            paths = storable((tag.path for tag in what.tags), prefix=config.prefix)
            scope = scope_of(config, window, paths, covered_months(what, config))

            def beforehand(manifest: Manifest) -> tuple[Seen, Lookback | None]:
                looked = lookback(historian, config, manifest, window, what.tables) if config.lookback_days else None
                return seen_in(manifest, scope), looked

            before, back = at_one_commit(store, beforehand)
            if config.write_mode == "overwrite":
                refuse_to_empty(historian, what, scope, before)
        with clock.phase("start"):
            runs_on.start()
        with clock.phase("extract"):
            what, snapshot = planning.pinned(historian, what, also=back.tables if back else ())
            seen = historian.visible_snapshot()

        measured: Future[Measured] = Future()

        @cache
        def counts() -> dict[str, int]:
            # The historian counts for itself: on the connection that holds the snapshot, or as it packs.
            passed = what.passed if config.engine == "packed" else {}
            found = planning.counts(historian, what, without=passed)
            return found | planning.counts_of_passed(what, historian.waited(measured).counts) if passed else found

        def of_whole() -> dict[str, int]:
            return {name: counts()[name] for name in (what.tables[n].name for n in what.whole)}

        def beside() -> tuple[int, list[str], Late | None, bytes]:
            tags = tags_bytes(historian)
            late = look(back, window, scope.paths, config.late_detector, of_whole) if back else None
            read, rule = counts(), quality_rule(config, what.layout)
            warnings = [*warnings_of(historian, what, read, historian.waited(measured).tally, rule)]
            historian.leave()
            return sum(read.values()), warnings, late, tags

        with ExitStack() as until_published:
            with clock.phase("extract"), ThreadPoolExecutor(1) as aside:
                ear = until_published.enter_context(runs_on.listening(progress is not None))
                with runs_on.watched("extract", progress, ear, what.estimated_readings):
                    looking = aside.submit(beside)
                    try:
                        held, found = until_published.enter_context(runs_on.staged(config, what, snapshot, ear))
                        measured.set_result(found)
                    except BaseException as error:
                        # What failed first ends the snapshot, of which the others then speak.
                        if isinstance(error, Exception) and looking.done() and (first := looking.exception()):
                            raise first from error
                        historian.cancel()
                        raise
                    finally:
                        measured.cancel()
                    source, warnings, late, tags = looking.result()
            found.reconcile(source)
            tally = found.tally
            historian.release()
            refuse_losses(config, store, replaced_parts(scope), before.entries, found)
            pieces = Grid(days(scope.paths, (scope.part(month) for month in scope.months), config.timezone))
            # What is read again is noted when it is published, and the marks with it.
            noted = late if late and not late.again else None
            with clock.phase("publish"), runs_on.watched("publish", progress, ear):
                done, root = publish(
                    held,
                    store,
                    scope,
                    before,
                    append=config.write_mode == "append",
                    known=Known(
                        pieces=pieces.counted(found.prints),
                        marks=noted.marks if noted else {},
                        stale=noted.elsewhere if noted else (),
                    ),
                    others={
                        rejected_key(name): cache(lambda: parquet_or_none(found.rejected)),
                        TAGS: tags,
                    },
                )
        again = None
        if late and late.again:
            try:
                with clock.phase("late"):
                    again = read_again(late, config, store, runs_on, run=name, after=root)
            except SensorStreamError as error:
                raise after_commit(error) from error
            done = done + again.published
    return RunRecord(
        run_id=name,
        started=clock.started.isoformat(timespec="milliseconds"),
        finished=datetime.now(UTC).isoformat(timespec="milliseconds"),
        engine=config.engine,
        ran_on=runs_on.where,
        spark_stages=runs_on.stages,
        window={"start": window.start.isoformat(), "end": window.end.isoformat()},
        patterns=list(patterns),
        tags_selected=len(what.tags),
        partition_tables=[table.name for table in what.tables],
        rows_read=tally.read,
        rows_written=tally.written,
        rows_rejected=dict(sorted(tally.rejected.items())),
        rows_deduplicated=tally.deduplicated,
        quality_codes=dict(sorted(tally.codes.items())),
        digits_in_text=tally.digits,
        **asdict(done),
        seconds=clock.seconds(),
        source_snapshot=seen,
        explain=list(what.notes),
        late=late_record(late, again, config.timezone) if late else None,
        warnings=warnings,
    )


def scope_of(config: Config, window: Window, paths: Iterable[str], months: Iterable[str]) -> Scope:
    return Scope(window, frozenset(paths), tuple(months), config.timezone, config.max_records_per_file)


def tags_bytes(historian: Historian) -> bytes:
    """The metadata of every tag of the historian as one Parquet file."""
    schema = pa.schema(
        [
            ("tagpath", pa.string()),
            ("ids", pa.list_(pa.int64())),
            ("datatype", pa.string()),
            ("description", pa.string()),
            ("unit", pa.string()),
            ("created", pa.timestamp("ms", tz="UTC")),
            ("retired", pa.timestamp("ms", tz="UTC")),
        ]
    )
    names = {"tagpath": "path"}
    tags = historian.tags()
    columns = [pa.array([getattr(tag, names.get(f.name, f.name)) for tag in tags], f.type) for f in schema]
    return parquet(pa.table(columns, schema=schema))


class Clock:
    """Seconds of each phase; a phase inside another is taken out of it."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self._begin = time.perf_counter()
        self._spent: dict[str, float] = {}
        self._inner = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin, before = time.perf_counter(), self._inner
        try:
            yield
        finally:
            took = time.perf_counter() - begin
            self._spent[name] = self._spent.get(name, 0.0) + took - (self._inner - before)
            self._inner = before + took

    def seconds(self) -> dict[str, float]:
        total = time.perf_counter() - self._begin
        return {name: round(self._spent.get(name, 0.0), 3) for name in PHASES} | {"total": round(total, 3)}
