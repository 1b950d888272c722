"""The notebooks as files, and those that people run by hand as they run them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import nbformat
import pytest

import sensorstream
from sensorstream.config.sources import load
from sensorstream.notebook_run import execute
from sensorstream.pipeline.ingest import ingest
from sensorstream.project_files import project_folder
from sensorstream.report.late_history import came_late
from sensorstream.windows import window_of
from tests.historians import small_historian
from tests.integration.late.test_late import PATHS, T0, agrees, day, every_hour, insert
from tests.oracle import Row

FILES = sorted(project_folder("notebooks").glob("*.ipynb"))


CORE = ["check_lake", "check_source", "explore", "ingest"]


def test_the_four_and_two_more_are_there():
    assert [path.stem for path in FILES] == sorted([*CORE, "backfill", "late_readings"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_notebook_is_prose_with_a_few_calls_and_no_output(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    assert [cell for cell in code if "parameters" in cell.metadata.get("tags", [])] == code[:1]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    for cell in code[1:]:
        assert len(cell.source.splitlines()) <= 6
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(ast.parse(cell.source)))


def executed(name: str, folder: Path, **parameters: object) -> tuple[list, str]:
    """The outputs of a notebook that ran top to bottom, and all that they say."""
    target = folder / f"{name}.ipynb"
    execute.execute(execute.find(name), target, parameters)
    outputs = [o for cell in nbformat.read(target, as_version=4).cells for o in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    return outputs, " ".join(str(o.get("text") or o.get("data", {}).get("text/html", "")) for o in outputs)


@pytest.fixture
def history(database, make_config, tmp_path):
    """Three days of the historian of which the first was read, and the configuration as a file."""
    small_historian(database, every_hour(3), PATHS)
    config = make_config(dbname=database.name, spark_conf={"spark.ui.enabled": "false"})
    ingest(config, day(0))
    values = config.model_dump(mode="json")
    values["db"]["password"] = config.db.password.get_secret_value()
    file = tmp_path / "config.json"
    file.write_text(json.dumps(values))
    return config, str(file)


def test_explore_runs_top_to_bottom(plant, tmp_path):
    ingest(load(plant.config_path), plant.window)
    outputs, _ = executed("explore", tmp_path, config_path=str(plant.config_path))
    for kind in ("application/vnd.jupyter.widget-view+json", "image/svg+xml", "text/html"):
        assert any(kind in output.get("data", {}) for output in outputs)


def test_late_readings_names_the_tag_days_that_changed_and_those_that_were_read_again(history, database, tmp_path):
    config, file = history
    insert(database, Row(1, T0 + 5, 9.0), Row(3, T0 + 7, 8.0))
    _, said = executed("late_readings", tmp_path, config_path=file)
    assert "<b>2 tag days</b> have changed, by heap tail" in said and "2026-10-10" in said
    assert "No run under reports_path has found late readings yet" in said, "an empty table is a sentence"
    changed = sensorstream.changed_days(config)
    assert changed.days.values.tolist() == [["a", "2026-10-10"], ["c", "2026-10-10"]]
    ingest(config, day(1)).save(Path(config.reports_path) / "run" / "time" / "record.json")
    assert sensorstream.changed_days(config, "fingerprint").days.empty
    found = came_late(config)
    assert found[["detector", "tagpath", "day"]].values.tolist() == [
        ["heap tail", "a", "2026-10-10"],
        ["heap tail", "c", "2026-10-10"],
    ]


def test_backfill_reads_what_is_missing_and_once_it_is_there_nothing(history, database, tmp_path):
    config, file = history
    span = {"start": "2026-10-10", "end": "2026-10-13"}
    window = window_of("UTC", **span)
    assert [str(name) for name, _ in sensorstream.missing_days(config, window)] == ["2026-10-11", "2026-10-12"]
    _, said = executed("backfill", tmp_path, config_path=file, **span)
    assert "2 days are missing: 2026-10-11 2026-10-12" in said and "0 days are missing" in said
    _, said = executed("backfill", tmp_path, config_path=file, **span)
    assert "Nothing was missing" in said
    assert agrees(config, database)
    assert sensorstream.missing_days(config, window) == []


def test_run_all_without_a_parameter_takes_the_newest_day_that_the_historian_has(history, tmp_path):
    config, file = history
    for name in ("check_source", "ingest", "check_lake"):
        _, said = executed(name, tmp_path, config_path=file)
        assert "2026-10-12T00:00:00+00:00 to 2026-10-13" in said, name
    assert [str(name) for name, _ in sensorstream.missing_days(config, day(2))] == []
