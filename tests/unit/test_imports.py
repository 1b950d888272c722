"""The tree as CONTRIBUTING.md tells it: imports run one way, files are small."""

from __future__ import annotations

import ast
from pathlib import Path

from importlinter.cli import lint_imports

PACKAGE = Path(__file__).parents[2] / "sensorstream"


def test_imports_run_one_way_and_in_no_circle(monkeypatch):
    monkeypatch.chdir(PACKAGE.parent)
    assert lint_imports(cache_dir=None) == 0


def test_the_root_holds_few_files_a_module_one_subject_and_a_function_one_screen():
    assert len([path for path in PACKAGE.iterdir() if path.is_file()]) <= 12
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 400, path
        for one in ast.walk(ast.parse(text)):
            if isinstance(one, ast.FunctionDef):
                assert (one.end_lineno or 0) - one.lineno < 80, f"{path}: {one.name}"
