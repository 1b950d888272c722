"""Two gateways with one tag path: one tag after a rename or a failover, else two sensors, which are never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import psycopg
import pytest

from sensorstream.checks.check_source import check_source
from sensorstream.checks.learn_ranges import learn_ranges
from sensorstream.errors import ConfigError, SourceCheckFailed, SourceError
from sensorstream.exploration import from_historian
from sensorstream.lake.scan import tags as known_tags
from sensorstream.pipeline.dataframes import read_historian
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.verification.verify import verify
from sensorstream.windows import day_window, window_of
from tests.conftest import Database
from tests.oracle import Row, expect, objects, readings_of, with_prefixes

DAY = window_of("UTC", day="2026-10-14")
T0, SECOND, HOUR = DAY.start_ms, 1000, 3_600_000
NAMES = {1: "line1", 2: "line2", 3: "line3"}  # of gateways, by number; so are their scan classes
TABLES = {number: f"sqlt_data_{number}_2026_10" for number in NAMES}
PREFIXED = {"line2": "line2/"}
CATALOG = """
CREATE TABLE sqlth_te (id int, tagpath varchar(255), scid int, datatype int, querymode int, created bigint,
    retired bigint);
CREATE TABLE sqlth_scinfo (id int, scname varchar(255), drvid int);
CREATE TABLE sqlth_drv (id int, name varchar(255), provider varchar(255));
INSERT INTO sqlth_drv VALUES (1, 'line1', 'default'), (2, 'line2', 'default'), (3, 'line3', 'default');
INSERT INTO sqlth_scinfo VALUES (1, '_exempt_', 1), (2, '_exempt_', 2), (3, '_exempt_', 3), (11, 'fast', 1)
"""


@pytest.fixture
def historian(database: Database) -> Database:
    """Three gateways with a table each, and no tag."""
    for statement in CATALOG.split(";"):
        database.execute(statement)
    for table in TABLES.values():
        database.execute(
            f"CREATE TABLE {table} (tagid int, intvalue bigint, floatvalue float8, stringvalue varchar(255),"
            " datevalue timestamp, dataintegrity int, t_stamp bigint, PRIMARY KEY (tagid, t_stamp))"
        )
    return database


def write(historian: Database, rows: Iterable[Row], scans: Mapping[int, int], path: str = "rig/temp") -> None:
    """Tag ids of a path, each with its scan class, and their readings, in the tables of their gateways."""
    with psycopg.connect(historian.owner) as connection:
        for number, scan in scans.items():
            connection.execute("INSERT INTO sqlth_te VALUES (%s, %s, %s, 1, 0, 0, NULL)", [number, path, scan])
        for number, table in TABLES.items():
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    if scans[row.tagid] % 10 == number:
                        copy.write_row([row.tagid, None, row.value, row.text, None, row.quality, row.t_stamp])


def series(tagid: int, start: int, count: int, step: int = SECOND, quality: int = 192) -> list[Row]:
    """Readings of 40 for id 1, 80 for id 2 and so on."""
    return [Row(tagid, start + n * step, 40.0 * tagid + n % 7, quality=quality) for n in range(count)]


TWO_SENSORS = {
    "at the same seconds": [*series(1, T0, 60), *series(2, T0, 60)],
    "half a second apart": [*series(1, T0, 60), *series(2, T0 + 500, 60)],
    "one once a second, one every quarter of an hour": [*series(1, T0, 3600), *series(2, T0 + 500, 4, HOUR // 4)],
    "half a second apart all morning": [*series(1, T0, 20_000), *series(2, T0 + 500, 20_000)],
    "one of them bad throughout": [*series(1, T0, 60), *series(2, T0 + 500, 60, quality=0)],
    "a reading between two": [*series(1, T0, 2), *series(2, T0 + 500, 1)],
    "two a day, seen over the days beside": [
        *series(1, T0 - 16 * HOUR, 3, 24 * HOUR),
        *series(2, T0 - 12 * HOUR, 3, 24 * HOUR),
    ],
}


@pytest.mark.parametrize("kind", TWO_SENSORS)
def test_two_gateways_that_write_a_path_at_once_are_refused_wherever_readings_are_read(
    kind,
    historian,
    make_config,
):
    write(historian, TWO_SENSORS[kind], {1: 1, 2: 2})
    config = make_config(dbname=historian.name)
    says = (
        r"^tag path rig/temp is of two sensors: line1 \(id 1\) and line2 \(id 2\) write it in turn, at 2026-10-14T\S+"
        r' for one: give one a path of its own, "gateway_prefixes": {"line2": "line2/"}$'
    )
    for read in (
        lambda: plan(config, DAY),
        lambda: ingest(config, DAY),
        lambda: verify(config, DAY),
        lambda: read_historian(config, DAY),
        lambda: learn_ranges(config, DAY),
        lambda: from_historian.look(config, ["rig/temp"], DAY, points=100),
        lambda: from_historian.read(config, ["rig/temp"], DAY),
    ):
        with pytest.raises(SourceError, match=says):
            read()
    assert objects(config) == {}
    prefixed = make_config(dbname=historian.name, gateway_prefixes=PREFIXED)
    assert [tag.path for tag in plan(prefixed, DAY).tags] == ["line2/rig/temp", "rig/temp"]


ONE_TAG = {
    "a renamed gateway": [*series(1, T0, 60), *series(2, T0 + 60 * SECOND, 60)],
    "a failover and back, both for some readings": [
        *series(1, T0, 600),
        *series(2, T0 + 597 * SECOND + 500, 600),
        *series(1, T0 + 1195 * SECOND, 600),
    ],
    "a failover every hour, both for some readings": [
        *series(1, T0, 3605),
        *series(2, T0 + HOUR + 500, 3605),
        *series(1, T0 + 2 * HOUR, 3605),
        *series(2, T0 + 3 * HOUR + 500, 3605),
    ],
    "a failover of whose overlap the window has the beginning": [
        *series(1, T0 - HOUR, 3600 + 10),
        *series(2, T0 + 500, 3600),
    ],
    "a failover of whose overlap the window has the end": [
        *series(1, DAY.end_ms - HOUR, 3600),
        *series(2, DAY.end_ms - 10_500, 600),
    ],
    "a pair of which either writes the same": [
        *series(1, T0, 60),
        *(Row(2, row.t_stamp, row.value) for row in series(1, T0, 60)),
    ],
}


@pytest.mark.parametrize("kind", ONE_TAG)
def test_a_rename_or_a_failover_goes_on_as_one_tag(kind, historian, make_config):
    rows = ONE_TAG[kind]
    write(historian, rows, {1: 1, 2: 2})
    config = make_config(dbname=historian.name)
    ingest(config, DAY)
    within = [row for row in rows if T0 <= row.t_stamp < DAY.end_ms]
    assert readings_of(config) == expect(within, dict.fromkeys((1, 2), "rig/temp")).readings
    assert verify(config, DAY).success


def test_ids_of_one_gateway_are_one_tag_whatever_their_scan_class(historian, make_config):
    write(historian, [*series(1, T0, 60), *series(2, T0 + 500, 60)], {1: 1, 2: 11})
    assert [tag.ids for tag in plan(make_config(dbname=historian.name), DAY).tags] == [(1, 2)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "DELETE FROM sqlth_scinfo WHERE id = 1",
            r"a gateway that no table names \(id 1\) and line2 \(id 2\) .*line2/",
        ),
        ("DELETE FROM sqlth_drv", r"driver 1 \(id 1\) and driver 2 \(id 2\) .*{\"driver 2\": \"driver 2/\"}"),
        ("DROP TABLE sqlth_drv", r"driver 1 \(id 1\) and driver 2 \(id 2\)"),
        ("UPDATE sqlth_drv SET name = 'x', provider = id", r"x:1 \(id 1\) and x:2 \(id 2\) .*{\"x:2\": \"x:2/\"}"),
        ("UPDATE sqlth_drv SET name = 'x'", r"x:default:1 \(id 1\) and x:default:2 \(id 2\)"),
        ("ALTER TABLE sqlth_drv DROP provider", r"table sqlth_drv has no column provider \(it has id, name\)"),
        ("ALTER TABLE sqlth_te DROP scid", "table sqlth_te has no column scid"),
    ],
)
def test_gateways_are_named_as_far_as_tables_tell(change, says, historian, make_config):
    write(historian, TWO_SENSORS["half a second apart"], {1: 1, 2: 2})
    historian.execute(change)
    with pytest.raises(SourceError, match=says):
        plan(make_config(dbname=historian.name), DAY)


@pytest.mark.parametrize("change", ["DROP TABLE sqlth_scinfo", "DELETE FROM sqlth_scinfo"])
def test_ids_of_which_no_table_tells_the_gateway_are_of_one(change, historian, make_config):
    write(historian, TWO_SENSORS["half a second apart"], {1: 1, 2: 2})
    historian.execute(change)
    assert [tag.ids for tag in plan(make_config(dbname=historian.name), DAY).tags] == [(1, 2)]


def test_of_three_gateways_those_that_write_at_once_are_told_apart(historian, make_config):
    rows = [*series(1, T0, 600), *series(2, T0 + 600 * SECOND, 600), *series(3, T0 + 700 * SECOND + 500, 300)]
    write(historian, rows, {1: 1, 2: 2, 3: 3})
    for number, path in ((11, "rig/a"), (21, "rig/b")):
        more = [*series(number, T0, 60), *series(number + 1, T0, 60)]
        write(historian, more, {number: 2, number + 1: 3}, path)
    config = make_config(dbname=historian.name)
    with pytest.raises(SourceError, match=r'rig/a is .*line2 \(id 11\) and line3 .*"line3/"}; so are 2 more paths$'):
        plan(config, DAY)
    with pytest.raises(SourceError, match=r'rig/temp is .*line2 \(id 2\) and line3 .*"line3/"}$'):
        plan(config, DAY, "temp")
    plan(make_config(dbname=historian.name, gateway_prefixes={"line3": "line3/"}), DAY)


def test_few_readings_of_a_path_are_judged_with_the_others_of_its_gateways(historian, make_config):
    """A standby that has taken over for a moment: by itself nobody could tell it from a slow sensor."""
    config = make_config(dbname=historian.name)
    write(historian, [*series(1, T0, 10, HOUR), Row(2, T0 + 5 * HOUR + 9, 1.0)], {1: 1, 2: 2})
    with pytest.raises(SourceError, match="rig/temp is of two sensors"):
        plan(config, DAY)
    busy = [*series(11, T0, 5 * 3600), *series(12, T0 + 5 * HOUR, 60), *series(11, T0 + 5 * HOUR + 60_000, 3600)]
    write(historian, busy, {11: 1, 12: 2}, "rig/busy")
    plan(config, DAY)


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_a_second_gateway_and_its_prefix_change_nothing_of_the_first(engine, historian, make_config):
    first, second = series(1, T0, 60), series(2, T0 + 500, 60)
    write(historian, first, {1: 1})
    config = make_config(dbname=historian.name, engine=engine)
    ingest(config, DAY)
    before = {key: data for key, data in objects(config).items() if key.startswith("readings/")}
    write(historian, second, {2: 2})
    with pytest.raises(SourceError, match="is of two sensors"):
        ingest(config, DAY)
    assert {key: data for key, data in objects(config).items() if key.startswith("readings/")} == before
    config = config.model_copy(update={"gateway_prefixes": PREFIXED})
    record = ingest(config, DAY)
    assert (record.files_written, record.files_removed, record.rows_deduplicated) == (1, 0, 0)
    assert before.items() <= objects(config).items()
    paths = with_prefixes({1: "rig/temp", 2: "rig/temp"}, NAMES, PREFIXED)
    assert readings_of(config) == expect([*first, *second], paths).readings
    assert [(row["tagpath"], row["ids"]) for row in known_tags(config).to_pylist()] == [
        ("line2/rig/temp", [2]),
        ("rig/temp", [1]),
    ]
    assert verify(config, DAY).success


@pytest.mark.parametrize(
    ("prefixes", "known"),
    [({"line4": "x/"}, '"line1", "line2", "line3"'), ({"line1": "", "Line2": "x/"}, '"line1", "line2", "line3"')],
)
def test_a_prefix_of_no_gateway_is_refused_by_name(prefixes, known, historian, make_config):
    write(historian, series(1, T0, 1), {1: 1})
    with pytest.raises(ConfigError, match=f'the historian has no gateway "{list(prefixes)[-1]}": there are {known}'):
        plan(make_config(dbname=historian.name, gateway_prefixes=prefixes), DAY)


def test_paths_that_a_prefix_makes_equal_are_judged_as_any(historian, make_config):
    write(historian, series(1, T0, 60), {1: 1}, "line2/rig/temp")
    write(historian, series(2, T0 + 500, 60), {2: 2})
    config = make_config(dbname=historian.name, gateway_prefixes=PREFIXED)
    for patterns in (None, "^rig", "^line2"):  # a part of the tag's ids would be less than the tag
        with pytest.raises(
            SourceError, match=r'line2/rig/temp is of two sensors.*"gateway_prefixes": {"line1": "line1/'
        ):
            plan(config, DAY, patterns)
    both = make_config(dbname=historian.name, gateway_prefixes=PREFIXED | {"line1": ""})
    with pytest.raises(SourceError, match=r'give each another prefix under "gateway_prefixes"$'):
        plan(both, DAY)


def test_patterns_choose_by_the_path_with_the_prefix_and_without(historian, make_config):
    write(historian, series(1, T0, 60), {1: 1})
    write(historian, series(2, T0 + 500, 60), {2: 2})
    write(historian, series(3, T0, 60), {3: 3}, "rig/flow")
    config = make_config(dbname=historian.name, gateway_prefixes={"line2": "100%'/"})
    paths = ["100%'/rig/temp", "rig/temp"]
    assert [tag.path for tag in plan(config, DAY, "^rig/temp$").tags] == paths
    assert [tag.path for tag in plan(config, DAY, "^100%'/").tags] == paths[:1]
    ingest(config, DAY)
    historian.execute("DELETE FROM sqlth_te WHERE id = 2")
    assert any(paths[0] in note for note in verify(config, DAY, "^rig").notes)


def broken(result) -> dict[str, tuple[str, ...]]:
    return {finding.expectation: finding.tags for finding in result.findings if not finding.success}


GATEWAYS, ALIKE = "no tag path is written by two gateways at once", "readings of one tag path and time are alike"


def test_the_check_says_which_paths_and_how_many_readings_differ(historian, make_config):
    write(historian, [*series(1, T0, 600), *series(2, T0, 600)], {1: 1, 2: 2})
    same = [Row(12, row.t_stamp, row.value) for row in series(11, T0, 600)]
    write(historian, [*series(11, T0, 600), *same], {11: 1, 12: 11}, "rig/renamed")
    differ = [Row(22, T0 + n * SECOND, 1.0, quality=192 if n < 5 else 0) for n in range(9)]
    write(historian, [*series(21, T0, 600), *differ], {21: 1, 22: 11}, "rig/moved")
    result = check_source(make_config(dbname=historian.name), DAY)
    found = {finding.expectation: finding for finding in result.findings}
    assert broken(result)[GATEWAYS] == ("rig/temp",) and broken(result)[ALIKE] == ("rig/temp", "rig/moved")
    assert "conflicting" in str(found[ALIKE].examples) and "600" in str(found[ALIKE].examples)
    with pytest.raises(SourceCheckFailed, match=GATEWAYS):
        result.raise_if_failed()
    assert not {GATEWAYS, ALIKE} & broken(check_source(make_config(dbname=historian.name), DAY, "renamed")).keys()
    prefixed = check_source(make_config(dbname=historian.name, gateway_prefixes=PREFIXED), DAY)
    assert GATEWAYS not in broken(prefixed) and broken(prefixed)[ALIKE] == ("rig/moved",)


def test_a_day_that_becomes_two_sensors_later_is_not_read_again(historian, make_config):
    write(historian, [row for n in range(3) for row in series(1, T0 + n * 24 * HOUR, 60)], {1: 1})
    config = make_config(dbname=historian.name)
    before, after = ingest(config, DAY), day_window(date(2026, 10, 16), "UTC")
    old = readings_of(config)
    assert len(old) == before.rows_written == 60
    write(historian, series(2, T0 + 500, 60), {2: 2})
    with pytest.raises(
        SourceError, match=r"rig/temp is of two sensors: .* at 2026-10-14T.*; the window itself is published$"
    ):
        ingest(config, after)
    assert readings_of(config)[:60] == old and len(readings_of(config)) == 120
    config = config.model_copy(update={"gateway_prefixes": PREFIXED})
    ingest(config, after)
    paths = with_prefixes({1: "rig/temp", 2: "rig/temp"}, NAMES, PREFIXED)
    second = expect(series(2, T0 + 500, 60), paths).readings
    assert [row for row in readings_of(config) if row[0] == "line2/rig/temp"] == second
