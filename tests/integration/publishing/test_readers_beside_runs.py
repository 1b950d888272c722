"""Who reads while runs write gets whole states; who writes beside another waits, or is told."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from threading import Barrier, Event

import duckdb
import pyarrow as pa
import pytest

import sensorstream
from sensorstream.config.settings import Config
from sensorstream.errors import WindowBusy
from sensorstream.lake.source_state import days as pieces_of
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.publishing import publish as publishing
from sensorstream.publishing.file_changes import files_of
from sensorstream.publishing.publish import Known
from sensorstream.staging.staged_files import StagedHere
from sensorstream.transform.readings import inside
from sensorstream.windows import Window
from tests.faults.works import PATHS, compact, days, values
from tests.historians import small_historian
from tests.lakes import as_committed, as_table, assert_whole, publish, scope_of, table
from tests.oracle import Row

WHOLE = days(0, 6)  # over a month border
ROUNDS = 4
Values = dict[tuple[str, int], float]


@contextmanager
def beside(look: Callable[[], None]) -> Iterator[list[int]]:
    """``look`` again and again in a thread, while the block lasts and at least once; how often, afterwards."""
    over, looks = Event(), [0]

    def loop() -> None:
        while not over.is_set() or not looks[0]:
            look()
            looks[0] += 1

    with ThreadPoolExecutor(1) as pool:
        looking: Future = pool.submit(loop)
        try:
            yield looks
        finally:
            over.set()
        looking.result()


def twice_in_prefix(config: Config) -> int:
    query = (
        "SELECT count(*) - count(DISTINCT (tagpath, datetime))"
        " FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false)"
    )
    with duckdb.connect() as connection:
        return connection.execute(query, [f"{config.lake}/readings/**/*.parquet"]).fetchone()[0]


def put(config: Config, window: Window, new: Values, **more: object) -> None:
    publish(open_store(config), scope_of(config, window, PATHS), new, **more)


def late_patch(config: Config, window: Window, new: Values) -> None:
    """One day of a tag path is read again."""
    store, path = open_store(config), PATHS[0]
    ((month, part),) = window.months(config.timezone)
    scope = scope_of(config, window, [path])
    rows, micros = inside(table(new, path), part), store.iceberg is not None
    files = files_of((path, month), part, rows, scope.max_records, micros=micros)
    seen = publishing.look(store, scope)
    known = Known(pieces_of([path], [window], config.timezone))
    piece = (path, window.start_ms // 1000, window.end_ms // 1000)
    publishing.patch(StagedHere(files, store), store, scope, seen, [piece], known, after=seen.root)


def changes(config: Config, state: Values) -> Iterator[tuple[Values, Callable[[], None]]]:
    """What is done to the lake one after another, with what it holds afterwards."""
    for n in range(1, ROUNDS + 1):
        for window in (WHOLE, days(1, 3), days(0, 2), days(2, 6)):  # in place; shifted; over a border
            state = {**state, **values(window, 2.0 * n + window.start_ms % 7)}
            yield state, lambda window=window, state=state: put(config, window, state)
        patched = {r: v for r, v in values(days(1, 2), -1.0 * n).items() if r[0] == PATHS[0]}
        state = {**state, **patched}
        yield state, lambda state=state: late_patch(config, days(1, 2), state)
        yield state, lambda: compact(open_store(config), config)


def test_a_reader_of_the_prefix_never_meets_a_reading_twice(make_config):
    config = make_config(max_records_per_file=30)
    first = values(WHOLE, 1.0)
    put(config, WHOLE, first)
    vanished = 0

    def look() -> None:
        nonlocal vanished
        try:
            assert twice_in_prefix(config) == 0
        except duckdb.Error as error:  # between its listing and its reading a file went
            assert "No files found" in str(error) or "No such file" in str(error), error
            vanished += 1

    with beside(look) as looks:
        states = [(change(), state)[1] for state, change in changes(config, first)]
    assert looks[0] > vanished
    assert_whole(open_store(config), states[-1])


@pytest.mark.parametrize("keep_days", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_a_reader_of_the_iceberg_table_gets_one_committed_state_whole(keep_days, make_config):
    config = make_config(max_records_per_file=30, iceberg={"table": "plant.readings", "keep_days": keep_days})
    states = [values(WHOLE, 1.0)]
    put(config, WHOLE, states[0])
    whole = vanished = 0

    def look() -> None:
        nonlocal whole, vanished
        since = max(len(states) - 2, 0)
        try:
            found = as_table(open_store(config))  # no reading twice, or it fails
        except FileNotFoundError:  # a file that was replaced went while it was read
            vanished += 1
            return
        assert found in states[since:]
        whole += 1

    with beside(look):
        for state, change in islice(changes(config, states[0]), 10):
            states.append(state)
            change()
    look()
    assert whole and not (keep_days and vanished)
    assert as_committed(open_store(config)) == states[-1]


def test_a_rerun_of_the_same_disturbs_no_reader(make_config):
    config = make_config(max_records_per_file=30)
    put(config, WHOLE, values(WHOLE, 1.0))
    with beside(lambda: pytest.fail("twice") if twice_in_prefix(config) else None) as looks:
        for _ in range(8):
            put(config, WHOLE, values(WHOLE, 1.0))
            compact(open_store(config), config.model_copy(update={"compact_target_mb": 1e-9}))
    assert looks[0] >= 1


@pytest.mark.parametrize("lake", [pytest.param("local", marks=pytest.mark.slow), "s3"])
def test_sensorstream_read_gets_one_committed_state_whole(lake, make_config):
    config = make_config(lake=lake, max_records_per_file=30)
    states = [values(WHOLE, 1.0)]
    put(config, WHOLE, states[0])
    committed = 0

    def look() -> None:
        first = committed
        found = sensorstream.read_lake(config, WHOLE.start, WHOLE.end)
        times = found.column("datetime").cast(pa.int64()).to_pylist()
        rows = list(zip(found.column("tagpath").to_pylist(), times, strict=True))
        got = dict(zip(rows, found.column("value").to_pylist(), strict=True))
        assert len(got) == len(rows)
        assert got in states[first:]

    with beside(look) as looks:
        for number, (state, change) in enumerate(changes(config, states[0]), 1):
            states.append(state)
            change()
            committed = number
    assert looks[0] >= 2
    assert_whole(open_store(config), states[-1])


@pytest.mark.parametrize("session", [None, "spark"], ids=["this machine", "Spark"])
def test_a_reader_beside_whole_runs_gets_what_one_of_them_left(session, database, make_config, request):
    def of_round(number: int) -> Values:
        return {(path, ms): value + number for (path, ms), value in values(WHOLE, 1.0).items()}

    numbers = {path: n for n, path in enumerate(PATHS)}
    small_historian(database, [Row(numbers[p], ms, v) for (p, ms), v in of_round(0).items()], dict(enumerate(PATHS)))
    october, november = "sqlt_data_1_2026_10", "sqlt_data_1_2026_11"
    database.execute(f"CREATE TABLE {november} (LIKE {october} INCLUDING ALL)")
    late = f"DELETE FROM {october} WHERE t_stamp >= {days(2, 3).start_ms} RETURNING *"
    database.execute(f"WITH late AS ({late}) INSERT INTO {november} SELECT * FROM late")
    spark, config = session and request.getfixturevalue(session), make_config(dbname=database.name, lake="s3")
    ingest(config, WHOLE, spark=spark)
    committed = 0

    def look() -> None:
        first = committed
        found = sensorstream.read_lake(config, WHOLE.start, WHOLE.end)
        times = found.column("datetime").cast(pa.int64()).to_pylist()
        rows = list(zip(found.column("tagpath").to_pylist(), times, strict=True))
        got = dict(zip(rows, found.column("value").to_pylist(), strict=True))
        assert len(got) == len(rows)
        assert got in [of_round(number) for number in range(first, ROUNDS + 1)]

    with beside(look) as looks:
        for number in range(1, ROUNDS + 1):
            for month in (october, november):
                database.execute(f"UPDATE {month} SET floatvalue = floatvalue + 1")
            assert ingest(config, WHOLE, spark=spark).files_written
            committed = number
    assert looks[0] >= 2
    assert_whole(open_store(config), of_round(ROUNDS))


@pytest.mark.parametrize("lake", ["local", "s3"])
def test_of_publishers_of_one_window_one_wins_and_the_others_are_told(lake, make_config):
    config = make_config(lake=lake)
    store, scope, together = open_store(config), scope_of(config, WHOLE, PATHS), Barrier(3)

    def one(factor: float) -> float | WindowBusy:
        seen = publishing.look(store, scope)
        together.wait()
        try:
            publish(open_store(config), scope, values(WHOLE, factor), seen=seen)
            return factor
        except WindowBusy as busy:
            return busy

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(one, (1.0, 2.0, 3.0)))
    (winner,) = [factor for factor in found if isinstance(factor, float)]
    assert {busy.exit_code for busy in found if isinstance(busy, WindowBusy)} == {7}
    assert_whole(store, values(WHOLE, winner))


def publish_a_day(config: Config, day: int) -> None:
    put(config, days(day, day + 1), values(days(day, day + 1), 1.0))


@pytest.mark.parametrize("lake", ["local", "s3"])
def test_runs_of_different_days_and_a_compaction_all_land(lake, make_config):
    config = make_config(lake=lake)
    processes = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    with processes, ThreadPoolExecutor(5) as threads:
        runs = [(processes if day % 3 == 0 else threads).submit(publish_a_day, config, day) for day in range(9)]
        time.sleep(0.1)
        runs += [threads.submit(compact, open_store(config), config) for _ in range(2)]
        for done in runs:
            done.result()
    assert_whole(open_store(config), values(days(0, 9), 1.0))
    compact(open_store(config), config)
    assert as_committed(open_store(config)) == values(days(0, 9), 1.0)


def test_a_day_that_is_new_in_a_compacted_gap_is_not_taken_for_busy(make_config):
    config = make_config()
    store, scope = open_store(config), scope_of(config, days(3, 4), PATHS)
    for day in (2, 4):
        publish_a_day(config, day)
    seen = publishing.look(store, scope)
    compact(store, config)
    publish(store, scope, values(days(3, 4), 1.0), seen=seen)
    assert_whole(store, values(days(2, 5), 1.0))
