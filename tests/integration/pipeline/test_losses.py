"""A historian that shows less than it has: the run refuses, and the lake keeps what it holds."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorstream.errors import SensorStreamError, SourceError
from sensorstream.lake.keys import READINGS
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.planning import row_counts
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.historians import add, small_historian
from tests.oracle import Row, expect, objects, readings_of

DAY, BEFORE = (window_of("UTC", day=f"2026-10-{day}") for day in (14, 13))
HOUR = 3_600_000
TABLE = "sqlt_data_1_2026_10"
PATHS = {1: "a", 2: "b"}


def hourly(window=DAY, ids=PATHS) -> list[Row]:
    return [
        Row(i, t, None if i == 2 else float(t % 977), f"t{t % 7}" if i == 2 else None)
        for i in ids
        for t in range(window.start_ms, window.end_ms, HOUR)
    ]


@pytest.fixture
def lake(database, make_config):
    """A day of two tags, of numbers and of texts, that is in the lake; ``again()`` runs it once more."""
    small_historian(database, hourly(), PATHS)
    config = make_config(dbname=database.name)
    ingest(config, DAY)
    first = objects(config)

    class Lake:
        execute = staticmethod(database.execute)
        owner = database.owner
        before = first

        def again(self, says: str | None = None, **keys: object) -> None:
            """Run; with ``says`` the run is to end so, and to leave the lake as it was."""
            changed = config.model_copy(update=keys)
            if says is None:
                ingest(changed, DAY)
                self.before = objects(config)
                return
            with pytest.raises(SourceError, match=says):
                ingest(changed, DAY)
            assert objects(config) == self.before

        def damage(self) -> None:
            """Cut every file of readings short."""
            store = open_store(config)
            for key, _ in list(store.list(READINGS.rstrip("/"))):
                store.put(key, b"PAR1")

        def readings(self):
            return readings_of(config)

    return Lake()


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
@pytest.mark.parametrize("column", ["floatvalue", "intvalue", "stringvalue", "datevalue", "dataintegrity", "tagid"])
def test_a_column_that_vanished_is_named_and_the_lake_is_kept(column, engine, lake):
    lake.execute(f"ALTER TABLE {TABLE} RENAME {column} TO gone")
    lake.again(rf"table {TABLE} has no column {column} \(it has ", engine=engine)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("RENAME floatvalue TO gone", "floatvalue"),
        ("ALTER floatvalue TYPE real", "column floatvalue was double precision when planned and is real now"),
        ("RENAME TO gone", TABLE),
    ],
)
def test_a_table_that_changes_between_plan_and_snapshot_is_named(change, says, lake, monkeypatch):
    hold = row_counts.pinned

    def changed(*how, **more):
        lake.execute(f"ALTER TABLE {TABLE} {change}")
        return hold(*how, **more)

    monkeypatch.setattr(row_counts, "pinned", changed)
    lake.again(says)


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (f"UPDATE {TABLE} SET floatvalue = NULL", "a has 24 values in the lake and 0 to come"),
        (f"UPDATE {TABLE} SET stringvalue = NULL", "b has 24 texts in the lake and 0 to come"),
        (f"UPDATE {TABLE} SET dataintegrity = 0", "24 readings in the lake and 0 to come.*and 1 more"),
        (
            f"DELETE FROM {TABLE} WHERE tagid = 1 AND t_stamp % 86400000 >= 11 * {HOUR}",
            "a has 24 readings .* and 11 to",
        ),
        (f"TRUNCATE {TABLE}", "a has 24 readings in the lake and 0 to come"),
    ],
)
def test_an_overwrite_that_would_take_most_of_a_tag_away_stops_and_says_how_to_allow_it(change, says, engine, lake):
    lake.execute(change)
    lake.again(says, engine=engine)
    lake.again(engine=engine, allow_loss=True)
    assert len(lake.readings()) < 48 or None in {bits or text for _, _, bits, text, _ in lake.readings()}


@pytest.mark.parametrize(("column", "lost"), [("floatvalue", "values"), ("stringvalue", "texts")])
def test_values_do_not_stand_for_texts_nor_texts_for_values(column, lost, lake):
    """Of a tag that has both."""
    lake.execute(f"UPDATE {TABLE} SET floatvalue = 1, stringvalue = 'on'")
    lake.again()
    lake.execute(f"UPDATE {TABLE} SET {column} = NULL")
    lake.again(f"a has 24 {lost} in the lake and 0 to come.*and 1 more")


def test_what_is_less_than_most_is_replaced_as_ever(lake):
    lake.execute(f"DELETE FROM {TABLE} WHERE tagid = 1 AND t_stamp % 86400000 >= 12 * {HOUR}")
    lake.again()
    assert len(lake.readings()) == 12 + 24


def test_damaged_files_do_not_keep_a_run_from_putting_them_right(lake):
    lake.damage()
    lake.execute(f"UPDATE {TABLE} SET floatvalue = NULL, stringvalue = NULL WHERE t_stamp = {DAY.start_ms}")
    lake.again()
    assert len(lake.readings()) == 48


def test_appending_takes_nothing_away(lake):
    lake.execute(f"TRUNCATE {TABLE}")
    lake.again(write_mode="append")
    assert len(lake.readings()) == 48


def test_a_day_before_that_lost_its_readings_is_left_and_told_after_the_window_is_published(
    database,
    make_config,
):
    small_historian(database, hourly(BEFORE), PATHS)
    config = make_config(dbname=database.name)
    ingest(config, BEFORE)
    database.execute(f"DELETE FROM {TABLE} WHERE tagid = 1")
    with psycopg.connect(database.owner) as connection:
        add(connection, hourly(DAY))
    with pytest.raises(
        SourceError, match=r"a has 24 readings in the lake and 0 to come.*the window itself is published"
    ):
        ingest(config, DAY)
    assert readings_of(config) == expect([*hourly(BEFORE), *hourly(DAY)], PATHS).readings
    ingest(config.model_copy(update={"allow_loss": True}), DAY)
    assert readings_of(config) == expect([*hourly(BEFORE, [2]), *hourly(DAY)], PATHS).readings


# What happens to a historian between two runs: what its owner does, and how many of a tag's rows are left (of 24).
EVENTS = st.one_of(
    st.tuples(st.just("delete"), st.sampled_from([1, 2]), st.integers(0, 24)),
    st.tuples(st.just("hide"), st.sampled_from([1, 2]), st.integers(0, 24)),
    st.tuples(st.just("empty"), st.sampled_from(["floatvalue", "stringvalue"]), st.integers(0, 24)),
    st.tuples(st.just("rename"), st.sampled_from(["floatvalue", "stringvalue", "intvalue"]), st.just(0)),
    st.tuples(st.just("revoke"), st.sampled_from([TABLE, "sqlth_te"]), st.just(0)),
    st.tuples(st.just("add"), st.sampled_from([1, 2]), st.integers(0, 24)),
)


def happen(database, kind: str, what: object, number: int) -> None:
    from_hour = f"t_stamp >= {DAY.start_ms + number * HOUR}"
    statements = {
        "delete": f"DELETE FROM {TABLE} WHERE tagid = {what} AND {from_hour}",
        "hide": f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY; DROP POLICY IF EXISTS p ON {TABLE};"
        f" CREATE POLICY p ON {TABLE} USING (NOT (tagid = {what} AND {from_hour}))",
        "empty": f"UPDATE {TABLE} SET {what} = NULL WHERE {from_hour}",
        "rename": f"ALTER TABLE {TABLE} RENAME {what} TO gone",
        "revoke": f"REVOKE SELECT ON {what} FROM reader",
        "add": f"INSERT INTO {TABLE} VALUES ({what}, NULL, 5, NULL, NULL, 192, {DAY.start_ms + number * HOUR + 1})"
        " ON CONFLICT DO NOTHING",
    }
    database.execute(statements[kind])


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("examples", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_whatever_happens_the_lake_equals_the_source_or_the_run_is_refused(examples, database, make_config):
    @settings(max_examples=examples)
    @given(st.lists(EVENTS, max_size=4), st.sampled_from(["packed", "packed", "jdbc"]))
    def equals_or_is_refused(events, engine):
        database.execute(f"DROP TABLE IF EXISTS {TABLE}, sqlth_te")
        small_historian(database, hourly(), PATHS)
        config = make_config(dbname=database.name, engine=engine)
        ingest(config, DAY)
        for event in events:
            with suppress(psycopg.errors.UndefinedColumn, psycopg.errors.DuplicateColumn):  # renamed before
                happen(database, *event)
            before = objects(config)
            refused = False
            try:
                ingest(config, DAY)
            except SensorStreamError:
                refused = True
                assert objects(config) == before
            with suppress(psycopg.errors.UndefinedColumn):  # nothing is read of a table that lacks a column
                columns = "tagid, t_stamp, floatvalue, stringvalue, dataintegrity"
                rows = database.execute(f"SELECT {columns} FROM {TABLE}")  # the owner sees all
                whole = readings_of(config) == expect([Row(*row) for row in rows], PATHS).readings
                assert whole or refused
                assert verified(config) in ((None, True) if whole else (None, False))

    equals_or_is_refused()


def verified(config) -> bool | None:
    """What ``verify`` says; nothing where it is refused."""
    try:
        return verify(config, DAY).success
    except SensorStreamError:
        return None
