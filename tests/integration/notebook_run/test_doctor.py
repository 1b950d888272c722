"""What a night needs is tried one by one: what is missing is said, and all else is tried all the same."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from subprocess import run

from sensorstream.config.sources import load
from sensorstream.lake.stores import open_store
from sensorstream.notebook_run.doctor import examine
from sensorstream.pipeline.preview import plan
from sensorstream.sandbox.plant import PlantOptions, seed

NEEDED = [
    "this machine", "libraries", "historian", "encryption", "rights", "connections", "clock", "readings", "lake",
    "reports", "disk",
]  # fmt: skip


def test_all_is_fine_where_the_historian_is_written_to_and_nothing_is_left_behind(database, make_config, tmp_path):
    seed(database.owner, replace(PlantOptions(), tags=2, days=1, end=datetime.now(UTC).date(), rate_seconds=600))
    config = make_config(dbname=database.name, reports_path=str(tmp_path / "reports"))
    assert {one.name: one.verdict for one in examine(config)} == dict.fromkeys(NEEDED, "fine")
    assert list(open_store(config).list()) == [] and not any((tmp_path / "reports").rglob("*"))


def test_what_is_missing_is_said_and_the_rest_is_tried(plant, tmp_path):
    values = {"reports_path": str(tmp_path), "jdbc_num_partitions": 1000, "bucket_name": "nobody-made-this-one"}
    found = {one.name: one for one in examine(load(plant.config_path, arguments=values))}
    assert {name for name, one in found.items() if one.doubt} == {"connections", "readings"}
    assert 'lower "jdbc_num_partitions" (1000)' in found["connections"].found
    assert [name for name, one in found.items() if one.failure] == ["lake"]
    assert found["lake"].failure.exit_code == 5 and "nobody-made-this-one" in found["lake"].found

    db = {"host": "127.0.0.1", "port": 9}
    found = {one.name: one for one in examine(load(plant.config_path, arguments={"db": db, **values}))}
    assert [name for name, one in found.items() if one.failure] == ["historian", "readings", "lake"]
    assert found["reports"].verdict == "fine"


def test_init_asks_tries_and_writes_what_a_run_can_use(plant, tmp_path):
    db = json.loads(plant.config_path.read_text())["db"]
    answers = [
        db["host"],
        str(db["port"]),
        db["dbname"],
        db["user"],
        db["password"],
        str(tmp_path / "lake"),
        "UTC",
        "y",
    ]
    out = tmp_path / "config.json"
    command = [sys.executable, "-m", "sensorstream", "init", "--out", str(out)]
    told = run(command, input="\n".join(answers), capture_output=True, text=True, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert out.stat().st_mode & 0o777 == 0o600 and db["password"] not in told.stdout + told.stderr
    assert plan(load(out), plant.date).tags
    again = run(command, capture_output=True, text=True, cwd=tmp_path)
    assert again.returncode == 2 and f"{out} exists" in again.stderr
