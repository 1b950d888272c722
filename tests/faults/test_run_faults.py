"""Publications and compactions over a store that fails: done as if it had not, or one sentence and a whole lake."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import psycopg
import pytest

from sensorstream.config.settings import Config
from sensorstream.errors import LakeError, WindowBusy
from sensorstream.lake.manifest import ROOT, read_manifest
from sensorstream.lake.stores import Store, open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.publishing import lease
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.faults.proxy import Answer, Fault, Kind, Proxy
from tests.faults.works import CASES, NEW, publish_new
from tests.historians import DAY, T0, add, small_historian
from tests.lakes import as_committed, assert_whole, ended, in_prefix, put_all
from tests.oracle import Row, objects, readings_of

PATIENCE_SECONDS = 1.5
AMPLE_SECONDS = 6.0  # where faults pass, but eight lakes share a processor
KINDS = (Kind.PUT, Kind.SWAP, Kind.COPY, Kind.GET, Kind.LIST, Kind.DELETE)
FAULTS = [fault for fault in Fault if fault is not Fault.UNCONDITIONAL]
SILENCES = (Fault.STALL, Fault.HANG)
AT_ONCE = 8
WORKS = ("overwrite across borders", "compaction")


@dataclass(frozen=True)
class Faulty:
    """A lake that is prepared for a work, and the same behind a proxy."""

    config: Config
    behind: Config
    proxy: Proxy
    case: str

    @property
    def store(self) -> Store:
        return open_store(self.config)

    def work(self, config: Config) -> None:
        CASES[self.case][1](open_store(config), config)

    @property
    def before(self) -> dict:
        return CASES[self.case][2]

    @property
    def after(self) -> dict:
        return CASES[self.case][3]


@pytest.fixture
def faulty(sandbox, make_config) -> Iterator[Callable[[str], Faulty]]:
    """``faulty(case)`` makes a lake that is prepared for it."""
    prepared: dict[str, dict[str, bytes]] = {}
    proxies: list[Proxy] = []
    one_prepares = Lock()

    def make(case: str, patience: float = PATIENCE_SECONDS) -> Faulty:
        config = make_config(lake="s3")
        with one_prepares:
            if new := case not in prepared:
                CASES[case][0](open_store(config), config)
                prepared[case] = objects(config)
        if not new:
            put_all(open_store(config), prepared[case])
        proxies.append(Proxy(sandbox.s3_endpoint))
        keys = {"s3_endpoint_url": proxies[-1].url, "s3_patience_seconds": patience}
        return Faulty(config, config.model_copy(update=keys), proxies[-1], case)

    with ended():  # the next run need not wait for this one, which goes on living
        yield make
    for proxy in proxies:
        proxy.__exit__()


def at_once(check: Callable, cases: list[tuple], faulty: Callable[[str], Faulty]) -> None:
    """``check`` each case, whose first part is a work, on a lake of its own.

    A lake's proxy lives as long as its case: a thousand of them, made beforehand, did nothing but wake each other up.
    """

    def alone(case: tuple) -> None:
        lake = faulty(case[0])
        try:
            check(*case, lake)
        finally:
            lake.proxy.__exit__()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for case, outcome in [(case, pool.submit(alone, case)) for case in cases]:
            try:
                outcome.result()
            except BaseException as error:
                error.add_note(f"in case {case}")
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def patient(faulty: Callable[[str, float], Faulty]) -> Callable[[str], Faulty]:
    return lambda case: faulty(case, AMPLE_SECONDS)


def every(faults: list[Fault], cases: tuple[str, ...] = WORKS) -> list[tuple[str, Kind, Fault]]:
    return [(case, kind, fault) for case in cases for kind in KINDS for fault in faults]


def shared_out(faults: list[Fault]) -> list[tuple[str, Kind, Fault]]:
    """Each kind and fault once, with one work or the other."""
    return [(WORKS[number % len(WORKS)], kind, fault) for number, (_, kind, fault) in enumerate(every(faults, ("",)))]


def passes(case: str, kind: Kind, fault: Fault, skip: int, lake: Faulty) -> None:
    if kind is Kind.LIST:  # only who has something to undo lists
        lake.proxy.fail(Kind.PUT, Answer(403, "AccessDenied"), times=1, skip=3)
        lake.proxy.fail(kind, fault, times=2)
        with pytest.raises(LakeError, match="refused"):
            lake.work(lake.behind)
        assert_whole(lake.store, lake.before)
    else:
        lake.proxy.fail(kind, fault, times=2, skip=skip)
    lake.work(lake.behind)
    assert lake.proxy.failed[kind] >= 1
    assert_whole(lake.store, lake.after)


@pytest.mark.slow
def test_faults_that_pass_are_not_noticed(faulty):
    at_once(passes, [(*case, random.randrange(2)) for case in shared_out(FAULTS)], patient(faulty))


@pytest.mark.slow
def test_faults_of_any_request_that_pass_are_not_noticed(faulty):
    at_once(passes, [(*case, skip) for case in every(FAULTS) for skip in range(2)], patient(faulty))


def lasts(case: str, kind: Kind, fault: Fault, skip: int, lake: Faulty) -> None:
    lake.proxy.fail(kind, fault, skip=skip)
    try:
        lake.work(lake.behind)
    except (LakeError, WindowBusy) as failure:
        assert "\n" not in str(failure) and len(str(failure)) < 400, failure
    committed = as_committed(lake.store)
    assert committed in (lake.before, lake.after)
    assert not in_prefix(lake.store)[1]
    lake.proxy.heal()
    lease.recover(open_store(lake.behind))
    assert_whole(lake.store, committed)
    lake.work(lake.behind)
    assert_whole(lake.store, lake.after)


def test_faults_that_last_are_one_sentence_and_the_lake_is_whole(faulty):
    quick = [fault for fault in FAULTS if fault not in SILENCES]
    at_once(lasts, [(*case, random.randrange(4)) for case in shared_out(quick)], faulty)


def test_a_first_publication_that_ends_while_the_store_is_tried_leaves_nothing_behind(faulty):
    lasts("first publication", Kind.DELETE, Fault.SLOW_DOWN, 0, faulty("first publication"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_faults_that_last_from_any_request_on(faulty):
    cases = every(FAULTS, tuple(CASES))
    at_once(lasts, [(*case, skip) for case in cases for skip in range(6)], faulty)


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.TRUNCATED, Fault.HANG])
def test_a_commit_whose_answer_is_lost_is_no_failure(fault, faulty):
    lake = faulty("overwrite across borders")
    lake.proxy.fail(Kind.SWAP, fault, times=1, skip=1)  # the first takes the turn
    lake.work(lake.behind)
    assert lake.proxy.failed[Kind.SWAP] == 1
    assert_whole(lake.store, NEW)


def test_a_commit_of_which_nothing_is_heard_any_more_keeps_its_files(faulty, monkeypatch):
    """The swap is done, its answer is lost, the root cannot be read to know, and then the store is well again."""
    lake = faulty("overwrite across borders")
    undo = lease.Lease.undo

    def in_better_times(turn):
        lake.proxy.heal()
        undo(turn)

    monkeypatch.setattr(lease.Lease, "undo", in_better_times)
    lake.proxy.fail(Kind.SWAP, Fault.LOST, skip=1)
    lake.proxy.fail(Kind.GET, Fault.RESET, key=ROOT, skip=2)
    with pytest.raises(LakeError, match=r"cannot be reached|break off"):
        lake.work(lake.behind)
    assert read_manifest(lake.store).root.turn["phase"] == "settling"
    assert as_committed(lake.store) == NEW
    lease.recover(lake.store)
    assert_whole(lake.store, NEW)


def test_a_run_that_has_lost_its_turn_removes_nothing_of_who_has_it_now(faulty, monkeypatch):
    lake = faulty("overwrite across borders")
    commit = lease.Lease.commit

    def after_another(turn, *arguments):
        monkeypatch.undo()
        publish_new(lake.store, lake.config)
        commit(turn, *arguments)

    monkeypatch.setattr(lease.Lease, "commit", after_another)
    with pytest.raises(WindowBusy, match="another run has taken over"):
        publish_new(lake.store, lake.config)
    assert_whole(lake.store, NEW)


@pytest.mark.parametrize("seeds", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_a_store_that_fails_at_random_is_not_noticed(seeds, faulty):
    def check(case: str, seed: int, lake: Faulty) -> None:
        at_random(lake.proxy, seed, 12)
        lake.work(lake.behind)
        assert_whole(lake.store, lake.after)

    cases = [(WORKS[seed % 2], seed) for seed in random.sample(range(10**6), seeds)]
    at_once(check, cases, patient(faulty))


def at_random(proxy: Proxy, seed: int, faults: int) -> None:
    """Faults that come alone, here and there; the listing that a run begins with has little patience.

    One silence for each kind of request: several in a row are an outage, which takes all the patience there is.
    """
    chance, kinds = random.Random(seed), [kind for kind in KINDS if kind is not Kind.LIST]
    silent: set[Kind] = set()
    for _ in range(faults):
        kind = chance.choice(kinds)
        fault = chance.choice([fault for fault in FAULTS if fault not in SILENCES or kind not in silent])
        silent |= {kind} if fault in SILENCES else set()
        proxy.fail(kind, fault, times=1, skip=chance.randrange(1, 6))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(400, "ExpiredToken"), "credentials have expired: log in again, or use a role"),
        (Answer(403, "RequestTimeTooSkewed"), "clocks of this machine and the store differ"),
    ],
    ids=lambda case: getattr(case, "code", ""),
)
def test_what_the_store_takes_no_longer_ends_a_run_at_once(answer, says, sandbox, database, make_config, monkeypatch):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    config = make_config(dbname=database.name, lake="s3")
    announce = lease.Lease.announce
    with Proxy(sandbox.s3_endpoint) as proxy, monkeypatch.context() as hooks, ended():

        def from_now_on(holder, *arguments):
            for kind in KINDS:
                proxy.fail(kind, answer)
            announce(holder, *arguments)

        hooks.setattr(lease.Lease, "announce", from_now_on)
        began = time.monotonic()
        with pytest.raises(LakeError, match=says):
            ingest(config.model_copy(update={"s3_endpoint_url": proxy.url}), DAY)
        assert time.monotonic() - began < config.s3_patience_seconds / 2
    ingest(config, DAY)
    verify(config, DAY).raise_if_different()


@pytest.mark.slow
def test_a_whole_run_through_a_store_that_fails_at_random(sandbox, database, make_config):
    window = window_of("UTC", start="2026-10-14", end="2026-10-17")
    rows = [Row(i, window.start_ms + n * 3_600_000, float(n)) for i in (1, 2, 3) for n in range(72)]
    small_historian(database, rows, {1: "a", 2: "b/ü", 3: "c"})
    right = make_config(dbname=database.name)
    seed, failed = random.randrange(10**6), 0
    print(f"seed {seed}")
    with Proxy(sandbox.s3_endpoint) as proxy:
        faulty = make_config(
            dbname=database.name, lake="s3", s3_endpoint_url=proxy.url, s3_patience_seconds=AMPLE_SECONDS
        )
        for days in ("2026-10-16", "2026-10-17"):
            at_random(proxy, seed, 16)
            for config in (right, faulty):
                ingest(config, window_of("UTC", start="2026-10-14", end=days))
            failed += proxy.failed.total()
            proxy.heal()  # faults that are left over would come in a row with those of the next run
            with psycopg.connect(database.owner) as connection:
                add(connection, [Row(1, window.start_ms + int(days[-2:]), 9.0)])
        assert failed > 5, seed
    direct = faulty.model_copy(update={"s3_endpoint_url": sandbox.s3_endpoint})
    assert readings_of(direct) == readings_of(right), seed
    assert objects(direct).keys() == objects(right).keys(), seed
