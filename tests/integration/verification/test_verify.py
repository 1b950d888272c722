"""``sensorstream verify``: whatever is wrong with a lake is named, and ``--repair`` makes it right."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sensorstream.config.settings import Config
from sensorstream.errors import LakeCheckFailed
from sensorstream.lake import manifest
from sensorstream.lake.iceberg.pointer import HINT
from sensorstream.lake.keys import READINGS, TAGS, reading_key
from sensorstream.lake.manifest import ROOT, DataFile, MonthChange, read_manifest, swap_root, write_states
from sensorstream.lake.stores import Store, open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.publishing import compaction, lease
from sensorstream.publishing.publish import look
from sensorstream.verification import verify as verification
from sensorstream.verification.result import Verification
from sensorstream.verification.verify import verify
from sensorstream.windows import Window, window_of
from tests.faults.killed import killed
from tests.historians import small_historian
from tests.lakes import as_committed, as_table, put_all, scope_of
from tests.oracle import Row, expect, objects, readings_of, without_marks

DAYS = [window_of("UTC", day=f"2026-10-{day}") for day in (14, 15, 16)]
WHOLE = window_of("UTC", start="2026-10-14", end="2026-10-17")
HOUR = 3_600_000
ODD = "plant/ü b%"
PATHS = {1: "plant/a", 2: ODD, 3: "other"}
FIRST = {path: reading_key(path, "2026-10", DAYS[0]) for path in PATHS.values()}  # files of the first day


def rows_of(window: Window) -> list[Row]:
    found = [Row(i, t, i + t % 1000 / 7) for i in PATHS for t in range(window.start_ms, window.end_ms, HOUR)]
    return [*found, Row(2, window.start_ms + 1, None, "text"), Row(1, window.start_ms + 2, 9.0, quality=0)]


@dataclass
class Lake:
    """A lake of three days in three tags, and its historian; ``verify`` and ``main`` are of the first day."""

    config: Config
    store: Store
    execute: Callable[..., list[tuple]]
    spark: object
    command: Callable[..., tuple[int, str, str]]

    def verify(self, **how: object) -> Verification:
        how = {"window": DAYS[0]} | how
        return verify(self.config, how.pop("window"), how.pop("patterns", None), **how)

    def main(self, *words: str) -> tuple[int, str, str]:
        return self.command(self.config, "--date", "2026-10-14", *words)

    def rows(self, window: Window = WHOLE) -> list[Row]:
        query = (
            "SELECT tagid, t_stamp, floatvalue, stringvalue, dataintegrity, '' FROM sqlt_data_1_2026_10"
            f" WHERE t_stamp >= {window.start_ms} AND t_stamp < {window.end_ms}"
        )
        return [Row(*row) for row in self.execute(query)]

    def assert_as_the_oracle(self) -> None:
        assert readings_of(self.config) == expect(self.rows(), PATHS).readings
        assert lease.read_manifest(self.store).root.turn is None


AS_INGESTED: dict[str, bytes] = {}  # the lake's objects, from the first historian of those rows


@pytest.fixture
def command(tmp_path, capsys):
    """``command(config, *words)``: exit code, standard output and error of ``sensorstream verify``."""
    from sensorstream.cli.main import main

    def run(config: Config, *words: str) -> tuple[int, str, str]:
        file = tmp_path / "config.json"
        values = config.model_dump(mode="json")
        values["db"]["password"] = config.db.password.get_secret_value() if config.db.password else None
        file.write_text(json.dumps(values))
        with pytest.raises(SystemExit) as end:
            main(["verify", "--config", str(file), *words])
        return (end.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def make_lake(database, make_config, spark, command) -> Callable[..., Lake]:
    def make(lake: str = "local", **keys: object) -> Lake:
        small_historian(database, [row for day in DAYS for row in rows_of(day)], PATHS)
        config = make_config(dbname=database.name, lake=lake, allow_loss=True, **keys)  # what is gone here is gone
        if AS_INGESTED:
            put_all(open_store(config), AS_INGESTED)
        else:
            for day in DAYS:
                ingest(config, day)
            AS_INGESTED.update(objects(config))
        return Lake(config, open_store(config), database.execute, spark, command)

    return make


@pytest.fixture
def lake(make_lake) -> Lake:
    return make_lake()


# -- clean ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["local", "s3"])
def test_a_clean_lake_is_clean_and_left_alone(place, make_lake):
    lake = make_lake(place)
    before = objects(lake.config)
    code, out, err = lake.main("--json")
    assert code == 0, err
    said = json.loads(out.splitlines()[-1])
    assert said["success"] and said["differences"] == said["repaired"] == said["notes"] == []
    assert said["measured"]["files"] == 3 and said["measured"]["readings in them"] == 3 * 24 + 1
    told = []
    assert lake.verify(window=WHOLE, repair=True, progress=told.append).success
    last = {step.phase: step for step in told}
    assert last["extract"].readings >= 3 * 24 + 1 and last["compare"].share == 1
    assert objects(lake.config) == before


def test_files_of_other_borders_with_the_same_readings_are_no_difference(lake):
    compaction.compact(lake.config, ["2026-10"])
    part = window_of("UTC", start="2026-10-14T06:30:00", end="2026-10-16T07:00:00")
    found = lake.verify(window=part)
    assert found.success and found.measured["files"] == 3 and not found.notes


# -- each kind of difference ----------------------------------------------------------------------------------------

AT = DAYS[0].start_ms + 5 * HOUR


def source(statement: str) -> Callable[[Lake], None]:
    return lambda lake: lake.execute(statement) and None


def spoil(change: Callable[[bytes], bytes | None], path: str = ODD) -> Callable[[Lake], None]:
    """Change the object of the first day of a tag path."""

    def do(lake: Lake) -> None:
        data = change(lake.store.get(FIRST[path]) or b"")
        lake.store.delete([FIRST[path]]) if data is None else lake.store.put(FIRST[path], data)

    return do


def another_schema(data: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    return parquet(table.set_column(1, "value", pa.array([str(v) for v in table.column("value").to_pylist()])))


def fewer_readings(data: bytes) -> bytes:
    return parquet(pq.read_table(io.BytesIO(data)).slice(1))


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def name_a_file_that_is_not_there(lake: Lake) -> None:
    """A file of a day that was never read, in the manifest only; and one that shares time with another."""
    commit(lake, replace(entry_of(lake, ODD), digest="0" * 64), start=0, end=12)


def commit(lake: Lake, like: DataFile, *, start: int, end: int) -> None:
    before = read_manifest(lake.store)
    first = like.start
    bogus = replace(like, start=first + start * 3600 + 1, end=first + end * 3600)
    with pytest.MonkeyPatch.context() as patch:  # it shares time with another, which no run commits
        patch.setattr(manifest, "_refuse_overlaps", lambda *_: None)
        root = write_states(before, {"2026-10": MonthChange(added=frozenset([bogus]))})
    after = swap_root(before, root)
    lake.store.delete(sorted(before.root.states - after.root.states))


def entry_of(lake: Lake, path: str) -> DataFile:
    return next(entry for entry in read_manifest(lake.store).entries("2026-10") if entry.key == FIRST[path])


def put(key: str, data: bytes = b"not Parquet") -> Callable[[Lake], None]:
    return lambda lake: lake.store.put(key, data)


HALF = reading_key(ODD, "2026-10", Window(DAYS[0].start, DAYS[0].start.replace(hour=12)))
BESIDE = FIRST[ODD].rpartition("/")[0] + "/part-0.parquet"
FAULTS: dict[str, tuple[Callable[[Lake], None], str, str]] = {
    "a reading is updated": (
        source(f"UPDATE sqlt_data_1_2026_10 SET floatvalue = -1 WHERE tagid = 2 AND t_stamp = {AT}"),
        "different", "in the lake, -1.0 in the source",
    ),
    "a reading's quality is another good one": (
        source(f"UPDATE sqlt_data_1_2026_10 SET stringvalue = 'x' WHERE tagid = 2 AND t_stamp = {AT}"),
        "different", '"x" in the source',
    ),
    "a reading is deleted": (
        source(f"DELETE FROM sqlt_data_1_2026_10 WHERE tagid = 2 AND t_stamp = {AT}"),
        "surplus", "2026-10-14T05:00:00.000+00:00",
    ),
    "a reading is late": (
        source(f"INSERT INTO sqlt_data_1_2026_10 VALUES (2, NULL, 7.5, NULL, NULL, 192, {AT + 1})"),
        "missing", "nothing in the lake, 7.5 in the source",
    ),
    "all readings of a day are deleted": (
        source(f"DELETE FROM sqlt_data_1_2026_10 WHERE tagid = 2 AND t_stamp < {DAYS[0].end_ms}"),
        "surplus", "25 readings not in the source",
    ),
    "a file is deleted": (spoil(lambda data: None), "damaged", "is missing"),
    "a file is cut off": (spoil(lambda data: data[: len(data) // 2]), "damaged", "is damaged Parquet"),
    "a file is empty": (spoil(lambda data: b""), "damaged", "is empty"),
    "a file has another schema": (spoil(another_schema), "damaged", "has column value of type string, not double"),
    "a file has other readings": (spoil(fewer_readings), "damaged", "holds other readings than were committed"),
    "the manifest names a file that is not there": (name_a_file_that_is_not_there, "damaged", "is missing"),
    "a file that nobody committed": (put(HALF, b"PAR1"), "foreign", "nobody committed it"),
    "an object of no such name": (put(BESIDE), "foreign", "part-0.parquet"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_named_and_repaired(fault, lake):
    harm, kind, says = FAULTS[fault]
    before = objects(lake.config)
    harm(lake)
    code, out, err = lake.main("--json")
    found = [one for one in json.loads(out.splitlines()[-1])["differences"] if one["kind"] != "overlap"]
    assert [(one["kind"], one["tagpath"]) for one in found] == [(kind, ODD)]
    assert says in f"{found[0]['key']} {found[0]['what']}"
    assert code == 6 and err.splitlines()[-1].startswith("sensorstream: lake ") and "command: --repair" in err
    code, out, err = lake.main("--repair", "--json")
    assert code == 0, err
    said = json.loads(out.splitlines()[-1])
    assert said["differences"] == [] and kind in {one["kind"] for one in said["repaired"]}
    lake.assert_as_the_oracle()
    found = lake.verify(window=WHOLE)
    assert found.success and found.notes == ()
    if kind in ("damaged", "foreign"):
        assert objects(lake.config) == before


@pytest.mark.parametrize("place", ["local", "s3"])
@pytest.mark.parametrize("fault", ["a reading is late", "a file has another schema", "an object of no such name"])
def test_on_s3_as_in_a_folder(fault, place, make_lake):
    lake = make_lake(place)
    FAULTS[fault][0](lake)
    assert not lake.verify().success
    assert lake.verify(repair=True).success
    lake.assert_as_the_oracle()


def test_a_run_that_was_killed_is_reported_with_its_tag_paths(lake):
    from tests.faults.works import PATHS as THEIRS

    assert killed(lake.config, "publish_new", 12, after=True)
    found = lake.verify()
    assert {one.kind for one in found.differences} == {"killed run"}
    assert {one.tagpath for one in found.differences} <= set(THEIRS)
    with pytest.raises(LakeCheckFailed, match="a run that ended while it published 2026-10-31"):
        found.raise_if_different()
    assert lake.main()[0] == 0
    assert killed(lake.config, "publish_new", 12, after=True)
    assert lake.main("--repair")[0] == 0
    lake.assert_as_the_oracle()


def test_metadata_of_tags_that_nobody_can_read_is_named_and_written_anew(lake):
    before = objects(lake.config)
    for rubbish in (b"rubbish", before[TAGS][:-20], before[FIRST[ODD]]):
        lake.store.put(TAGS, rubbish)
        (found,) = lake.verify().differences
        assert (found.kind, found.key) == ("damaged", TAGS) and found.what.startswith("cannot be read (")
        assert lake.main("--repair")[0] == 0 and objects(lake.config) == before


def test_an_ingest_puts_right_what_it_replaces_whole(lake):
    before = without_marks(objects(lake.config))
    lake.store.put(FIRST[ODD], b"rubbish")
    lake.store.delete([FIRST["other"]])
    lake.store.put(TAGS, b"rubbish")
    record = ingest(lake.config, DAYS[0], spark=lake.spark)
    assert (record.files_written, record.files_unchanged) == (2, 1)
    assert without_marks(objects(lake.config)) == before


def test_what_the_bookkeeping_does_not_name_is_a_leftover(lake):
    before = objects(lake.config)
    put("_sensorstream/staged/0123/4567", b"left")(lake)
    (found,) = lake.verify().differences
    assert (found.kind, found.key) == ("leftover", "_sensorstream/staged/0123/4567")
    assert lake.verify(repair=True).success and objects(lake.config) == before


@pytest.mark.parametrize("harm", ["gone", "of the commit before"])
def test_an_iceberg_table_that_is_not_the_manifests_is_named_and_made_anew(harm, database, make_config, command):
    small_historian(database, [row for day in DAYS for row in rows_of(day)], PATHS)
    config = make_config(dbname=database.name, iceberg={"table": "plant.readings"})
    lake = Lake(config, open_store(config), database.execute, None, command)
    for day in DAYS:
        ingest(config, day)
    assert as_table(lake.store) == as_committed(lake.store) and lake.verify(window=WHOLE).success
    now = read_manifest(lake.store)
    if harm == "gone":
        lake.store.delete([now.root.iceberg["metadata"]])
    else:
        swap_root(now, replace(now.root, iceberg={"metadata": now.root.iceberg["before"]}))
        lake.store.delete([HINT])
    assert "table" in {found.kind for found in lake.verify(window=WHOLE).differences}
    assert lake.verify(window=WHOLE, repair=True).success
    assert as_table(lake.store) == as_committed(lake.store)


@pytest.mark.parametrize("harm", ["gone", "spoilt"])
@pytest.mark.parametrize("kind", ["files", "pieces"])
def test_a_lost_state_is_named_and_rebuilt_from_the_files(kind, harm, lake):
    key = getattr(read_manifest(lake.store).root, kind)["2026-10"]
    lake.store.delete([key]) if harm == "gone" else lake.store.put(key, b"PAR1")
    before = {key: data for key, data in objects(lake.config).items() if key.startswith(READINGS)}
    (found,) = lake.verify().differences
    assert (found.kind, found.month, found.key) == ("state", "2026-10", key)
    assert lake.main("--repair")[0] == 0
    assert {key: data for key, data in objects(lake.config).items() if key.startswith(READINGS)} == before
    assert lake.verify(window=WHOLE).success
    ingest(lake.config, DAYS[2], spark=lake.spark)
    lake.assert_as_the_oracle()


def test_a_lost_manifest_is_rebuilt_whole(lake):
    before = objects(lake.config)
    lake.store.delete([ROOT])
    found = lake.verify()
    assert ("state", ROOT) in {(one.kind, one.key) for one in found.differences}
    assert lake.main("--repair")[0] == 0
    after = objects(lake.config)
    assert lake.verify(window=WHOLE).success
    assert after.keys() - before.keys() == {key for key in after if "/pieces-" in key} - before.keys()
    assert {key for key in before if before[key] != after.get(key)} <= {ROOT, *(k for k in before if "/pieces-" in k)}


def test_a_lake_that_was_never_written_misses_everything_and_is_filled(lake, make_config):
    new = replace(lake, config=make_config(dbname=lake.config.db.dbname))
    new.store = open_store(new.config)
    found = new.verify(window=WHOLE)
    assert {one.kind for one in found.differences} == {"missing"} and len(found.differences) == len(PATHS)
    assert new.verify(window=WHOLE, repair=True).success
    new.assert_as_the_oracle()
    assert {key.rpartition("/")[2] for key in objects(new.config) if key.startswith(READINGS)} == {
        f"{WHOLE.name}.parquet"
    }


# -- what is left alone ---------------------------------------------------------------------------------------------


def test_what_no_table_covers_stays_and_is_named(lake):
    spoil(fewer_readings)(lake)
    put(HALF, b"PAR1")(lake)
    lake.execute("DROP TABLE sqlt_data_1_2026_10")
    before = objects(lake.config)
    code, out, err = lake.main("--repair", "--json")
    said = json.loads(out.splitlines()[-1])
    assert [(one["kind"], one["key"]) for one in said["differences"]] == [("damaged", FIRST[ODD]), ("foreign", HALF)]
    assert code == 6 and FIRST[ODD] in err
    assert any("no partition table covers" in note for note in said["notes"])
    assert objects(lake.config) == before


def test_what_is_in_no_tag_paths_folder_is_named_and_left_to_a_human(lake):
    put(f"{READINGS}stray.parquet")(lake)
    (found,) = lake.verify(repair=True).differences
    assert (found.kind, found.key, found.tagpath) == ("foreign", f"{READINGS}stray.parquet", None)
    code, _, err = lake.main("--repair")
    assert code == 6 and "stray.parquet" in err and "by hand" in err
    assert lake.store.get(f"{READINGS}stray.parquet")


MONTHS = window_of("Europe/Berlin", start="2026-10-24", end="2026-11-03")  # and the clocks change on 25 October


def test_of_two_months_the_one_that_the_historian_still_has_is_repaired(database, make_config, spark, command):
    times = range(MONTHS.start_ms, MONTHS.end_ms, HOUR)
    small_historian(database, [], PATHS)
    database.execute("CREATE TABLE sqlt_data_1_2026_11 (LIKE sqlt_data_1_2026_10 INCLUDING ALL)")
    border = window_of("Europe/Berlin", start="2026-11-01", end="2026-11-02").start_ms
    for table, some in (("10", [t for t in times if t < border]), ("11", [t for t in times if t >= border])):
        values = ", ".join(f"({i}, NULL, {i + 0.5}, NULL, NULL, 192, {t})" for i in PATHS for t in some)
        database.execute(f"INSERT INTO sqlt_data_1_2026_{table} VALUES {values}")
    config = make_config(dbname=database.name, timezone="Europe/Berlin")
    lake = Lake(config, open_store(config), database.execute, spark, command)
    ingest(config, MONTHS)
    part = window_of("Europe/Berlin", start="2026-10-25T02:30", end="2026-11-01T07:15")
    assert lake.verify(window=part).success and not lake.verify(window=part).notes
    before = objects(config)
    for key in (key for key in before if key.startswith(READINGS)):
        lake.store.put(key, before[key][:-1])
    database.execute("DROP TABLE sqlt_data_1_2026_10")
    found = lake.verify(window=part, repair=True)
    assert {one.month for one in found.repaired} == {"2026-11"}
    assert {(one.kind, one.month) for one in found.differences} == {("damaged", "2026-10")}
    after = objects(config)
    assert all(after[key] == before[key][: -1 if "month=2026-10" in key else None] for key in before)


def test_a_tag_that_the_historian_has_dropped_is_still_held_against_the_manifest(lake):
    lake.execute("DELETE FROM sqlth_te WHERE id = 2")
    found = lake.verify()
    assert found.success and any(ODD in note and "no tag of the historian" in note for note in found.notes)
    spoil(fewer_readings)(lake)
    before = objects(lake.config)
    (left,) = lake.verify(repair=True).differences
    assert (left.kind, left.tagpath) == ("damaged", ODD) and objects(lake.config) == before


def test_nothing_outside_the_window_and_the_patterns_is_touched(lake):
    for path in PATHS.values():
        spoil(fewer_readings, path)(lake)
    lake.execute("UPDATE sqlt_data_1_2026_10 SET floatvalue = -1")
    before = objects(lake.config)
    found = lake.verify(patterns=["^plant/a$"], repair=True)
    assert found.success and {one.tagpath for one in found.repaired} == {"plant/a"}
    after = objects(lake.config)
    assert {key for key in before if key.startswith(READINGS) and before[key] != after[key]} == {FIRST["plant/a"]}


def test_a_damaged_file_is_read_again_as_far_as_it_reaches(lake):
    compaction.compact(lake.config, ["2026-10"])
    before = objects(lake.config)
    key = reading_key(ODD, "2026-10", WHOLE)
    lake.store.put(key, before[key][:-9])
    (found,) = lake.verify(repair=True).repaired
    assert found.key == key and objects(lake.config) == before


def test_a_lake_that_is_appended_to_keeps_what_the_source_has_changed(make_lake):
    lake = make_lake(write_mode="append")
    FAULTS["a reading is updated"][0](lake)
    lake.execute(f"DELETE FROM sqlt_data_1_2026_10 WHERE tagid = 1 AND t_stamp = {AT}")
    before = objects(lake.config)
    found = lake.verify(repair=True)
    assert found.success and sum("as append leaves them" in note for note in found.notes) == 2
    FAULTS["a reading is late"][0](lake)
    assert [one.kind for one in lake.verify(repair=True).repaired] == ["missing"]
    old, new = ({r[:2] for r in map(tuple, some)} for some in (before, objects(lake.config)))
    assert lake.verify().success and old == new


def test_rows_that_are_no_readings_are_a_note(lake):
    lake.execute(f"INSERT INTO sqlt_data_1_2026_10 VALUES (2, NULL, 7, NULL, NULL, 0, {AT + 1})")
    found = lake.verify()
    assert found.success and [note for note in found.notes if ODD in note and "their readings are the same" in note]


# -- while others write ---------------------------------------------------------------------------------------------


def test_a_run_that_publishes_meanwhile_is_seen_whole(lake, monkeypatch):
    real, runs = verification.compare_places, []

    def meanwhile(*arguments):
        if not runs:
            runs.append(1)
            lake.execute(f"UPDATE sqlt_data_1_2026_10 SET floatvalue = 99 WHERE t_stamp = {AT}")
            ingest(lake.config, DAYS[0], spark=lake.spark)
        return real(*arguments)

    monkeypatch.setattr(verification, "compare_places", meanwhile)
    assert lake.verify().success and runs
    lake.assert_as_the_oracle()


# -- many at once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("round_", range(4))
def test_many_damages_at_once_are_all_repaired(round_, make_lake):
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    lake = make_lake(chance.choice(["local", "s3"]))
    if chance.random() < 0.5:
        compaction.compact(lake.config, ["2026-10"])
    for _ in range(chance.randint(2, 6)):
        damage(lake, chance)
    found = lake.verify(window=WHOLE, repair=True)
    assert found.success, (seed, found.differences)
    assert found.repaired, seed
    lake.assert_as_the_oracle()
    entries = look(lake.store, scope_of(lake.config, WHOLE, PATHS.values())).entries
    there = {key for key, _ in lake.store.list(READINGS.rstrip("/"))}
    books = {key for key, _ in lake.store.list("_sensorstream")}
    assert there == {entry.key for entry in entries}, seed
    assert books == {ROOT, *read_manifest(lake.store).root.states}, seed


def damage(lake: Lake, chance: random.Random) -> None:
    """Something happens to the source, or to an object of the lake."""
    keys = sorted(key for key, _ in lake.store.list(READINGS.rstrip("/")))
    key, time = chance.choice(keys or [""]), chance.randrange(WHOLE.start_ms, WHOLE.end_ms)
    tag, some = chance.choice(list(PATHS)), f"t_stamp > {time} AND t_stamp < {time + 9 * HOUR}"
    what = chance.randrange(8 if keys else 3)  # with no object left, the source
    if what == 0:
        lake.execute(f"UPDATE sqlt_data_1_2026_10 SET floatvalue = floatvalue + 1 WHERE tagid = {tag} AND {some}")
    elif what == 1:
        lake.execute(f"DELETE FROM sqlt_data_1_2026_10 WHERE tagid = {tag} AND {some}")
    elif what == 2:
        lake.execute(
            f"INSERT INTO sqlt_data_1_2026_10 VALUES ({tag}, NULL, 1, NULL, NULL, 192, {time}) ON CONFLICT DO NOTHING"
        )
    elif what == 3:
        lake.store.delete([key])
    elif what == 4:
        lake.store.put(key, (lake.store.get(key) or b"")[: chance.randrange(200)])
    elif what == 5:
        start = WHOLE.start.replace(hour=chance.randrange(1, 12))
        lake.store.put(reading_key(PATHS[tag], "2026-10", Window(start, WHOLE.end)), b"PAR1")
    elif what == 6:
        lake.store.put(f"_sensorstream/staged/{chance.randrange(99)}", b"left")
    else:
        lake.store.put(f"{key}.tmp", b"left")


def test_a_source_without_a_row_is_compared_and_what_the_lake_holds_too_much_goes(lake):
    lake.execute("TRUNCATE sqlt_data_1_2026_10")
    assert not lake.verify().success
    assert lake.verify(repair=True).success and lake.verify().success
