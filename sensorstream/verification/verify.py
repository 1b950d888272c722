"""``verify``: the lake held against the source and against its own manifest, every difference named, and put right."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..config.settings import Config
from ..errors import LakeCheckFailed, LakeError
from ..historian import Historian, coverage, open_historian
from ..lake import source_state as of_source
from ..lake.keys import storable
from ..lake.manifest import PIECES, DataFile, Manifest, StateGone
from ..lake.source_state import Grid
from ..lake.stores import Store, reached_store
from ..planning import make_plan
from ..progress.steps import Progress, Step
from ..publishing import lease
from ..publishing.publish import Scope, seen_in
from ..staging import Executor, executor
from ..staging.stage import Measured
from ..windows import Window, WindowLike, as_window, without
from .audit_objects import AtRest, Foreign, at_rest, whole_months
from .compare_files import Asked, Place, Where, compare_places
from .differences import Difference

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOOKS = 5
MOST_SHOWN = 50  # rows of a table


@dataclass(frozen=True)
class Verification:
    """What ``verify`` found. ``differences`` are there now, ``repaired`` ones were there before.

    ``measured`` counts tag paths, files, readings and bytes of the lake, and readings of the source; ``seconds`` is how
    long it took.
    """

    lake: str
    window: dict[str, str]
    patterns: tuple[str, ...]
    repair: bool  # whether it was asked for
    differences: tuple[Difference, ...]
    repaired: tuple[Difference, ...]
    notes: tuple[str, ...]
    measured: dict[str, int]
    seconds: float

    @property
    def success(self) -> bool:
        return not self.differences

    def raise_if_different(self) -> None:
        """``LakeCheckFailed`` says in one sentence how many differences there are, and names one."""
        if self.success:
            return
        first, count = self.differences[0], len(self.differences)
        remedy = "restore or remove by hand what cannot be read again" if self.repair else "run verify with --repair"
        raise LakeCheckFailed(
            f"lake {self.lake} has {count:,} difference{'s' if count > 1 else ''} in {self.window['start']} to"
            f" {self.window['end']}, {first.kind} {first}: {remedy}"
        )

    def rows(self) -> list[dict[str, str]]:
        """One row a difference, for a table on a screen."""
        both = [(found, "") for found in self.differences] + [(found, "yes") for found in self.repaired]
        return [
            {
                "difference": found.kind,
                "tag path": found.tagpath or "",
                "month": found.month or "",
                "what": f"{found.key.rsplit('/', 1)[-1]}: {found.what}" if found.key else found.what,
                "repaired": repaired,
            }
            for found, repaired in both
        ]

    def to_json(self) -> dict[str, Any]:
        return {"success": self.success, **asdict(self)}

    def _repr_html_(self) -> str:
        from html import escape

        rows = self.rows()
        head = "no difference" if self.success else f"{len(self.differences):,} differences"
        cells = ["".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row.values()) for row in rows]
        titles = "".join(f"<th style='text-align:left'>{name}</th>" for name in (rows[0] if rows else ()))
        table = f"<table><tr>{titles}</tr>{''.join(f'<tr>{row}</tr>' for row in cells[:MOST_SHOWN])}</table>"
        more = f"<p>and {len(rows) - MOST_SHOWN:,} more</p>" if len(rows) > MOST_SHOWN else ""
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<p><b>{head}</b>, {escape(summary(self))}</p>{table if rows else ''}{more}<ul>{notes}</ul>"


def summary(found: Verification) -> str:
    """What was looked at, in words."""
    counts = ", ".join(f"{count:,} {name}" for name, count in found.measured.items())
    return f"{found.window['start']} to {found.window['end']}: {counts}"


@dataclass(frozen=True)
class Found:
    """One look at the lake and the source: what differs, and what a repair has to know."""

    rest: AtRest
    foreign: tuple[Foreign, ...]  # of the tag paths asked for, or of none
    places: tuple[Place, ...]
    rows: Mapping[str, int]  # of the source in the window, by tag path
    notes: tuple[str, ...]
    measured: dict[str, int]

    def differences(self, *, append: bool) -> list[Difference]:
        """Every difference; a lake that is appended to keeps what the source has changed or deleted since."""
        kept = ("surplus", "different") if append else ()
        found = [*self.rest.killed]
        found += [Difference("state", None, one.month, one.why, key=one.key) for one in self.rest.lost]
        found += [difference for place in self.places for difference in place.every() if difference.kind not in kept]
        what = "nobody committed it, and readers of the prefix see it"
        found += [Difference("foreign", one.tagpath, one.month, what, key=one.key) for one in self.foreign]
        what = "the manifest does not name it"
        return found + [Difference("leftover", None, None, what, key=key) for key in self.rest.leftovers]


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
    from .repair import rebuild
    from .repair import repair as put_right

    begin = time.perf_counter()
    window, patterns = as_window(window, config.timezone), config.patterns(patterns)
    store = reached_store(config)
    append = config.write_mode == "append"
    with closing(executor(config, spark)) as runs_on:

        def differences() -> list[Difference]:
            return found.differences(append=append)

        found = look(config, store, window, patterns, runs_on, progress)
        before: list[Difference] = []
        if repair and found.rest.lost:
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
        window={"start": window.start.isoformat(), "end": window.end.isoformat()},
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
            rest = at_rest(store, window, [month for month, _ in window.months(config.timezone)])
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
    manifest = rest.manifest
    what = make_plan.make_plan(historian, config, window, patterns, workers=runs_on.workers)
    tags = frozenset(storable((tag.path for tag in what.tags), prefix=config.prefix))
    every = dict(window.months(config.timezone))
    months = tuple(whole_months(list(every), rest.lost))
    others = {path for month in months for path in manifest.files(month)["tagpath"].unique().to_pylist()}
    others |= {one.tagpath for one in rest.foreign if one.tagpath is not None}
    paths = tags | historian.matching(others - tags, patterns)
    scope = Scope(window, paths, months, config.timezone, config.max_records_per_file)
    before = seen_in(manifest, scope)
    committed = _by_place(manifest, months, paths)
    covered = without(coverage(what.tables, window), [part for month, part in every.items() if month not in months])
    asked = Asked(window, tuple(day for _, day in window.days(config.timezone)), tuple(covered), tags)

    def tell(done: int, total: int) -> None:
        if progress:
            progress(Step("compare", done, total))

    if covered:
        what, snapshot = make_plan.pinned(historian, what)
        runs_on.start()
        with ExitStack() as until_compared:
            with runs_on.watched("extract", progress), ThreadPoolExecutor(1) as aside:
                counting = aside.submit(_count, historian, what)
                held, measured = until_compared.enter_context(runs_on.staged(config, what, snapshot))
                measured.reconcile(counting.result())
            historian.release()
            places = compare_places(store, committed, held, asked, tell)
    else:
        measured = None
        places = compare_places(store, committed, None, asked, tell)
    after = lease.wait_until_free(store)
    seen = seen_in(after, scope)
    if seen.entries != before.entries or not of_source.same(seen.pieces, before.pieces):
        return None
    notes = [left.why for left in what.left_out if left.certain]
    notes += [*_uncovered(scope, covered, before.entries), *_no_tags(paths - tags, before.entries)]
    if measured:
        notes += _pieces_notes(before.pieces, measured, scope, covered, tags, places)
    if config.write_mode == "append":
        notes += _appended_notes(places)
    rows: Counter[str] = Counter()
    if measured:
        for path, count in zip(*(measured.prints.column(n).to_pylist() for n in ("tagpath", "rows")), strict=True):
            rows[path] += count
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


def _count(historian: Historian, what: make_plan.Plan) -> int:
    """The historian's own count."""
    found = sum(make_plan.counts(historian, what).values())
    historian.leave()
    return found


def _by_place(manifest: Manifest, months: Sequence[str], paths: frozenset[str]) -> dict[Where, list[DataFile]]:
    found: dict[Where, list[DataFile]] = defaultdict(list)
    for month in months:
        for entry in manifest.entries(month, paths=paths).values():
            found[entry.place].append(entry)
    return found


# -- what is said beside the differences -------------------------------------------------------------------------------


def _uncovered(scope: Scope, covered: Sequence[Window], entries: frozenset[DataFile]) -> Iterator[str]:
    for part in without([scope.part(month) for month in scope.months], covered):
        count = sum(entry.interval.overlaps(part) for entry in entries)
        yield f"no partition table covers {part}: the readings of {count:,} committed files there are not compared"


def _no_tags(paths: frozenset[str], entries: frozenset[DataFile]) -> Iterator[str]:
    if kept := {entry.tagpath for entry in entries if entry.tagpath in paths}:
        yield f"{_named(kept)} no tag of the historian any more: readings are not compared"


def _pieces_notes(
    known: pa.Table, found: Measured, scope: Scope, covered: Sequence[Window], tags: frozenset[str],
    places: Sequence[Place],
) -> Iterator[str]:  # fmt: skip
    """Days of which the manifest knows something else than was read, though the readings are the same."""
    waiting = Counter(path for path, rows in zip(*_columns(known, "tagpath", "rows"), strict=True) if rows is None)
    if waiting:
        yield f"{waiting.total():,} days of {_named(waiting)} to be read again by a run to come"
    whole = [part for month in scope.months for part in of_source.whole(scope.part(month), scope.timezone)]
    whole = [part for part in whole if any(cover.covers(part) for cover in covered)]
    parts = {(part.start_ms // 1000, part.end_ms // 1000) for part in whole}
    differ = {(place.where[0], day.start_ms // 1000) for place in places for day in place.days}
    compared = [
        row
        for row in known.to_pylist()
        if row["rows"] is not None
        and row["tagpath"] in tags
        and (row["start"], row["end"]) in parts
        and (row["tagpath"], row["start"]) not in differ
    ]
    if not compared:
        return
    before = pa.Table.from_pylist(compared, schema=PIECES)
    mine = found.prints.filter(
        pa.array([path in tags for path in found.prints.column("tagpath").to_pylist()], pa.bool_())
    )
    now = Grid(before).counted(_within(mine, before))
    changed = Counter(
        path
        for path, *pairs in zip(
            *_columns(before, "tagpath", "rows", "hash"), *_columns(now, "rows", "hash"), strict=True
        )
        if pairs[:2] != pairs[2:]
    )
    if changed:
        yield (
            f"rows of {changed.total():,} days of {_named(changed)} other in the source than when they were read,"
            " though their readings are the same"
        )


def _within(prints: pa.Table, pieces: pa.Table) -> pa.Table:
    """Prints of the tag paths and times that ``pieces`` have any of."""
    paths, last = set(pieces.column("tagpath").to_pylist()), max(pieces.column("end").to_pylist())
    first = min(pieces.column("start").to_pylist())
    keep = [
        path in paths and first <= start < last
        for path, start in zip(*_columns(prints, "tagpath", "start"), strict=True)
    ]
    return prints.filter(pa.array(keep, pa.bool_()))


def _appended_notes(places: Sequence[Place]) -> Iterator[str]:
    """What is no difference of a lake that is appended to."""
    for kind, words in (("surplus", "are not in the source"), ("different", "are different in the source")):
        found = [one for place in places for one in place.differences if one.kind == kind]
        if found:
            count = sum(one.count for one in found)
            yield f"{count:,} readings {words}, as append leaves them: {found[0]}"


def _named(paths: Mapping[str, int] | set[str]) -> str:
    first = sorted(paths)[0]
    return f"{first} is" if len(paths) == 1 else f"{len(paths):,} tag paths ({first} for one) are"


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table.column(name).to_pylist() for name in names]
