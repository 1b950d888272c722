"""The Iceberg table that a lake in a folder is as well, read by pyiceberg, which knows nothing of this project."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import load_catalog
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.table import StaticTable

from sensorstream import read_lake
from sensorstream.config.settings import Config
from sensorstream.errors import ConfigError, LakeError
from sensorstream.lake.iceberg import table as iceberg_table
from sensorstream.lake.iceberg.pointer import HINT, Pointers
from sensorstream.lake.keys import storable
from sensorstream.lake.manifest import read_manifest
from sensorstream.lake.scan import metadata
from sensorstream.lake.stores import open_store
from sensorstream.publishing import lease
from sensorstream.publishing import publish as publishing
from sensorstream.publishing.compaction import compact, to_iceberg
from sensorstream.windows import Window, day_window
from tests.configs import lakes_in
from tests.lakes import as_table, assert_whole, ended, publish, scope_of

DAY = day_window(datetime(2026, 10, 14, tzinfo=UTC).date(), "UTC")
TABLE = {"table": "plant.readings"}
PATHS = ("a/b=%2F", "null", "Ä \\n'/😀")


def values(window: Window = DAY, factor: float = 1.0, paths=PATHS) -> dict[tuple[str, int], float]:
    return {
        (p, ms): factor * n for p in paths for n, ms in enumerate(range(window.start_ms + 1, window.end_ms, 3_600_007))
    }


@pytest.fixture
def make(tmp_path):
    lakes = lakes_in(tmp_path)
    return lambda **iceberg: lakes(iceberg=TABLE | iceberg)


def put(config: Config, readings, window: Window = DAY) -> None:
    store = open_store(config)
    publish(store, scope_of(config, window, sorted({path for path, _ in readings})), readings)


def day(number: int) -> Window:
    return Window(DAY.start + timedelta(days=number), DAY.end + timedelta(days=number))


def static(config: Config) -> StaticTable:
    return StaticTable.from_metadata(f"{open_store(config).url}iceberg")


paths = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffe\uffff"), min_size=1, max_size=20)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=paths, other=paths, at=st.integers(1, 999))
def test_any_tag_path_and_any_bound_of_time_read_the_same_as_the_manifest(make, path, other, at):
    try:
        storable([path, other], prefix=None, iceberg=True)
    except ConfigError:
        return
    config, times = make(), [DAY.start_ms + n for n in (0, at, 1000, 60_000)]
    readings = {(p, ms): float(ms % 7) for p in {path, other} for ms in times}
    put(config, readings)
    scan = static(config).scan
    bound = datetime.fromtimestamp(times[1] / 1000, UTC).isoformat()
    mine = EqualTo("tagpath", path)

    def rows(condition) -> list[int]:
        found = scan(row_filter=And(mine, condition)).to_arrow()
        return sorted(round(time.timestamp() * 1000) for time in found.column("datetime").to_pylist())

    assert as_table(open_store(config)) == readings
    assert rows(GreaterThanOrEqual("datetime", bound)) == sorted(ms for ms in times if ms >= times[1])
    assert rows(EqualTo("datetime", bound)) == [times[1]]
    assert rows(LessThan("datetime", bound)) == sorted(ms for ms in times if ms < times[1])


def test_each_commit_is_one_snapshot_that_tells_window_and_counts(make):
    config = make()
    put(config, values(day(0)), day(0))
    put(config, values(day(1)), day(1))
    first, second = static(config).snapshots()
    assert second.summary["sensorstream-commit"] == str(day(1))
    assert second.summary["added-records"] == str(len(values(day(1))))
    assert second.summary["total-records"] == str(2 * len(values(day(1))))
    put(config, values(day(1), 2.0), day(1))  # files of both are gone
    (last,) = static(config).snapshots()
    assert last.snapshot_id not in (first.snapshot_id, second.snapshot_id)
    assert_whole(open_store(config), values(day(0)) | values(day(1), 2.0))
    compact(config, ["2026-10"])
    assert_whole(open_store(config), values(day(0)) | values(day(1), 2.0))


def test_times_of_snapshots_do_not_go_back_with_the_clock(make, monkeypatch):
    """Engines in Java refuse a table where they do."""
    config, now = make(), time.time()
    for number, later in enumerate((0, -86_400, 3600, -3600)):
        with monkeypatch.context() as clock:
            clock.setattr(time, "time", lambda: now + later)  # noqa: B023
            put(config, values(day(number)), day(number))
    metadata = static(config).metadata
    times = [snapshot.timestamp_ms for snapshot in metadata.snapshots]
    assert times == sorted(times) == [entry.timestamp_ms for entry in metadata.snapshot_log]
    assert len(times) == 4 and metadata.last_updated_ms == times[-1]


def test_many_commits_merge_their_manifests_and_leave_no_orphan(make, monkeypatch):
    monkeypatch.setattr(iceberg_table, "MANIFESTS_TO_MERGE", 3)
    monkeypatch.setattr(iceberg_table, "MOST_SNAPSHOTS", 4)
    config, every = make(), {}
    for number in range(7):
        put(config, values(day(number), paths=["a"]), day(number))
        every |= values(day(number), paths=["a"])
        assert_whole(open_store(config), every)
    assert len(static(config).snapshots()) == 4


def test_replaced_files_stay_as_long_as_asked_and_older_states_are_read(make, monkeypatch):
    config = make(keep_days=1)
    put(config, values())
    between = datetime.now(UTC) + timedelta(milliseconds=2)
    while datetime.now(UTC) <= between:
        pass
    put(config, values(factor=2.0))
    put(config, values(factor=1.0))  # the first files are back
    old = read_lake(config, DAY, patterns="null", as_of=between).column("value").to_pylist()
    assert old == [value for (path, _), value in values().items() if path == "null"]
    with pytest.raises(LakeError, match=r"has no state of 2020-.*keep_days"):
        read_lake(config, DAY, as_of="2020-01-01")
    assert len(static(config).snapshots()) == 3
    now = iceberg_table.time.time()
    monkeypatch.setattr(iceberg_table.time, "time", lambda: now + 2 * 86_400)
    put(config, values(factor=3.0))
    assert as_table(open_store(config)) == values(factor=3.0)
    kept = [key for key, _ in open_store(config).list("readings")]
    assert len(kept) == 2 * len(PATHS)  # of this state and the one before, which was the table until now


def test_a_lake_that_was_begun_without_is_rewritten_and_refused_until_then(make, tmp_path):
    config = make()
    plain = config.model_copy(update={"iceberg": None})
    put(plain, values(day(0)), day(0))
    put(plain, values(day(1)), day(1))
    with pytest.raises(ConfigError, match=r'was begun without "iceberg": rewrite it with sensorstream compact'):
        put(config, values(day(2)), day(2))
    assert to_iceberg(config).files_before == 2 * len(PATHS)
    assert_whole(open_store(config), values(day(0)) | values(day(1)))
    with pytest.raises(ConfigError, match=r'is an Iceberg table and "iceberg" is not set'):
        put(plain, values(day(2)), day(2))
    with pytest.raises(ConfigError, match="say which in"):
        to_iceberg(plain)


def test_without_the_key_a_lake_has_the_names_the_bytes_and_the_milliseconds_of_always(make):
    config = make().model_copy(update={"iceberg": None})
    put(config, values(paths=["a"]))
    store = open_store(config)
    (key,) = (key for key, _ in store.list("readings"))
    assert key == "readings/tagpath=a/month=2026-10/20261014T000000Z_20261015T000000Z.parquet"
    assert str(pq.read_schema(store.path / key).field("datetime").type) == "timestamp[ms, tz=UTC]"
    assert b"iceberg" not in (store.get("_sensorstream/manifest.json") or b"") and not [*store.list("iceberg")]
    with pytest.raises(ConfigError, match="as_of needs one"):
        read_lake(config, DAY, as_of="2026-10-15")


# -- catalogs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def sqlite(tmp_path):
    return {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db"}


def in_catalog(properties):
    return load_catalog("sensorstream", **properties).load_table("plant.readings")


def test_the_entry_of_a_catalog_follows_each_commit(make, sqlite):
    config = make(catalog=sqlite)
    for factor in (1.0, 2.0):
        put(config, values(factor=factor))
        assert in_catalog(sqlite).metadata_location == f"{open_store(config).url}{metadata(config)}"
    assert in_catalog(sqlite).scan().to_arrow().num_rows == len(values())


def test_an_entry_or_a_hint_that_was_left_behind_is_put_in_place_by_recover(make, sqlite):
    config = make(catalog=None)
    put(config, values())
    later = config.model_copy(update={"iceberg": make(catalog=sqlite).iceberg})
    store = open_store(later)
    store.delete([HINT])
    assert "put in its place" in (lease.recover(store) or "")
    assert in_catalog(sqlite).metadata_location.endswith(metadata(config))
    assert as_table(store) == values()
    assert lease.recover(store) is None


def test_somebody_elses_commit_is_refused_by_name_and_can_be_taken_back(make, sqlite):
    config = make(catalog=sqlite)
    put(config, values())
    in_catalog(sqlite).transaction().set_properties(owner="somebody").commit_transaction()
    with pytest.raises(LakeError, match=r"somebody else has committed to the Iceberg table plant\.readings.*recover"):
        put(config, values(factor=2.0))
    load_catalog("sensorstream", **sqlite).drop_table("plant.readings")
    lease.recover(open_store(config))
    put(config, values(factor=2.0))
    assert in_catalog(sqlite).scan().to_arrow().num_rows == len(values())


def test_a_run_whose_catalog_does_not_answer_is_committed_and_the_next_one_moves_the_entry(make, sqlite, monkeypatch):
    config = make(catalog=sqlite)
    put(config, values())

    def down(*_: object) -> None:
        raise OSError("no route to the catalog")

    with monkeypatch.context() as away:
        away.setattr("pyiceberg.catalog.sql.SqlCatalog.commit_table", down)
        said = r"catalog of Iceberg table plant\.readings.*no route.*is committed"
        with ended(), pytest.raises(LakeError, match=said):
            put(config, values(factor=2.0))
    store = open_store(config)
    assert read_manifest(store).root.turn is not None
    lease.recover(store)
    assert in_catalog(sqlite).metadata_location.endswith(metadata(config))
    assert_whole(store, values(factor=2.0))


def test_a_password_of_a_catalog_is_shown_nowhere(make):
    config = make(catalog={"type": "rest", "uri": "http://user:geheim@localhost", "token": "geheim"})
    assert "geheim" not in f"{config!r}{config.masked()}"


def test_names_that_are_no_table_are_refused(make):
    with pytest.raises(ConfigError, match=r"write its namespace and name, like plant\.readings"):
        make(table="readings")


def test_a_table_that_lost_its_metadata_is_made_anew_of_the_manifest(make):
    from sensorstream.publishing.prepare import prepare

    config = make()
    put(config, values())
    store = open_store(config)
    store.delete([metadata(config)])
    manifest = read_manifest(store)
    anew = prepare(manifest, {}, "rebuilt", whole=True)
    assert anew.gone == ()
    table = iceberg_table.LakeTable(store, anew.root.iceberg)
    assert table.files().keys() == {key for key, _ in store.list("readings")}
    assert replace(manifest, root=anew.root).root.is_table


@pytest.mark.parametrize("step", ["looked", "leased"])
def test_recover_waits_for_a_run_that_takes_the_root_at_that_moment(step, make, monkeypatch):
    config = make()
    put(config, values())
    store, behind, others = open_store(config), Pointers.behind, [day(1)]
    store.delete([HINT])

    def beside(pointers: Pointers) -> bool:
        found = behind(pointers)
        for window in others[:1]:
            others.clear()
            if step == "looked":
                put(config, values(window), window)
            else:
                with ended():
                    lease.acquire(read_manifest(store), "a day")
        return found

    monkeypatch.setattr(Pointers, "behind", beside)
    lease.recover(store)
    assert read_manifest(store).root.turn is None and lease.recover(store) is None


def test_another_runs_commit_at_that_moment_is_nobody_elses(make, monkeypatch):
    config = make()
    put(config, values())
    not_busy, others = publishing._not_busy, [day(40)]

    def beside(*args: object) -> None:
        for window in others[:1]:
            others.clear()
            put(config, values(window), window)
        not_busy(*args)

    monkeypatch.setattr(publishing, "_not_busy", beside)
    put(config, values(factor=2.0))
    assert as_table(open_store(config)) == values(factor=2.0) | values(day(40))
