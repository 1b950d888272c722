"""``--json``: programs find one object on standard output, people read the rest on standard error."""

from __future__ import annotations

import json

import pytest

from sensorstream.cli.main import main


@pytest.fixture(scope="module")
def file(plant, tmp_path_factory):
    """A configuration of the plant with a lake in a folder."""
    folder = tmp_path_factory.mktemp("json")
    here = {"bucket_name": None, "local_path": str(folder / "lake"), "reports_path": str(folder / "reports")}
    (folder / "config.json").write_text(json.dumps(json.loads(plant.config_path.read_text()) | here))
    return folder / "config.json"


@pytest.fixture
def told(file, capsys):
    """``told(command, *words)``: the object, and what people read."""

    def run(command: str, *words: str, config: bool = True) -> tuple[dict, str]:
        with pytest.raises(SystemExit) as end:
            main([*command.split(), *(("--config", str(file)) if config else ()), *words, "--json"])
        out, err = capsys.readouterr()
        assert end.value.code == 0, err
        assert out.count("\n") == 1, "beside the object nothing is on standard output"
        return json.loads(out), err

    return run


def test_every_command_that_reports_does_so_as_json(told, file, plant, sandbox, tmp_path):
    window = ("--date", plant.date, "--pattern", "^plant1/press/")
    planned, read = told("plan", *window)
    assert planned["estimated_readings"] > 0 and "sqlt_data_1_2026_10" in planned["partition_tables"]
    assert f"{len(planned['tags']):,} tags" in read and sum(s["readings"] for s in planned["slices"]) > 0
    ingested, _ = told("ingest", *window)
    assert ingested["rows_written"] > 0 and ingested["tags_selected"] == len(planned["tags"])
    checked, read = told("check", *window)
    assert checked["success"] and checked["source"]["findings"] and "lake check passed" in read
    assert told("verify", *window)[0]["success"]
    learned, read = told("ranges", *window, "--out", str(tmp_path / "ranges.json"))
    assert len(learned["ranges"]) == len(json.loads((tmp_path / "ranges.json").read_text())["ranges"]) > 0
    assert told("compact", "--month", "2026-10")[0]["files_after"] == 0
    recovered, read = told("recover")
    assert recovered == {"lake": str(file.parent / "lake"), "recovered": None} and "nothing to recover" in read
    assert told("reports")[0] == {"place": f"{file.parent}/reports/index.html", "runs": 0}
    sql, read = told("ddl")
    assert sql["sql"].startswith("CREATE OR REPLACE VIEW readings") and sql["sql"] in read
    status, read = told("sandbox status", "--root", str(sandbox.root), config=False)
    running = {server["name"]: server["running"] for server in status["servers"]}
    assert running == {"PostgreSQL": True, "S3": True, "Secrets Manager": True}
    assert status["servers"][0]["address"] in read
