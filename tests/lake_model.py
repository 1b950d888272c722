"""Any sequence of runs leaves what a dictionary says: publications, late patches, compaction, runs that die of it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

import sensorstream
from sensorstream.config.settings import Config
from sensorstream.errors import WindowBusy
from sensorstream.lake.manifest import PIECES, read_manifest
from sensorstream.lake.source_state import same, whole
from sensorstream.lake.stores import Store, open_store
from sensorstream.publishing import compaction, lease
from sensorstream.publishing import publish as publishing
from sensorstream.publishing.file_changes import files_of
from sensorstream.publishing.publish import Known, Seen
from sensorstream.staging.staged_files import StagedHere
from sensorstream.transform.readings import inside
from sensorstream.windows import Window, midnight, month_window
from tests.faults.killed import CHANGES
from tests.lakes import as_committed, assert_whole, ended, in_prefix, publish, scope_of, table
from tests.oracle import objects

PATHS = ("a/b=%2F", "null", "Ä \\n'/😀")
ZONE = "Europe/Berlin"
# Both end in another month than they begin, and have a day of 23 or 25 hours.
FIRST_DAYS = (date(2026, 3, 28), date(2026, 10, 25))
DAYS = 8
SECONDS = (0, 1, 7_200, 10_800, 43_201, 86_399)  # of a day: borders of windows, times of readings
LONGEST = 1 << 20  # bytes: no file of this test is as large

Piece = tuple[str, int, int]  # tag path, start, end (s since 1970)
Print = tuple[int, int] | None  # rows and hash


@dataclass(frozen=True)
class State:
    """What is in a lake: readings, what is known of the source, other objects."""

    values: dict[tuple[str, int], float] = field(default_factory=dict)
    pieces: dict[Piece, Print] = field(default_factory=dict)
    others: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Something that is done to a lake, over whole seconds counted from its first day."""

    paths: frozenset[str]
    start: int
    end: int
    append: bool
    max_records: int
    target: int  # bytes of a file after compaction
    choice: int  # which pieces are patched or stale, which objects are left beside
    kind: str = "publish"


def spans() -> st.SearchStrategy[tuple[int, int]]:
    borders = st.builds(lambda day, second: day * 86_400 + second, st.integers(0, DAYS - 1), st.sampled_from(SECONDS))
    days = st.tuples(st.integers(0, DAYS - 2), st.integers(1, DAYS)).map(
        lambda d: (d[0] * 86_400, min(sum(d), DAYS - 1) * 86_400)
    )
    return days | st.tuples(borders, borders).filter(lambda b: b[0] != b[1]).map(lambda b: (min(b), max(b)))


def steps(*kinds: str) -> st.SearchStrategy[Step]:
    return st.builds(
        lambda span, **more: Step(start=span[0], end=span[1], **more),
        span=spans(),
        paths=st.sets(st.sampled_from(PATHS), min_size=1).map(frozenset),
        append=st.sampled_from([False, False, True]),
        max_records=st.sampled_from([2, 3, 7, 1000]),
        target=st.sampled_from([1, 4_000, LONGEST]),
        choice=st.integers(0, 255),
        kind=st.sampled_from(kinds),
    )


class Killed(BaseException):
    """Ends a run as a kill would: nobody undoes anything."""


class Dying:
    """A store whose process is gone from its n-th change on, just before it or just after."""

    def __init__(self, store: Any, at: int, *, after: bool) -> None:
        self.store, self.left, self.after, self.lock = store, at, after, Lock()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.store, name)
        if not callable(real):
            return real

        def counted(*arguments: Any) -> Any:
            with self.lock:
                self.left -= name in CHANGES
                last, over = self.left == 0 and name in CHANGES, self.left <= 0
            if over and not (last and self.after):
                raise Killed
            answer = real(*arguments)
            if last:
                raise Killed
            return answer

        return counted


class Lake(RuleBasedStateMachine):
    make_config: Callable[..., Config]
    lake: str
    keys: dict[str, Any]

    @initialize(first=st.sampled_from(FIRST_DAYS), every=st.sampled_from([40_000_000, 90_000_001]), daily=st.booleans())
    def begin(self, first: date, every: int, daily: bool) -> None:
        self.config = self.make_config(lake=self.lake, timezone=ZONE, **self.keys)
        self.store: Store = open_store(self.config)
        self.first, self.zero = first, int(midnight(first, ZONE).timestamp())
        self.source: dict[tuple[str, int], float] = {}
        self.state = State()
        self.fullest = 0
        self.crashed = self.looked = False
        self.historian_gets(set(PATHS), (0, (DAYS - 1) * 86_400), every, 0)
        step = Step(frozenset(PATHS), 0, 3 * 86_400, append=False, max_records=7, target=0, choice=1)
        self.a_run_a_day(step, backwards=False) if daily else self.a_run(step)

    # -- the source -------------------------------------------------------------------------------------------------

    @rule(
        paths=st.sets(st.sampled_from(PATHS), min_size=1), span=spans(),
        every=st.sampled_from([7_200_001, 40_000_000]), value=st.integers(0, 2),
    )  # fmt: skip
    def historian_gets(self, paths: set[str], span: tuple[int, int], every: int, value: int) -> None:
        window = self.window(*span)
        self.source |= {(p, ms): float(value) for p in paths for ms in range(window.start_ms, window.end_ms, every)}

    @rule(
        path=st.sampled_from(PATHS), day=st.integers(0, DAYS - 1), second=st.sampled_from(SECONDS),
        ms=st.lists(st.integers(0, 999), min_size=1, max_size=4), value=st.integers(0, 2),
    )  # fmt: skip
    def historian_gets_within_a_second(self, path: str, day: int, second: int, ms: list[int], value: int) -> None:
        at = self.instant(day * 86_400 + second)
        self.source |= {(path, at * 1000 + part): float(value) for part in ms}

    @rule(paths=st.sets(st.sampled_from(PATHS), min_size=1), span=spans())
    def historian_loses(self, paths: set[str], span: tuple[int, int]) -> None:
        for place in self.of(self.source, paths, self.window(*span)):
            del self.source[place]

    # -- the lake ---------------------------------------------------------------------------------------------------

    @rule(step=steps("publish", "publish", "patch", "compact"))
    def a_run(self, step: Step) -> None:
        after = self.after(step)
        self.crashed &= not self.do(step, self.store)
        self.state = after
        once = objects(self.config)
        if step.kind == "compact" or self.after(step) == after:
            self.do(step, self.store)
            assert objects(self.config) == once

    @rule(step=steps("publish"), backwards=st.booleans())
    def a_run_a_day(self, step: Step, backwards: bool) -> None:
        days = whole(self.window(step.start, step.end), ZONE)
        for day in reversed(days) if backwards else days:
            daily = replace(step, start=day.start_ms // 1000 - self.zero, end=day.end_ms // 1000 - self.zero)
            after = self.after(daily, exact=True)
            self.do(daily, self.store, exact=True)
            self.state, self.crashed = after, False

    @rule(step=steps("publish", "patch", "compact"), at=st.integers(1, 25), after=st.booleans(), recover=st.booleans())
    def a_run_that_is_killed(self, step: Step, at: int, after: bool, recover: bool) -> None:
        if self.crashed:
            lease.recover(self.store)
        self.crashed = True
        before, done = self.state, self.after(step)
        try:
            with ended():
                self.do(step, Dying(self.store, at, after=after))
            self.state = done
        except Killed:
            seen = (as_committed(self.store), self.pieces())
            assert seen in ((before.values, before.pieces), (done.values, done.pieces))
            manifest = read_manifest(self.store)
            undone = manifest.root.turn is not None and manifest.root.turn["phase"] == "writing"
            committed = not undone and seen == (done.values, done.pieces)
            self.state = done if committed else before
            if (before.values, before.pieces) == (done.values, done.pieces) and manifest.root.turn is None:
                others = {k: v for k, v in objects(self.config).items() if k.startswith("rejected/")}
                assert others in (before.others, done.others)
                self.state = replace(self.state, others=others)
        if recover:
            lease.recover(self.store)
            self.crashed = self.looked = False

    @precondition(lambda self: self.state.pieces)
    @rule(step=steps("publish"), other=steps("publish", "patch", "compact"), value=st.integers(0, 2))
    def a_run_while_another_commits(self, step: Step, other: Step, value: int) -> None:
        scope = scope_of(self.sized(step), *self.scope(step))
        seen = publishing.look(self.store, scope)
        self.historian_gets(set(other.paths), (other.start, other.end), 40_000_000, value)
        before, between = as_committed(self.store), self.after(other)
        self.crashed &= not self.do(other, self.store)
        self.state = between
        now = publishing.look(self.store, scope)
        after = self.after(step)
        try:
            self.do(step, self.store, seen=seen)
        except WindowBusy:
            assert other.kind != "compact"
            assert seen.entries != now.entries
            return
        # The other has changed nothing here, or brought the lake to a state of the source that this run knew already.
        unchanged = self.of(before, scope.paths, scope.window) == self.of(between.values, scope.paths, scope.window)
        assert unchanged or same(seen.pieces, now.pieces)
        self.state = after

    # -- what holds after each of them --------------------------------------------------------------------------------

    @invariant()
    def the_lake_is_what_the_model_says(self) -> None:
        if self.looked:  # only the historian has changed
            return
        self.looked = True
        self.objects_are_those_of_the_model()
        self.readers_get_what_is_committed()
        self.files_are_as_their_names_say()

    def objects_are_those_of_the_model(self) -> None:
        assert self.pieces() == self.state.pieces
        if self.crashed:
            assert not in_prefix(self.store)[1]
            assert as_committed(self.store) == self.state.values
        else:
            assert_whole(self.store, self.state.values)
            others = {key for key, _ in self.store.list("rejected")}
            assert {key: self.store.get(key) for key in others} == self.state.others

    def readers_get_what_is_committed(self) -> None:
        if read_manifest(self.store).version is None:
            return
        days = sensorstream.read_lake(self.config, self.first, self.first + timedelta(days=DAYS + 1))
        times = days.column("datetime").cast(pa.int64()).to_pylist()
        rows = zip(days.column("tagpath").to_pylist(), times, days.column("value").to_pylist(), strict=True)
        assert [*rows] == [(*place, value) for place, value in sorted(self.state.values.items())]

    def files_are_as_their_names_say(self) -> None:
        manifest = read_manifest(self.store)
        for month in manifest.months:
            last: dict[str, int] = {}
            for entry in sorted(manifest.entries(month)):
                assert month_window(month, ZONE).covers(entry.interval)
                assert entry.start >= last.get(entry.tagpath, 0)
                last[entry.tagpath] = entry.end
                assert entry.start * 1000 <= entry.first_ms <= entry.last_ms < entry.end * 1000
                assert entry.rows <= self.fullest or entry.first_ms // 1000 == entry.last_ms // 1000

    # -- the model ----------------------------------------------------------------------------------------------------

    def after(self, step: Step, *, exact: bool = False) -> State:
        """What a step leaves: the same in plain Python."""
        if step.kind == "compact":
            return self.state
        window, paths = self.scope(step, exact=exact)
        values, pieces, others = dict(self.state.values), dict(self.state.pieces), dict(self.state.others)
        if step.kind == "patch":
            chosen = self.patched(step)
            replaced = [(path, moments(start, end)) for path, start, end in chosen]
            pieces |= self.prints(chosen)
        else:
            replaced = [(path, window) for path in paths]
            pieces |= dict.fromkeys(self.stale(step))
            for piece in [(path, start, end) for path, start, end in pieces if path in paths]:
                path, start, end = piece
                if moments(start, end).overlaps(window):
                    del pieces[piece]
                    for rest in moments(start, end).minus(window):
                        pieces[path, rest.start_ms // 1000, rest.end_ms // 1000] = None
            pieces |= self.prints(self.days(window, paths))
            for key, data in self.beside(step).items():
                others.pop(key, None)
                others |= {} if data is None else {key: data}
        for path, part in replaced:
            new = self.of(self.source, [path], part)
            if step.append:
                values = {**new, **values}
            else:
                gone = self.of(values, [path], part)
                values = {place: value for place, value in values.items() if place not in gone} | new
        return State(values, pieces, others)

    def do(self, step: Step, store: Any, *, exact: bool = False, seen: Seen | None = None) -> bool:
        """Whether anything ran, and so put right what a killed run left: with no piece to patch nothing does."""
        self.fullest = max(self.fullest, step.max_records)
        self.looked = False
        config = self.sized(step)
        if step.kind == "compact":
            months = None if step.choice % 2 else read_manifest(store).months[:1] or None
            compaction.compact(config, months, now=datetime(2027, 1, 1, tzinfo=UTC), store=store)
            return True
        scope = scope_of(config, *self.scope(step, exact=exact))
        known = Known(prints_table(self.prints(self.days(*self.scope(step, exact=exact)))), stale=self.stale(step))
        if step.kind == "publish":
            publish(store, scope, self.source, append=step.append, known=known, others=self.beside(step), seen=seen)
            return True
        again = self.patched(step)
        if not again:
            return False
        files: dict[Any, bytes] = {}
        for path, start, end in again:
            readings = table(self.source, path)
            for month, part in moments(start, end).months(ZONE):
                rows, micros = inside(readings, part), store.iceberg is not None
                files |= files_of((path, month), part, rows, scope.max_records, micros=micros)
        seen = seen or publishing.look(store, scope)
        known = Known(prints_table(self.prints(again)))
        publishing.patch(
            StagedHere(files, store), store, scope, seen, again, known, after=seen.root, append=step.append
        )  # fmt: skip
        return True

    def sized(self, step: Step) -> Config:
        size = {"max_records_per_file": step.max_records, "compact_target_mb": step.target / compaction.MEGABYTE}
        return self.config.model_copy(update=size)

    def scope(self, step: Step, *, exact: bool = False) -> tuple[Window, frozenset[str]]:
        """Of a patch, what holds all of its pieces. ``exact`` are seconds since the first midnight."""
        if step.kind == "patch" and (again := self.patched(step)):
            return moments(min(p[1] for p in again), max(p[2] for p in again)), frozenset(p[0] for p in again)
        if exact:
            return moments(self.zero + step.start, self.zero + step.end), step.paths
        return self.window(step.start, step.end), step.paths

    def window(self, start: int, end: int) -> Window:
        return moments(self.instant(start), self.instant(end))

    def instant(self, second: int) -> int:
        """Seconds since 1970; ``second`` counts days of 24 hours, and begins each at its midnight. A day of 23 hours
        ends before they do."""
        day, rest = divmod(second, 86_400)
        begin, end = (int(midnight(self.first + timedelta(days=d), ZONE).timestamp()) for d in (day, day + 1))
        return min(begin + rest, end - 1)

    def patched(self, step: Step) -> list[Piece]:
        found = sorted(p for p in self.state.pieces if p[0] in step.paths)
        return [piece for n, piece in enumerate(found) if step.choice >> n % 8 & 1]

    def stale(self, step: Step) -> tuple[Piece, ...]:
        return tuple(sorted(self.state.pieces)[step.choice % 16 :: 5])

    def beside(self, step: Step) -> dict[str, bytes | None]:
        choice = step.choice % 4
        return {"rejected/run_id=1/part.parquet": None if choice == 3 else b"1" * choice} if choice else {}

    def days(self, window: Window, paths: Iterable[str]) -> list[Piece]:
        return [(path, day.start_ms // 1000, day.end_ms // 1000) for path in paths for day in whole(window, ZONE)]

    def prints(self, pieces: Iterable[Piece]) -> dict[Piece, Print]:
        found: dict[Piece, Print] = {}
        for path, start, end in pieces:
            rows = sorted(self.of(self.source, [path], moments(start, end)).items())
            found[path, start, end] = len(rows), zlib.crc32(repr(rows).encode())
        return found

    def pieces(self) -> dict[Piece, Print]:
        def look(manifest: Any) -> dict[Piece, Print]:
            rows = [row for month in manifest.root.pieces for row in manifest.pieces(month).to_pylist()]
            found = {
                (r["tagpath"], r["start"], r["end"]): None if r["rows"] is None else (r["rows"], r["hash"])
                for r in rows
            }
            assert len(found) == len(rows)
            return found

        return look(read_manifest(self.store))

    @staticmethod
    def of(values: dict[tuple[str, int], float], paths: Iterable[str], window: Window) -> dict[tuple[str, int], float]:
        chosen = set(paths)
        return {p: v for p, v in values.items() if p[0] in chosen and window.start_ms <= p[1] < window.end_ms}


def moments(start: int, end: int) -> Window:
    return Window(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))


def prints_table(prints: dict[Piece, Print]) -> pa.Table:
    rows = [
        {"tagpath": p, "start": s, "end": e, "rows": found and found[0], "hash": found and found[1]}
        for (p, s, e), found in prints.items()
    ]
    return pa.Table.from_pylist(rows, schema=PIECES)


def hold(make_config: Callable[..., Config], lake: str, examples: int, count: int, **keys: Any) -> None:
    machine = type("Machine", (Lake,), {"make_config": staticmethod(make_config), "lake": lake, "keys": keys})
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    how = settings(max_examples=examples, stateful_step_count=count, deadline=None, suppress_health_check=checks)
    run(machine, settings=how)
