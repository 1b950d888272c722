"""A historian that nobody has described yet: docs/layouts.md from an empty file to a lake, and what is refused."""

from __future__ import annotations

import json

import pytest

from sensorstream.pipeline.ingest import ingest
from sensorstream.verification.verify import verify
from tests.configs import file_of
from tests.documents import ROOT, blocks
from tests.oracle import readings_of

PAGE = ROOT / "docs" / "layouts.md"
SAID = json.loads(blocks(PAGE, "json")[0].code)


@pytest.fixture
def logger(database):
    """The tables of the page."""
    for block in blocks(PAGE, "sql"):
        database.execute(block.code)
    database.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; ANALYZE")
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
