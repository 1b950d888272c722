"""The notebooks as files, and explore as an analyst runs it."""

from __future__ import annotations

import ast

import nbformat
import pytest

from sensorstream import notebook
from sensorstream.pipeline import ingest
from sensorstream.workbench import NOTEBOOKS

FILES = sorted(NOTEBOOKS.glob("*.ipynb"))


def test_the_four_are_there():
    assert [path.stem for path in FILES] == ["check_lake", "check_source", "explore", "ingest"]


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


def test_explore_runs_top_to_bottom(plant, sandbox, spark, tmp_path):
    from sensorstream.config import load

    ingest(load(plant.config_path), plant.window, spark=spark)
    executed = tmp_path / "explore.ipynb"
    notebook.execute(notebook.find("explore"), executed, {"config_path": str(plant.config_path)})
    outputs = [o for cell in nbformat.read(executed, as_version=4).cells for o in cell.get("outputs", ())]
    for kind in ("application/vnd.jupyter.widget-view+json", "image/svg+xml", "text/html"):
        assert any(kind in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error"]
