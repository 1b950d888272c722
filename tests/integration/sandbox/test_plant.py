"""The simulated plant in a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import psycopg
import pytest

from sensorstream.errors import ConfigError
from sensorstream.sandbox.plant import PREPROCESSED_VALUE, PlantOptions, seed
from sensorstream.sandbox.plant_days import grow

OPTIONS = PlantOptions(tags=30, days=3, rate_seconds=60)


def query(dsn: str, statement: str) -> list[tuple]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


def content(dsn: str) -> dict[str, tuple]:
    """Every table's rows in the order of its heap, as one hash."""
    names = [
        n
        for (n,) in query(
            dsn, "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    ]
    return {
        n: query(dsn, f"SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY ctid)) FROM \"{n}\" t")[0]
        for n in names
    }


@pytest.fixture
def plant(empty_database):
    return empty_database, seed(empty_database, OPTIONS)


def test_seeding_again_leaves_the_same_rows_in_the_same_order(plant):
    dsn, first = plant
    before = content(dsn)
    again = seed(dsn, OPTIONS)
    assert content(dsn) == before and again.readings == first.readings
    seed(dsn, replace(OPTIONS, fresh=True))
    assert content(dsn) == before


def test_a_table_that_was_tampered_with_is_made_again(plant):
    dsn, _ = plant
    before = content(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM sqlt_data_1_2026_11 WHERE tagid = 1")
    seed(dsn, OPTIONS)
    assert content(dsn) == before


def test_another_plant_replaces_the_first(plant):
    dsn, _ = plant
    seed(dsn, replace(OPTIONS, days=1))
    tables = {n for (n,) in query(dsn, "SELECT pname FROM sqlth_partitions WHERE blocksize = 0")}
    assert "sqlt_data_1_2026_10" in tables  # listed as the one that is gone
    assert query(dsn, "SELECT to_regclass('sqlt_data_1_2026_10')") == [(None,)]


def test_progress_counts_every_reading(empty_database):
    counts: list[int] = []
    summary = seed(empty_database, OPTIONS, counts.append)
    assert sum(counts) == summary.readings
    assert summary.readings == pytest.approx(OPTIONS.expected_readings, rel=0.1)


def test_the_summary_is_what_the_database_holds(plant):
    dsn, summary = plant
    assert summary.tables == (
        "sqlt_data_1_2026_10",
        "sqlt_data_1_2026_11",
        "sqlt_data_2_2026_10",
        "sqlt_data_2_2026_11",
    )
    assert summary.readings == sum(query(dsn, f"SELECT count(*) FROM {t}")[0][0] for t in summary.tables)
    assert query(dsn, "SELECT count(*) FROM sqlth_te") == [(summary.tag_ids,)]
    assert summary.tags == OPTIONS.tags


def test_tables_are_shaped_as_a_gateway_makes_them(plant):
    dsn, _ = plant
    columns = query(
        dsn,
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'sqlt_data_1_2026_10'::regclass AND attnum > 0 ORDER BY attnum",
    )
    assert columns == [
        ("tagid", "integer"),
        ("intvalue", "bigint"),
        ("floatvalue", "double precision"),
        ("stringvalue", "character varying(255)"),
        ("datevalue", "timestamp without time zone"),
        ("dataintegrity", "integer"),
        ("t_stamp", "bigint"),
    ]
    indexes = query(dsn, "SELECT indexdef FROM pg_indexes WHERE tablename = 'sqlt_data_1_2026_10' ORDER BY 1")
    assert [i.split("USING ")[1] for (i,) in indexes] == ["btree (t_stamp)", "btree (tagid, t_stamp)"]


def test_readings_stand_in_time_order_and_the_planner_knows_them(plant):
    dsn, _ = plant
    assert query(
        dsn,
        "SELECT count(*) FROM (SELECT t_stamp < lag(t_stamp) OVER (ORDER BY ctid) AS back FROM sqlt_data_1_2026_10) t"
        " WHERE back",
    ) == [(0,)]
    ((rows, pages, visible),) = query(
        dsn, "SELECT reltuples, relpages, relallvisible FROM pg_class WHERE relname = 'sqlt_data_1_2026_10'"
    )
    assert rows == query(dsn, "SELECT count(*) FROM sqlt_data_1_2026_10")[0][0] and visible == pages


def test_each_reading_stands_in_its_month_and_its_drivers_table(plant):
    dsn, summary = plant
    for table in summary.tables:
        month = table[-7:].replace("_", "-")
        assert query(
            dsn, f"SELECT DISTINCT to_char(to_timestamp(t_stamp / 1000) AT TIME ZONE 'UTC', 'YYYY-MM') FROM {table}"
        ) == [(month,)]
        assert query(
            dsn,
            f"SELECT DISTINCT drvid FROM {table} r JOIN sqlth_te t ON t.id = tagid JOIN sqlth_scinfo s ON s.id = scid",
        ) == [(int(table[10]),)]


def test_one_value_column_is_filled_as_the_datatype_says(plant):
    dsn, summary = plant
    rows = " UNION ALL ".join(f"SELECT * FROM {t}" for t in summary.tables)
    filled = query(
        dsn,
        f"SELECT DISTINCT datatype, intvalue IS NOT NULL, floatvalue IS NOT NULL, stringvalue IS NOT NULL,"
        f" datevalue IS NOT NULL FROM ({rows}) r JOIN sqlth_te t ON t.id = r.tagid"
        " WHERE dataintegrity = 192 ORDER BY 1",
    )
    assert filled == [(k, *(k == column for column in range(4))) for k in range(4)]


def test_two_paths_have_two_ids_each_with_overlapping_and_equal_times_and_the_same_values(plant):
    dsn, summary = plant
    rows = " UNION ALL ".join(f"SELECT tagid, floatvalue, t_stamp FROM {t}" for t in summary.tables)
    pairs = query(
        dsn,
        "SELECT a.id, b.id, s.drvid = z.drvid FROM sqlth_te a JOIN sqlth_te b USING (tagpath) JOIN sqlth_scinfo s"
        " ON s.id = a.scid JOIN sqlth_scinfo z ON z.id = b.scid"
        " WHERE a.retired IS NOT NULL AND b.retired IS NULL ORDER BY 1",
    )
    assert [same_driver for _, _, same_driver in pairs] == [True, False]
    for old, young, _ in pairs:
        equal, different = query(
            dsn,
            f"WITH r AS ({rows}) SELECT count(*), count(*) FILTER (WHERE a.floatvalue <> b.floatvalue)"
            f" FROM r a JOIN r b USING (t_stamp) WHERE a.tagid = {old} AND b.tagid = {young}",
        )[0]
        ((total,),) = query(dsn, f"WITH r AS ({rows}) SELECT count(*) FROM r WHERE tagid = {young}")
        assert 0 == different < equal < total / 2


def test_the_catalog_lists_what_is_gone_what_is_twice_and_what_is_not_raw(plant):
    dsn, _ = plant
    listed = query(
        dsn,
        "SELECT pname, count(*), max(blocksize), to_regclass(pname) IS NOT NULL FROM sqlth_partitions"
        " GROUP BY pname ORDER BY 1",
    )
    assert ("sqlt_data_1_2026_09", 1, 0, False) in listed
    assert ("sqlt_data_1_2026_11", 2, 0, True) in listed
    assert ("sqlt_data_1_2026_11_60", 1, 60, True) in listed
    assert query(dsn, "SELECT DISTINCT floatvalue FROM sqlt_data_1_2026_11_60") == [(PREPROCESSED_VALUE,)]


def test_paths_have_odd_characters_and_one_retired_tag_has_no_readings(plant):
    dsn, summary = plant
    paths = {p for (p,) in query(dsn, "SELECT tagpath FROM sqlth_te")}
    for odd in (" ", "%", "#", "ö", "[default]"):
        assert any(odd in path for path in paths)
    rows = " UNION ALL ".join(f"SELECT tagid FROM {t}" for t in summary.tables)
    silent = query(dsn, f"SELECT tagpath, retired < created FROM sqlth_te WHERE id NOT IN ({rows})")
    assert silent == [("plant1/press/old gauge/pressure", False)]


def test_a_plant_that_goes_on_reaches_to_yesterday_and_a_day_is_the_same_whenever_it_was_added(empty_database):
    options = replace(OPTIONS, end=date(2026, 10, 31), goes_on=True)

    def days() -> dict[str, tuple]:
        """Each day's number of readings and their hash, whatever the order of the tables' rows."""
        rows = query(
            empty_database,
            "SELECT to_timestamp(t_stamp / 1000)::date::text AS day, count(*), md5(string_agg(r::text, ' ' ORDER BY"
            " t_stamp, tagid)) FROM (SELECT * FROM sqlt_data_1_2026_10 UNION ALL SELECT * FROM sqlt_data_2_2026_10"
            " UNION ALL SELECT * FROM sqlt_data_1_2026_11 UNION ALL SELECT * FROM sqlt_data_2_2026_11) r GROUP BY 1",
        )
        return {day: found for day, *found in rows}

    seed(empty_database, options)
    assert grow(empty_database, replace(options, tags=29), today=date(2026, 11, 2)) == 0, "another plant's"
    for today in (2, 3, 4):
        assert grow(empty_database, options, today=date(2026, 11, today)) > 0
        assert grow(empty_database, options, today=date(2026, 11, today)) == 0
    one_by_one, before = days(), content(empty_database)
    assert list(one_by_one) == [f"2026-10-{day}" for day in range(28, 32)] + [f"2026-11-0{day}" for day in (1, 2, 3)]
    seed(empty_database, options)
    assert content(empty_database) == before, "seeding again changes nothing"
    assert grow(empty_database, options, today=date(2026, 11, 4), late=True) > 0, "held back until tomorrow"
    late = days()
    assert {day for day in late if late[day] != one_by_one[day]} == {"2026-11-03"}
    seed(empty_database, replace(options, fresh=True))
    grow(empty_database, options, today=date(2026, 11, 5))
    at_once = days()
    assert [at_once[day] for day in ("2026-10-30", "2026-11-03")] == [late[day] for day in ("2026-10-30", "2026-11-03")]


def test_the_generic_layout_holds_numbers_and_their_units(empty_database):
    options = replace(OPTIONS, layout="generic")
    summary = seed(empty_database, options)
    before = content(empty_database)
    seed(empty_database, replace(options, fresh=True))
    assert content(empty_database) == before
    assert summary.tables == ("sensor_data_2026_10", "sensor_data_2026_11")
    ((count, missing),) = query(
        empty_database,
        "SELECT count(*), count(*) FILTER (WHERE value IS NULL) FROM (SELECT * FROM sensor_data_2026_10"
        " UNION ALL SELECT * FROM sensor_data_2026_11) r JOIN tags t ON t.id = r.tagid",
    )
    assert count == summary.readings and 0 < missing < count / 50
    assert ("°C",) in query(empty_database, "SELECT DISTINCT unit FROM tags")


@pytest.mark.parametrize("wrong", [{"tags": 0}, {"days": 0}, {"rate_seconds": 0}, {"layout": "wide"}])
def test_options_that_make_no_plant_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        seed("", replace(OPTIONS, **wrong))
