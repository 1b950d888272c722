"""A source that suddenly shows less than it has: what a run over a committed day makes of it."""

from __future__ import annotations

import pytest

from sensorstream.errors import SourceError
from sensorstream.pipeline.ingest import ingest
from sensorstream.sandbox.processes import free_port
from sensorstream.windows import window_of
from tests.historians import DAY, T0, small_historian
from tests.kinds import become
from tests.oracle import Row, expect, readings_of

MONTH, EVENING = "sqlt_data_1_2026_10", T0 + 72_000_000
ROWS = [Row(i, T0 + n * 3_600_000, float(n)) for n in range(24) for i in (1, 2)]
PATHS = {1: "a", 2: "b"}
RENAMED = [row for row in ROWS if (row.tagid == 1) == (row.t_stamp < EVENING)], {1: "a", 2: "a"}
PARTITIONS = (
    "CREATE TABLE sqlth_partitions (pname text, drvid int, start_time bigint, end_time bigint, blocksize int,"
    f" flags int); INSERT INTO sqlth_partitions SELECT pname, 1, {T0}, {DAY.end_ms}, 0, 0 FROM unnest(ARRAY"
)
# How the month table stands when the day is committed, and by what statement the reader is shown less.
SAID = {
    "the grant on a month table is dropped": (
        "table", f"REVOKE SELECT ON {MONTH} FROM reader", f"permission denied for table {MONTH}: grant reader",
    ),
    "the grant on a column is dropped": (
        "table",
        f"REVOKE SELECT ON {MONTH} FROM reader; GRANT SELECT (tagid, t_stamp, dataintegrity) ON {MONTH} TO reader",
        f"permission denied for table {MONTH}: grant reader",
    ),
    "sqlth_partitions may not be read": (
        "table", PARTITIONS + f"['{MONTH}']) pname; REVOKE SELECT ON sqlth_partitions FROM reader",
        "permission denied for table sqlth_partitions: grant reader",
    ),
    "the tags may not be read": (
        "table", "REVOKE SELECT ON sqlth_te FROM reader", "permission denied for table sqlth_te: grant reader",
    ),
    "the far side of a foreign table is down": (
        "foreign table", "ALTER SERVER far OPTIONS (SET port '{free_port}')", 'could not connect to server "far"',
    ),
    "the far table is gone": (
        "foreign table", f"DROP TABLE far.{MONTH}", f'relation "far.{MONTH}" does not exist',
    ),
    "a materialized view was emptied": (
        "materialized view", f"REFRESH MATERIALIZED VIEW {MONTH} WITH NO DATA", "has not been populated",
    ),
    "the month table was renamed": (
        "table", f"ALTER TABLE {MONTH} RENAME TO gone", "no partition table covers",
    ),
}  # fmt: skip
HARMLESS = {
    "the grant on one partition is dropped": ("partitioned", f"REVOKE ALL ON {MONTH}_p FROM reader"),
    "the grant on an heir is dropped": ("rows of its own and heirs", f"REVOKE ALL ON {MONTH}_p FROM reader"),
    "the schema of a view's table is closed": ("view", "REVOKE ALL ON SCHEMA far FROM PUBLIC"),
    "search_path names another schema with empty tables": (
        "table",
        f"CREATE SCHEMA other; CREATE TABLE other.{MONTH} (LIKE {MONTH}); CREATE TABLE other.sqlth_te (LIKE sqlth_te);"
        "GRANT USAGE ON SCHEMA other TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA other TO reader;"
        "ALTER DATABASE {name} SET search_path = other, public",
    ),
    "a tag is shown no more": ("table", "DELETE FROM sqlth_te WHERE id = 2"),
}
UNSEEN = {
    "a partition is detached": ("partitioned", f"ALTER TABLE {MONTH} DETACH PARTITION {MONTH}_p"),
    "an heir is cut off": ("heirs of another schema", f"ALTER TABLE far.{MONTH}_p NO INHERIT {MONTH}"),
    "a view leaves a tag out": ("view", f"CREATE OR REPLACE VIEW {MONTH} AS SELECT * FROM far.{MONTH} WHERE tagid > 1"),
    "the far side hides rows": (
        "foreign table",
        f"ALTER TABLE far.{MONTH} ENABLE ROW LEVEL SECURITY; ALTER TABLE far.{MONTH} FORCE ROW LEVEL SECURITY",
    ),
    "the far side hides some rows": (
        "foreign table",
        f"ALTER TABLE far.{MONTH} ENABLE ROW LEVEL SECURITY; ALTER TABLE far.{MONTH} FORCE ROW LEVEL SECURITY;"
        f"CREATE POLICY half ON far.{MONTH} USING (tagid = 1)",
    ),
    "the table is emptied": ("table", f"TRUNCATE {MONTH}"),
    "the older id of a path is shown no more": ("table", "UPDATE sqlth_te SET tagpath = 'gone' WHERE id = 1"),
    "a table is listed no more": (
        "table",
        f"CREATE TABLE sqlt_data_2_2026_10 (LIKE {MONTH}); {PARTITIONS}['sqlt_data_2_2026_10']) pname",
    ),
}


@pytest.fixture
def committed(database, sandbox, make_config):
    """Commit the day of a historian whose month table is of a ``kind``, then hide; the lake and how to run again."""

    def commit(kind: str, hide: str, rows=ROWS, paths=PATHS):
        small_historian(database, rows, paths)
        become(database, sandbox, kind, MONTH, ("tagid", "t_stamp"), EVENING)
        config = make_config(dbname=database.name)
        ingest(config, DAY)
        before = readings_of(config)
        assert before == expect(rows, paths).readings
        database.execute(hide.replace("{free_port}", str(free_port())).replace("{name}", database.name))
        return config, before

    return commit


@pytest.mark.parametrize("way", SAID)
def test_is_refused_by_name_and_the_lake_stays(way, committed):
    kind, hide, says = SAID[way]
    config, before = committed(kind, hide)
    with pytest.raises(SourceError, match=says):
        ingest(config, DAY)
    assert readings_of(config) == before


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", HARMLESS)
def test_takes_nothing_away(way, engine, committed):
    config, before = committed(*HARMLESS[way])
    ingest(config.model_copy(update={"engine": engine}), DAY)
    assert readings_of(config) == before


@pytest.mark.parametrize("way", UNSEEN)
def test_what_no_error_tells_of_takes_no_committed_readings_out_of_the_lake(way, committed):
    kind, hide = UNSEEN[way]
    config, before = committed(kind, hide, *(RENAMED if "older id" in way else ()))
    with pytest.raises(SourceError, match=r"the historian shows less than the lake holds: .*allow_loss"):
        ingest(config, DAY)
    assert readings_of(config) == before


def test_a_month_before_that_may_not_be_read_leaves_the_window_alone(database, make_config):
    small_historian(database, ROWS, PATHS)
    database.execute("CREATE TABLE sqlt_data_1_2026_09 (LIKE sqlt_data_1_2026_10)")
    database.execute("REVOKE SELECT ON sqlt_data_1_2026_09 FROM reader")
    config = make_config(dbname=database.name, lookback_days=30)
    second = window_of("UTC", day="2026-10-14")
    assert ingest(config, second).rows_written == len(ROWS)
