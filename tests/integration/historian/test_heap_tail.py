"""The end of a table's file, held to fingerprints: it names all that changed, or declines and says why."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from unittest.mock import patch

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorstream.historian import heap_tail, open_historian
from sensorstream.historian.fingerprint_sql import fingerprints
from sensorstream.historian.heap_tail import CannotVouch, Mark
from sensorstream.historian.model import PartitionTable
from sensorstream.sandbox import postgres
from sensorstream.sandbox.state import State
from tests.fingerprints import Fingerprint, read_fingerprints

DAY = 86_400_000
BORDERS = [n * DAY for n in range(6)]
KINDS = {"tagid": "integer", "t_stamp": "bigint", "dataintegrity": "integer", "floatvalue": "double precision"}
TABLE = PartitionTable("sqlt_data_1_1970_01", ("floatvalue",), tuple(KINDS.items()))
NAME = TABLE.name
CREATE = (
    f"CREATE TABLE {NAME} (tagid int, t_stamp int8, floatvalue float8, dataintegrity int)"
    " WITH (fillfactor = 90, autovacuum_enabled = off)"  # room for updates in place
)


@dataclass(frozen=True)
class Seen:
    """The table in one snapshot, and what its tail says of the time since the mark before."""

    fingerprints: dict[tuple[int, int], Fingerprint]
    mark: Mark
    verdict: dict[tuple[int, int], int] | CannotVouch | None

    def changed_since(self, before: Seen) -> set[tuple[int, int]]:
        keys = self.fingerprints.keys() | before.fingerprints.keys()
        return {key for key in keys if self.fingerprints.get(key) != before.fingerprints.get(key)}


class Plant:
    """A table of readings, filled and vacuumed, and its owner's hands."""

    def __init__(self, owner: str, config) -> None:
        self.owner, self.config = owner, config
        self.lock = threading.Lock()
        self.begin()

    def begin(self) -> None:
        self.next = 0
        self.run(f"DROP TABLE IF EXISTS {NAME}", CREATE, f"CREATE UNIQUE INDEX ON {NAME} (tagid, t_stamp, floatvalue)")
        self.insert(8_000, tags=20)
        self.run(f"VACUUM ANALYZE {NAME}")

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """A connection whose counts of rows are known to everybody when it is done."""
        with psycopg.connect(self.owner, autocommit=True) as connection:
            yield connection
            connection.execute("SELECT pg_stat_force_next_flush()")

    def run(self, *statements: str) -> None:
        with self.session() as connection:
            for statement in statements:
                connection.execute(statement)

    def insert(self, count: int, *, tags: int = 3, connection: psycopg.Connection | None = None) -> None:
        """New readings, their times anywhere in the days, before and behind them."""
        with self.lock:
            first, self.next = self.next, self.next + count
        statement = (
            f"INSERT INTO {NAME} SELECT n %% %s, (n::int8 * 7919 * 1000) %% (7 * 86400000) - 86400000, n, 192"
            " FROM generate_series(%s::int, %s::int) n"
        )
        if connection:
            connection.execute(statement, [tags, first, first + count - 1])
        else:
            with self.session() as own:
                own.execute(statement, [tags, first, first + count - 1])

    def look(self, before: Seen | None = None, margin: int = 4) -> Seen:
        with open_historian(self.config) as historian:
            state = heap_tail.table_state(historian, TABLE)
            assert isinstance(state, heap_tail.TableState), state
            historian.export_snapshot([TABLE])
            found = read_fingerprints(historian.connection.execute(fingerprints("public", TABLE, BORDERS)))
            kept = Mark(**json.loads(json.dumps(asdict(before.mark)))) if before else None
            rows = heap_tail.rows_now(historian, TABLE, state, kept)
            verdict = heap_tail.tail(historian, TABLE, kept, rows, BORDERS) if kept else None
            with patch.object(heap_tail, "MARGIN_PAGES", margin):
                return Seen(found, heap_tail.take_mark(historian, TABLE, state, rows), verdict)


@pytest.fixture
def plant(database, make_config) -> Plant:
    database.execute("CREATE TABLE tags (id int, tagpath text, description text, unit text)")
    return Plant(database.owner, make_config(dbname=database.name, layout="generic"))


@pytest.fixture
def admin(sandbox, database) -> Iterator[psycopg.Connection]:
    with postgres._admin(State.load(sandbox.root), database.name) as connection:
        yield connection


def vouched(plant: Plant, before: Seen) -> Seen:
    """Look again: what fingerprints say has changed is named, or the tail declines."""
    after = plant.look(before)
    if isinstance(after.verdict, dict):
        assert after.changed_since(before) <= after.verdict.keys()
    return after


# -- what the end of the file cannot show ----------------------------------------------------------------------------


def update(what: str) -> Callable[[Plant], None]:
    return lambda plant: plant.run(f"UPDATE {NAME} SET {what} WHERE tagid = 2 AND floatvalue < 4000")


def delete(plant: Plant) -> None:
    plant.run(f"DELETE FROM {NAME} WHERE tagid = 1 AND floatvalue < 4000")


def replace_deleted(plant: Plant) -> None:
    """As many rows come as go, into the very space."""
    plant.run(f"DELETE FROM {NAME} WHERE floatvalue < 500", f"VACUUM {NAME}")
    plant.insert(500)


def truncate_and_refill(plant: Plant) -> None:
    plant.run(f"TRUNCATE {NAME}")
    plant.insert(9_000)


def create_anew(plant: Plant) -> None:
    plant.run(f"DROP TABLE {NAME}", CREATE)
    plant.insert(9_000)


DECLINED = {
    "updated in place": (update("dataintegrity = 192 - dataintegrity"), "were updated"),
    "updated and moved": (update("floatvalue = -floatvalue"), "were updated"),
    "deleted": (delete, "deleted since"),
    "deleted, vacuumed and the space reused": (replace_deleted, "deleted since"),
    "VACUUM FULL": (lambda plant: plant.run(f"VACUUM FULL {NAME}"), "written anew"),
    "truncated and refilled": (truncate_and_refill, "written anew"),
    "dropped and created anew": (create_anew, "another table"),
}


@pytest.mark.parametrize("name", DECLINED)
def test_the_tail_declines_what_it_cannot_see(plant, name):
    do, why = DECLINED[name]
    before = plant.look()
    do(plant)
    after = vouched(plant, before)
    assert isinstance(after.verdict, CannotVouch) and why in after.verdict.reason


def test_rows_in_reused_space_are_found_by_who_wrote_them(plant):
    plant.run(f"DELETE FROM {NAME} WHERE floatvalue < 500", f"VACUUM {NAME}")
    before = plant.look()
    plant.insert(200)
    after = vouched(plant, before)
    assert isinstance(after.verdict, dict) and after.changed_since(before) == after.verdict.keys()


def test_a_table_that_nothing_came_into_is_not_counted_again(plant):
    before = plant.look()
    known = replace(before, mark=replace(before.mark, rows=-1))  # a count that none but the mark can tell
    assert plant.look(known).mark.rows == -1
    plant.insert(1)
    assert plant.look(known).mark.rows == before.mark.rows + 1


def test_counters_that_were_reset_prove_nothing(plant, admin):
    before = plant.look()
    admin.execute("SELECT pg_stat_reset_single_table_counters(%s::regclass)", [NAME])
    after = vouched(plant, before)
    assert isinstance(after.verdict, CannotVouch) and "reset" in after.verdict.reason


def test_a_file_that_shrank_proves_nothing(plant):
    rolled_back(plant, 3_000)
    before = plant.look()
    plant.run(f"VACUUM {NAME}")
    after = vouched(plant, before)
    assert isinstance(after.verdict, CannotVouch) and "shrank" in after.verdict.reason


def test_what_is_no_plain_table_has_no_end(plant, database):
    database.execute(f"CREATE VIEW a_view AS SELECT * FROM {NAME}")
    database.execute("CREATE TABLE divided (tagid int, t_stamp int8) PARTITION BY RANGE (t_stamp)")
    database.execute(f"CREATE TABLE heir () INHERITS ({NAME})")
    with open_historian(plant.config) as historian:
        for name in ("a_view", "divided", NAME):
            state = heap_tail.table_state(historian, PartitionTable(name))
            assert isinstance(state, CannotVouch) and f"{name} is no plain table" in state.reason
        assert isinstance(heap_tail.table_state(historian, PartitionTable("none")), CannotVouch)


def test_a_column_that_came_makes_the_mark_useless(plant):
    before = plant.look()
    moved = replace(before, mark=replace(before.mark, columns="intvalue"))
    assert isinstance(vouched(plant, moved).verdict, CannotVouch)


# -- appending -------------------------------------------------------------------------------------------------------


def rolled_back(plant: Plant, count: int = 300) -> None:
    with plant.session() as connection, connection.transaction(force_rollback=True):
        plant.insert(count, connection=connection)


def with_savepoints(plant: Plant) -> None:
    with plant.session() as connection, connection.transaction():
        plant.insert(40, connection=connection)
        with connection.transaction(force_rollback=True):
            plant.insert(300, connection=connection)
        with connection.transaction():
            plant.insert(40, connection=connection)


def copied(plant: Plant) -> None:
    with plant.session() as connection, connection.cursor().copy(f"COPY {NAME} FROM STDIN") as copy:
        with plant.lock:
            first, plant.next = plant.next, plant.next + 5_000
        for n in range(first, plant.next):
            copy.write_row((n % 20, n * 7919 % (6 * DAY), n, 192))


def vacuumed(plant: Plant) -> None:
    plant.run(f"VACUUM (FREEZE) {NAME}")


APPENDING = (lambda plant: plant.insert(60), rolled_back, with_savepoints, copied, vacuumed)


@pytest.mark.parametrize("writers", [1, 8])
def test_late_readings_are_named_exactly(plant, writers):
    before = plant.look(margin=64)
    for round_ in range(3):
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(lambda n: [plant.insert(50, tags=n + 1) for _ in range(4)], range(writers)))
        if round_ == 1:
            rolled_back(plant)
            with_savepoints(plant)
        after = vouched(plant, before)
        grown = {
            key: after.fingerprints[key].count - before.fingerprints.get(key, Fingerprint()).count
            for key in after.changed_since(before)
        }
        assert after.verdict == grown and sum(grown.values()) > writers * 100
        before = plant.look(margin=64)


@pytest.mark.parametrize("margin", [0, 64])
def test_a_transaction_open_at_the_mark_is_seen_when_it_ends(plant, margin):
    with plant.session() as slow:
        slow.execute("BEGIN")
        plant.insert(3, tags=1, connection=slow)
        plant.insert(1_000, tags=2)  # a later transaction that ends before
        before = plant.look(margin=margin)
        plant.insert(3, tags=1, connection=slow)
        slow.execute("COMMIT")
    after = vouched(plant, before)
    assert after.changed_since(before)
    assert isinstance(after.verdict, dict)


def test_a_savepoint_open_at_the_mark_is_no_transaction_that_the_mark_knows(plant):
    with plant.session() as slow:
        slow.execute("BEGIN; SAVEPOINT deeper")
        plant.insert(3, tags=1, connection=slow)
        plant.insert(1_000, tags=2)
        before = plant.look(margin=0)
        slow.execute("COMMIT")
    after = vouched(plant, before)
    assert isinstance(after.verdict, CannotVouch) and "+3 rows since the mark" in after.verdict.reason


def test_eight_writers_at_once_and_a_slow_one(plant):
    """Looked at in mid-flow: in a margin of ordinary size nothing trips, and nothing is missed."""
    done = threading.Event()

    def write(number: int) -> None:
        with psycopg.connect(plant.owner, autocommit=True) as connection:
            while not done.is_set():
                plant.insert(5 if number == 0 else 50, tags=number + 1, connection=connection)
                done.wait(0.25 if number == 0 else 0.01)

    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(write, number) for number in range(8)]
        try:
            seen = [plant.look(margin=heap_tail.MARGIN_PAGES)]
            for _ in range(6):
                done.wait(0.3)
                after = plant.look(seen[-1], margin=heap_tail.MARGIN_PAGES)
                assert isinstance(after.verdict, dict), after.verdict
                assert after.changed_since(seen[-1]) <= after.verdict.keys()
                seen.append(after)
        finally:
            done.set()
        for written in writing:
            written.result()
    assert seen[-1].changed_since(seen[0])


# -- any mixture -----------------------------------------------------------------------------------------------------


class Slow:
    """A transaction that stays open while others come and go."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.connection = psycopg.connect(plant.owner)

    def write(self) -> None:
        self.plant.insert(7, connection=self.connection)

    def commit(self) -> None:
        self.connection.commit()
        self.connection.execute("SELECT pg_stat_force_next_flush()")
        self.connection.commit()


MIXED = {
    **{name: do for name, (do, _) in DECLINED.items() if name not in ("VACUUM FULL", "dropped and created anew")},
    "appended": APPENDING[0],
    "rolled back": rolled_back,
    "savepoints": with_savepoints,
    "copied": copied,
    "vacuumed": vacuumed,
}
steps = st.sampled_from(
    [*MIXED, *["updated in place", "appended", "slow writes"] * 3, *["slow commits"] * 2, *["look"] * 9]
)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("examples", [8, pytest.param(60, marks=pytest.mark.slow)])
def test_any_mixture_is_named_or_declined(examples, plant):
    @settings(max_examples=examples)
    @given(st.lists(steps, min_size=6, max_size=15), st.sampled_from([0, 1, 8, 1024]))
    def named_or_declined(mixture, margin):
        plant.begin()
        slow = Slow(plant)
        try:
            before = plant.look(margin=margin)
            for step in [*mixture, "look"]:
                if step == "look":
                    after = plant.look(before, margin=margin)
                    if isinstance(after.verdict, dict):
                        assert after.changed_since(before) <= after.verdict.keys()
                    before = after
                elif step == "slow writes":
                    slow.write()
                elif step == "slow commits":
                    slow.commit()
                else:
                    if step == "truncated and refilled":
                        slow.commit()  # or it would wait for the lock
                    MIXED[step](plant)
        finally:
            slow.connection.close()

    named_or_declined()
