"""A historian that nobody has described yet: docs/layouts.md from an empty file to a lake, and what is refused."""

from __future__ import annotations

import json

import pytest

from sensorstream.errors import SourceError
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.verification.verify import verify
from tests.configs import file_of
from tests.documents import ROOT, blocks
from tests.oracle import bits, readings_of

PAGE = ROOT / "docs" / "layouts.md"
SAID = json.loads(blocks(PAGE, "json")[0].code)


@pytest.fixture
def logger(database):
    """The tables of the page."""
    for block in blocks(PAGE, "sql"):
        database.execute(block.code)
    database.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    database.execute("ANALYZE")  # by itself: in one transaction with a grant, it and autovacuum can wait for each other
    return database


def told(capsys, config, tmp_path, *words: str) -> tuple[int, str, str]:
    from sensorstream.cli.main import main

    with pytest.raises(SystemExit) as ended:
        main([*words, "--config", str(file_of(config, tmp_path))])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_page_leads_from_an_empty_file_to_a_checked_lake(logger, make_config, tmp_path, capsys):
    code, out, err = told(capsys, make_config(dbname=logger.name), tmp_path, "layout", "guess")
    guess = json.loads(out)
    assert code == 0 and "taken says no zone" in err
    assert (guess["readings"]["tables"], guess["readings"]["id"]) == ("log_{year}_{month}", ["code"])
    assert guess["readings"]["time"] == {"column": "taken", "unit": "timestamp", "zone": "UTC"}
    config = make_config(dbname=logger.name, layout=SAID, timezone="Europe/Vienna")
    code, out, _ = told(capsys, config, tmp_path, "layout", "check")
    assert code == 0 and "log_2026_10: 2026-10-13 22:01:00 to 2026-10-14 13:00:00" in out and "3 tags" in out
    assert "903 readings on 2026-10-14, the newest day" in out
    record = ingest(config, "2026-10-14")
    assert (record.rows_read, record.rows_rejected) == (903, {"bad_quality": 1})
    found = {path: (ms, text) for path, ms, _, text, _ in readings_of(config)}
    assert found["boiler/temperature"] == (1791957600250, None) and found["gate/state"] == (1791957600000, "open")
    assert not verify(config, "2026-10-14").differences


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"numbers": "raeding"}, '"readings.0.numbers.0" is refused by the historian: column "raeding" does not exist'),
        ({"numbers": "remark"}, '"readings.0.numbers.0" is of type text in table log_2026_10, not smallint or'),
        ({"quality": "flags / 0.5"}, '"readings.0.quality" is of type numeric'),
        ({"time": {"column": "reading", "unit": "timestamptz"}}, "reading is of type numeric, not timestamp with"),
        ({"id": "kode"}, "has no column kode (it has code, taken, reading, remark, flags)"),
        ({"where": "flags"}, '"readings.0.where" is of type integer'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_key(logger, make_config, tmp_path, capsys, change, says):
    config = make_config(dbname=logger.name, layout=SAID | {"readings": SAID["readings"] | change})
    code, out, err = told(capsys, config, tmp_path, "layout", "check")
    assert code == 3 and says in out and "does not fit 1 of 1 tables" in err
    code, _, err = told(capsys, config, tmp_path, "ingest", "--date", "2026-10-14")
    assert code == 3 and says in err


@pytest.mark.parametrize(("factor", "unit"), [(1, "s"), (10**6, "us"), (10**9, "ns")])
def test_times_of_another_unit_are_refused_with_the_one_that_fits(
    database, make_config, factor, unit, tmp_path, capsys
):
    database.execute(
        "CREATE TABLE log (id int, at bigint, v float8); CREATE TABLE tags (id int PRIMARY KEY, path text)"
    )
    database.execute(f"INSERT INTO log VALUES (1, {1_791_957_600 * factor}, 1); INSERT INTO tags VALUES (1, 'a')")
    database.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    said = {"tables": "log", "id": "id", "time": {"column": "at", "unit": "ms"}, "numbers": "v"}
    layout = {"readings": said, "tags": {"table": "tags"}}
    code, _, err = told(
        capsys, make_config(dbname=database.name, layout=layout), tmp_path, "plan", "--date", "2026-10-14"
    )
    assert code == 3 and f'say "unit": "{unit}" in the layout' in err
    said["time"]["unit"] = unit
    config = make_config(dbname=database.name, layout=layout)
    assert ingest(config, "2026-10-14").rows_written == 1
    assert json.loads(told(capsys, config, tmp_path, "layout", "guess")[1])["readings"]["time"]["unit"] == unit


WIDE = """
CREATE TABLE mill_1_2026_10 (at timestamptz, speed float8, checked date);
CREATE TABLE mill_2_2026_10 (LIKE mill_1_2026_10);
INSERT INTO mill_1_2026_10 VALUES ('2026-10-14 08:00Z', 1, '2026-01-01');
INSERT INTO mill_2_2026_10 VALUES ('2026-10-14 08:00Z', 2, NULL);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
"""


def mills(name: str, **wide: object) -> dict[str, object]:
    return {"tables": f"mill_{name}_{{year}}_{{month}}", "time": {"column": "at", "unit": "timestamptz"}, "wide": wide}


def test_columns_of_two_machines_are_not_one_tag_and_none_is_left_out_without_a_word(database, make_config):
    database.execute(WIDE)

    def config_of(*readings: object):
        return make_config(dbname=database.name, layout={"readings": list(readings)})

    with pytest.raises(SourceError, match="columns of tables mill_1 and mill_2 are both tag speed: describe each"):
        ingest(config_of(mills("{n}")), "2026-10-14")
    with pytest.raises(SourceError, match="table mill_1_2026_10 has no column sped"):
        ingest(config_of(mills("1", of={"sped": "speed"}), mills("2", path="2/{column}")), "2026-10-14")
    config = config_of(mills("1", path="1/{column}"), mills("2", path="2/{column}"))
    assert any(
        "mill_1_2026_10: columns checked (date) hold neither" in note for note in plan(config, "2026-10-14").notes
    )
    ingest(config, "2026-10-14")
    assert [(path, value) for path, _, value, *_ in readings_of(config)] == [("1/speed", bits(1)), ("2/speed", bits(2))]


def test_the_first_text_that_there_is_counts_and_a_time_that_is_none_is_no_failure(database, make_config):
    database.execute(
        "CREATE TABLE log (id int, at float8, since timestamp, note text);"
        "CREATE TABLE name (id int PRIMARY KEY, path text);"
        "INSERT INTO name VALUES (1, 'a'); GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;"
        "INSERT INTO log VALUES (1, 'NaN', NULL, 'x'), (1, 'inf', NULL, 'x'), (1, 1791957600, '2026-01-02', 'later'),"
        " (1, 1791957601, NULL, 'alone')"
    )
    said = {"tables": "log", "id": "id", "time": {"column": "at", "unit": "s"}, "texts": ["since", "note"]}
    config = make_config(dbname=database.name, layout={"readings": said, "tags": {"table": "name"}})
    ingest(config, "2026-10-14")
    assert [text for *_, text, _ in readings_of(config)] == ["2026-01-02 00:00:00", "alone"]


def test_a_table_of_two_kinds_of_readings_is_refused(logger, make_config):
    one = SAID["readings"]
    layout = SAID | {"readings": [one | {"texts": []}, {k: v for k, v in one.items() if k != "numbers"}]}
    with pytest.raises(SourceError, match=r'^table log_2026_10 fits "tables" of two objects of "readings": narrow one'):
        plan(make_config(dbname=logger.name, layout=layout), "2026-10-14")
