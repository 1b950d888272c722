"""Tags, units and tables whose names are markup, commands to a terminal, formulas or paths, through every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from psycopg import sql

from sensorstream.cli.main import main
from sensorstream.lake.scan import read_lake
from sensorstream.windows import window_of
from tests.configs import file_of
from tests.hostile import NAMES, Page, steers

DAY = window_of("UTC", day="2026-10-14")
TABLE = "\x1b[31mpress\u202e_2026_10"
COLUMNS = "(tagid int, t_stamp bigint, value float8, dataintegrity int, PRIMARY KEY (tagid, t_stamp))"


@pytest.fixture
def told(database, make_config, tmp_path, capsys):
    """``told(command, *words)``: exit code, standard output and error."""
    execute = database.execute
    execute("CREATE TABLE tags (id int, tagpath text, description text, unit text)")
    for number, name in enumerate(NAMES):
        execute("INSERT INTO tags VALUES (%s, %s, %s, %s)", number, name, name, name)
    execute(sql.SQL("CREATE TABLE {} " + COLUMNS).format(sql.Identifier(TABLE)))
    series = f"generate_series({DAY.start_ms}, {DAY.end_ms - 1}, 600000) t"
    rows = f"SELECT id, t, t / 600000 % 2, CASE WHEN id = t / 600000 % 3 THEN 0 ELSE 192 END FROM tags, {series}"
    execute(sql.SQL(f"INSERT INTO {{}} {rows}").format(sql.Identifier(TABLE)))
    execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    config = make_config(dbname=database.name, layout="generic")
    file = file_of(config, tmp_path)

    def run(*words: str, config: Path = file) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([*words, "--config", str(config)])
        return (end.value.code, *capsys.readouterr())

    run.config = config
    return run


def test_names_steer_no_terminal_and_stand_in_no_page_as_markup(told, tmp_path):
    day = ("--date", "2026-10-14")
    said = {}
    for words in (("plan", *day), ("ingest", *day), ("verify", *day), ("ranges", *day, "--out", str(tmp_path / "r")),
                  ("compact",), ("recover",), ("reports",), ("config", "show")):  # fmt: skip
        code, *both = said[words[0]] = told(*words)
        assert code == 0 and not steers("".join(both)), (words, both)
    assert "\\x1b[31mpress\\u202e_2026_10" in said["plan"][1]
    read = read_lake(told.config, "2026-10-14")
    assert set(read["tagpath"].unique().to_pylist()) == set(NAMES)

    lake = Path(told.config.local_path)
    files = sorted(lake.glob("readings/**/*.parquet"))
    for file in files:
        file.write_bytes(b"rubbish")
    code, *both = told("verify", *day)
    assert code == 6 and not steers("".join(both)) and "\\x9b31mSPY" in both[0]
    code, *both = told("check", *day, "--docs", str(tmp_path / "docs"))
    assert code == 6 and not steers("".join(both))
    pages = [Page(page.read_text()) for page in (tmp_path / "docs").rglob("*.html")]
    assert not [one for page in pages for one in page.found]
    assert any(NAMES[0] in page.told for page in pages), "they stand there as they are"
    (index,) = (tmp_path / "reports").glob("*.html")
    assert not Page(index.read_text()).found


def test_words_of_a_command_line_steer_no_terminal(told, tmp_path):
    odd = "\x1b[31m\udcff\n\u202e"
    day = ("plan", "--date", "2026-10-14")
    for words in ((odd,), ("plan", "--date", odd), (*day, "--engine", odd), (*day, "--pattern", odd),
                  ("plan", "--start", odd, "--end", odd), ("compact", "--month", odd)):  # fmt: skip
        code, out, err = told(*words)
        assert code == 2 and err.count("\n") == 1 and not steers(out + err), (words, err)
    (tmp_path / "odd.json").write_text(json.dumps({"db": {}, odd[0]: 1}))
    code, out, err = told("plan", "--date", "2026-10-14", config=tmp_path / "odd.json")
    assert code == 2 and 'unknown key "\\x1b"' in err
