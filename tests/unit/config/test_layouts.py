"""Layouts are data: those that come along are told apart by their tables, and nothing but their files knows them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

import pytest

from sensorstream.config.layouts.known import known, names
from sensorstream.config.sources import check
from sensorstream.historian.layout import layout_of, needs
from sensorstream.project_files import PACKAGE
from sensorstream.spark.package import archive

MAY_KNOW = (PACKAGE / "config" / "layouts", PACKAGE / "sandbox")
SCRIPTS = PACKAGE / "sandbox" / "other_historians"


def test_no_module_asks_which_layout_it_is():
    every = [path for path in PACKAGE.rglob("*.py") if not any(path.is_relative_to(folder) for folder in MAY_KNOW)]
    asks = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in every
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names()
    ]
    assert len(every) > 100 and asks == []


@pytest.mark.parametrize("name", names())
def test_a_layout_is_known_by_its_tables(name):
    auto = check({"db": {}, "local_path": "unused"}, where="the test's configuration")
    there = {*needs(known(name), "tags")}
    assert there and layout_of(auto, sorted(there)).name == name
    script = SCRIPTS / f"{name}.sql"
    if script.exists():
        made = re.findall(r"CREATE TABLE (\w+)", script.read_text(encoding="utf-8"))
        assert layout_of(auto, made).name == name


def test_a_schema_is_named_in_queries_as_sql_spells_it():
    query = known("epics").in_schema('plant "A"\\').tags.query
    assert 'FROM "plant ""A""\\".channel c' in query and "{schema}" not in query


def test_layouts_are_known_on_an_executor_too(tmp_path):
    name, data = archive()
    (tmp_path / name).write_bytes(data)
    script = f"import sys, json; sys.path.insert(0, {str(tmp_path / name)!r})\n"
    script += "from sensorstream.config.layouts.known import known, names\n"
    script += "print(json.dumps({name: known(name).name for name in names()}))"
    said = subprocess.run([sys.executable, "-P", "-c", script], cwd=tmp_path, env={}, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == {name: name for name in names()}


def test_a_layout_file_is_read_as_it_is_now(tmp_path):
    file = tmp_path / "mine.json"
    for table in ("log", "trend"):
        file.write_text(json.dumps(known("generic").model_dump(mode="json") | {"needs": [table]}))
        assert known(str(file)).needs == (table,)
