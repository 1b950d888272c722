"""The command line before it reaches a server: where the configuration is found, help, completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sensorstream.cli.main import app, main

COMMANDS = [
    *("plan", "ingest", "run", "check", "verify", "reports", "config show"),
    *("compact", "recover", "ranges", "ddl", "package", "demo", "lab", "airflow"),
    *("sandbox up", "sandbox down", "sandbox status", "sandbox seed", "sandbox replay"),
]


@pytest.fixture
def shown(tmp_path, monkeypatch, capsys):
    """``shown(*words)``: exit code, values of ``config show``, and what it said, in a new folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SENSORSTREAM_CONFIG", raising=False)

    def run(*words: str) -> tuple[int, dict[str, object], str]:
        with pytest.raises(SystemExit) as end:
            main(["config", "show", "--json", *words])
        out, err = capsys.readouterr()
        return end.value.code, {key: told["value"] for key, told in json.loads(out or "{}").items()}, err

    return run


def config(name: str, **keys: object) -> None:
    Path(name).write_text(json.dumps({"db": {}, "local_path": name} | keys))


def test_the_configuration_is_what_is_named_else_the_variable_s_else_the_folder_s(shown, monkeypatch):
    code, _, said = shown()
    assert code == 2 and said.count("\n") == 1
    assert "--config" in said and "SENSORSTREAM_CONFIG" in said and "config.json" in said
    for name in ("config.json", "of_variable.json", "named.json"):
        config(name)
    assert shown()[1]["local_path"] == "config.json"
    monkeypatch.setenv("SENSORSTREAM_CONFIG", "of_variable.json")
    assert shown()[1]["local_path"] == "of_variable.json"
    assert shown("--config", "named.json")[1]["local_path"] == "named.json"
    monkeypatch.setenv("SENSORSTREAM_CONFIG", "gone.json")
    code, _, said = shown()
    assert code == 2 and "SENSORSTREAM_CONFIG names gone.json, which does not exist" in said


def test_airflow_variables_that_say_it_all_take_nothing_from_a_file_that_lies_there(shown, monkeypatch):
    config("config.json", lookback_days=3)
    monkeypatch.setenv(
        "SENSORSTREAM_VARIABLES", json.dumps({"SENSOR_PIPELINE_CONFIG": '{"db": {}, "local_path": "of_airflow"}'})
    )
    code, values, _ = shown("--config-source", "airflow")
    assert code == 0 and (values["local_path"], values["lookback_days"]) == ("of_airflow", 30)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_ends_with_an_example_of_it(command):
    ran = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "100"})
    last = ran.output.rstrip().splitlines()[-1]
    assert "Example" in last and f"sensorstream {command}" in last
    assert " 2026-" not in last or "with a date of your own" in last


def test_help_is_in_groups_and_shows_the_choices():
    groups = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).output
    named = [groups.index(name) for name in ("Every day", "ingest", "Look and check", "verify", "Upkeep", "Sandbox")]
    assert named == sorted(named)
    ingest = CliRunner().invoke(app, ["ingest", "--help"], env={"COLUMNS": "100"}).output
    assert all(choices in ingest for choices in ("[packed|jdbc]", "[file|airflow|aws]", "[overwrite|append]"))


def test_a_shell_completes_commands_and_choices():
    def completed(words: str) -> list[str]:
        asks = {"_SENSORSTREAM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        ran = subprocess.run(
            [sys.executable, "-m", "sensorstream"], env=os.environ | asks, capture_output=True, text=True
        )
        return ran.stdout.split()

    assert completed("sensorstream ver") == ["verify"]
    assert completed("sensorstream ingest --engine ") == ["packed", "jdbc"]
