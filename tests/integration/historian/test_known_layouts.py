"""Every layout that comes along, on tables as its system makes them: ingested, checked, late readings found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import pytest

import sensorstream
from sensorstream.checks.check_lake import check_lake
from sensorstream.checks.check_source import check_source
from sensorstream.config.layouts.known import names
from sensorstream.errors import ConfigError
from sensorstream.exploration import from_historian
from sensorstream.lake.scan import read_lake
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.sandbox.other_historians.seed import SYSTEMS, seed
from sensorstream.sandbox.plant_tags import PlantOptions
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.oracle import bits, objects, readings_of, without_marks

OPTIONS = PlantOptions(tags=10, days=2, end=date(2026, 11, 2), rate_seconds=300, clean=True)
BOTH = window_of("UTC", start="2026-10-31", end="2026-11-02")
FIRST, LAST = (window_of("UTC", day=day) for day in ("2026-10-31", "2026-11-01"))
LATE_MS = FIRST.start_ms + 1
LATE_S = LATE_MS // 1000
PLAIN = ("rapid_scada_export", "epics", "timescale_ignition")  # those with the least of their own
slow = partial(pytest.param, marks=pytest.mark.slow)


@dataclass(frozen=True)
class System:
    """What is particular to a system.

    ``readings`` selects the path, time (ms), value, text and quality of every good reading, in words other than the
    layout's; ``late`` stores one more at ``LATE_MS``; ``tables`` are what a plan of the first day reads.
    """

    readings: str
    late: str
    tables: list[str]
    detector: str = "heap tail"
    layout: str | dict = "auto"


WIDE = {
    "readings": {
        "tables": "plant_log_{year}_{month}",
        "time": {"column": "logged_at", "unit": "timestamp", "zone": "UTC"},
        "quality": "row_quality",
        "wide": {},
    },
    "bad_quality": [0],
}
CASES = {
    "thingsboard": System(
        """SELECT concat(CASE WHEN d.name IS NULL AND a.name IS NULL THEN '' ELSE t.title || '/' END,
             CASE WHEN d.name IS NOT NULL THEN 'device/' || d.name WHEN a.name IS NOT NULL THEN 'asset/' || a.name
             ELSE 'entity/' || entity_id END, '/', k.key),
             ts, CASE WHEN bool_v THEN 1 WHEN NOT bool_v THEN 0 WHEN long_v IS NOT NULL THEN long_v ELSE dbl_v END,
             CASE WHEN str_v IS NULL THEN json_v::text ELSE str_v END, 192
           FROM ts_kv JOIN key_dictionary k ON key_id = ts_kv.key LEFT JOIN device d ON d.id = entity_id
           LEFT JOIN asset a ON a.id = entity_id LEFT JOIN tenant t ON t.id IN (d.tenant_id, a.tenant_id)""",
        f"""INSERT INTO ts_kv SELECT entity_id, key, {LATE_MS}, NULL, NULL, 9007199254740992, NULL, NULL
            FROM ts_kv_latest WHERE long_v IS NOT NULL LIMIT 1""",
        ["ts_kv_2026_10", "ts_kv_indefinite"],
    ),
    "zabbix": System(
        """SELECT concat(host, '/', key_), clock::int8 * 1000 + ns / 1000000, value, text, 192
           FROM (SELECT itemid, clock, ns, value, NULL AS text FROM history UNION ALL
             SELECT itemid, clock, ns, value::float8, CASE WHEN value > 9007199254740992 THEN value::text END
             FROM history_uint UNION ALL
             SELECT itemid, clock, ns, NULL, value FROM history_str UNION ALL
             SELECT itemid, clock, ns, NULL, value FROM history_text) h
           JOIN items USING (itemid) JOIN hosts USING (hostid)""",
        f"""INSERT INTO history SELECT min(itemid), {LATE_S}, 1.5, {LATE_MS % 1000 * 1000000 + 999999} FROM history""",
        ["history", "history_str", "history_text", "history_uint"],
    ),
    "home_assistant": System(
        """SELECT m.entity_id, floor(last_updated_ts::text::numeric * 1000),
             CASE WHEN state ~ '^[-0-9]+([.][0-9]+)?(e[-+]?[0-9]+)?$' THEN state::float8 END,
             CASE WHEN state !~ '^[-0-9]+([.][0-9]+)?(e[-+]?[0-9]+)?$' THEN state END, 192
           FROM states JOIN states_meta m USING (metadata_id) WHERE state NOT IN ('unavailable', 'unknown')""",
        f"""INSERT INTO states (state, last_updated_ts, metadata_id) VALUES ('-1.5e2', {LATE_MS / 1000}, 1)""",
        ["states"],
    ),
    "rapid_scada": System(
        """SELECT 'channel ' || cnl_num, extract(epoch FROM time_stamp) * 1000, val, NULL, stat
           FROM mincopy_historical WHERE stat NOT IN (0, 3, 4)""",
        f"INSERT INTO mincopy_historical VALUES (101, to_timestamp({LATE_MS / 1000}), 7, 21)",
        ["mincopy_historical_20261001_20261101"],
    ),
    "rapid_scada_export": System(
        """SELECT 'channel ' || cnl_num, extract(epoch FROM time_stamp) * 1000, val, NULL, stat
           FROM cnl_data WHERE stat NOT IN (0, 3, 4)""",
        f"INSERT INTO cnl_data VALUES (101, to_timestamp({LATE_MS / 1000}), 7, 21)",
        ["cnl_data"],
    ),
    "wincc_oa": System(
        """SELECT element_name, ts / 1000000,
             CASE WHEN corrstatus IS NULL THEN value_number ELSE corrvalue_number END,
             CASE WHEN value_timestamp IS NULL THEN value_string ELSE
               to_char(to_timestamp(value_timestamp / 1000000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.')
                 || to_char(value_timestamp / 1000 % 1000000, 'FM000000') END,
             coalesce(corrstatus, status % 4294967296)
           FROM (SELECT * FROM _event_2_a UNION ALL SELECT * FROM _event_3_a) e JOIN elements USING (element_id)
           WHERE corrstatus IS NOT NULL OR get_bit(status::bit(64), 60) + get_bit(status::bit(64), 58)
             + get_bit(status::bit(64), 57) + get_bit(status::bit(64), 46) = 0""",
        f"""INSERT INTO _event_2_a (element_id, ts, value_number, status)
            SELECT min(element_id), {LATE_MS}999999, 7, 1 FROM elements""",
        ["_event_2_a"],
    ),
    "epics": System(
        """SELECT c.name, floor(extract(epoch FROM smpl_time) * 1000), coalesce(float_val, num_val), str_val, 192
           FROM sample JOIN channel c USING (channel_id) JOIN severity v USING (severity_id)
           WHERE v.name IN ('OK', 'MAJOR', 'MINOR')""",
        f"""INSERT INTO sample (channel_id, smpl_time, nanosecs, severity_id, status_id, num_val)
            VALUES (1, to_timestamp({LATE_MS / 1000}), {LATE_MS % 1000}000000, 4, 1, 7)""",
        ["sample"],
    ),
    "timescale_ignition": System(
        """SELECT DISTINCT ON (tagpath, t_stamp) tagpath, t_stamp, coalesce(floatvalue, intvalue), coalesce(stringvalue,
             to_char(datevalue, 'YYYY-MM-DD"T"HH24:MI:SS.US')), 192
           FROM (SELECT * FROM sqlth_1_data UNION ALL SELECT * FROM sqlth_2_data) r JOIN sqlth_te ON id = tagid
           WHERE dataintegrity = 192 ORDER BY tagpath, t_stamp, id DESC""",
        f"""INSERT INTO _timescaledb_internal._hyper_1_{LATE_MS // 604800000}_chunk
            SELECT min(tagid), NULL, 7, NULL, NULL, 192, {LATE_MS} FROM sqlth_1_data""",
        ["sqlth_1_data", "sqlth_2_data"],
        detector="fingerprint",
    ),
    "wide_logger": System(
        """SELECT key, extract(epoch FROM logged_at) * 1000,
             CASE WHEN key !~ 'recipe' THEN value::float8 END, CASE WHEN key ~ 'recipe' THEN value END, 192
           FROM (SELECT to_json(o) AS r, logged_at, row_quality FROM plant_log_2026_10 o UNION ALL
             SELECT to_json(n), logged_at, row_quality FROM plant_log_2026_11 n) t, json_each_text(r)
           WHERE row_quality = 192 AND key NOT IN ('logged_at', 'row_quality') AND value IS NOT NULL""",
        f"""INSERT INTO plant_log_2026_10 (logged_at, row_quality, plant1_press_unit1_temperature)
            VALUES (to_timestamp({LATE_MS / 1000}) AT TIME ZONE 'UTC', 192, 1.5)""",
        ["plant_log_2026_10"],
        layout=WIDE,
    ),
}


def stored(database, system: System) -> list[tuple]:
    """Every good reading by plain SQL, as ``readings_of`` has those of a lake."""
    rows = database.execute(system.readings)
    return sorted((path, int(ms), bits(value), text, quality) for path, ms, value, text, quality in rows)


def difference(config, database, system: System) -> list[tuple]:
    return sorted(set(readings_of(config)) ^ set(stored(database, system)), key=str)[:6]


def test_every_layout_that_comes_along_and_every_system_that_can_be_seeded_is_tried():
    assert {*names()} - {"ignition", "generic"} == {*SYSTEMS} - {"timescale_ignition", "wide_logger"}
    assert {*SYSTEMS} == {*CASES}


@pytest.fixture
def seeded(request, database, make_config):
    """A system's configuration, and what is particular to it."""
    system = CASES[request.param]
    seed(database.owner, replace(OPTIONS, layout=request.param))
    return make_config(dbname=database.name, layout=system.layout), system


@pytest.mark.parametrize("seeded", [slow(name) if name in PLAIN else name for name in CASES], indirect=True)
def test_the_lake_holds_what_the_system_does(seeded, database):
    config, system = seeded
    assert sorted(table.name for table in plan(config, FIRST).tables) == system.tables
    record = ingest(config, BOTH)
    assert record.warnings == [] and difference(config, database, system) == []
    assert record.rows_read == record.rows_written + sum(record.rows_rejected.values()) + record.rows_deduplicated


@pytest.mark.parametrize(
    "seeded", ["thingsboard", *(slow(name) for name in CASES if name != "thingsboard")], indirect=True
)
def test_late_readings_are_found(seeded, database):
    config, system = seeded
    ingest(config, BOTH)
    database.execute(system.late)
    late = ingest(config, LAST).late
    assert (late["tag_days"], late["detector"]) == (1, system.detector)
    assert difference(config, database, system) == []


@pytest.mark.slow
@pytest.mark.parametrize("seeded", ["thingsboard"], indirect=True)
def test_months_in_names_of_partitions_are_utcs_whatever_zone_the_days_are_of(seeded):
    config = seeded[0].model_copy(update={"timezone": "Europe/Berlin"})
    found = plan(config, window_of(config.timezone, day="2026-11-01"))
    assert sorted(table.name for table in found.tables) == ["ts_kv_2026_10", "ts_kv_2026_11", "ts_kv_indefinite"]
    assert not [note for note in found.notes if "is listed for" in note]


@pytest.mark.slow
@pytest.mark.parametrize("seeded", CASES, indirect=True)
def test_the_other_engine_and_every_command_agree(seeded, database, make_config):
    packed, system = seeded
    jdbc = make_config(dbname=database.name, layout=system.layout, engine="jdbc")
    records = [ingest(config, BOTH) for config in (packed, jdbc)]
    assert without_marks(objects(packed)) == without_marks(objects(jdbc))
    assert [one.expectation for one in check_source(packed, BOTH).findings if not one.success] == []
    check_lake(packed, BOTH, record=records[0]).raise_if_failed()
    assert verify(packed, BOTH).success
    assert all(ingest(config, BOTH).files_written == 0 for config in (packed, jdbc))
    expected = [row for row in stored(database, system) if row[1] < FIRST.end_ms]
    assert sensorstream.read_historian(packed, FIRST).count() == len(expected)
    paths = sorted({path for path, *_ in expected})[:3]
    for read in (from_historian.read(packed, paths, FIRST), read_lake(packed, FIRST, tags=paths)):
        seen = [(row["tagpath"], bits(row["value"]), row["text"]) for row in read.to_pylist()]
        assert seen == [(path, value, text) for path, _, value, text, _ in expected if path in paths]
    database.execute(system.late)
    assert ingest(jdbc, LAST).late["tag_days"] == 1 and difference(jdbc, database, system) == []


def test_a_plant_is_seeded_in_place_of_no_other_systems_tables(database):
    zabbix = PlantOptions(tags=2, days=1, rate_seconds=600, layout="zabbix")
    first = seed(database.owner, zabbix)
    assert seed(database.owner, zabbix).readings == first.readings == sum(
        n for (n,) in database.execute("SELECT count(*) FROM history UNION ALL SELECT count(*) FROM history_uint")
    )  # fmt: skip
    with pytest.raises(ConfigError, match="tables of another system, history for one"):
        seed(database.owner, replace(zabbix, layout="epics"))
    seed(database.owner, replace(zabbix, layout="epics", fresh=True))
    found = {name for (name,) in database.execute("SELECT relname::text FROM pg_class WHERE relkind = 'r'")}
    assert "sample" in found and not found & {"history", "history_uint", "items", "hosts"}
