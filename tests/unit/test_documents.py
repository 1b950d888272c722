"""What README and docs name is there: links, commands, options, keys and their defaults, files, public names."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import sensorstream
from sensorstream.cli.main import app
from sensorstream.config.settings import Config
from sensorstream.config.sources import check
from tests.documents import DOCUMENTS, ROOT, blocks

SPARK_SUBMIT = {"--jars"}
NOTHING = {"none", "found", "automatic", "AWS's own", "the bucket's own"}
COMMANDS = get_command(app)
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def prose(document: Path) -> str:
    """A document without its blocks of code and its comments."""
    text = re.sub(r"<!--.*?-->", "", document.read_text(), flags=re.DOTALL)
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def inline(document: Path) -> list[str]:
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(document))]


def shell_lines(document: Path) -> list[str]:
    return [line for block in blocks(document, "sh") for line in block.code.splitlines()]


def anchors(document: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def options(command) -> set[str]:
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(*map(options, getattr(command, "commands", {}).values()))


def named_commands(document: Path) -> Iterator[list[str]]:
    for line in [*inline(document), *shell_lines(document)]:
        if re.match(r"(\.venv/bin/)?sensorstream ", line):
            yield shlex.split(line, comments=True)[1:]


def test_the_readme_is_read_in_one_sitting():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@each_document
def test_every_link_leads_somewhere(document):
    text = document.read_text()
    for link in [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'src="([^"]+)"', text)]:
        if not re.match(r"https?://", link):
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            assert target.is_file() and (not anchor or anchor in anchors(target)), link


@each_document
def test_every_command_and_option_is_there(document):
    for words in named_commands(document):
        command = COMMANDS
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert command is not COMMANDS or words[0].startswith("-"), words
        if command.name != "bench":  # whose options are those of the benchmarks
            assert {word.split("=")[0] for word in words if word.startswith("--")} <= options(command) | {"--help"}, (
                words
            )
    known = options(COMMANDS) | SPARK_SUBMIT
    assert {code.split()[0] for code in inline(document) if code.startswith("--")} <= known


@each_document
def test_every_make_target_is_there(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in [*inline(document), *shell_lines(document)]:
        if found := re.match(r"make ([a-z-]+)", line):
            assert found[1] in targets, line


@each_document
def test_every_file_is_there(document):
    for code in inline(document):
        if re.fullmatch(r"(sensorstream|docs|dags|plugins|notebooks|expectations|tests)/[\w./-]*", code):
            assert (ROOT / code).exists(), code
        if re.fullmatch(r"test_\w+\.py", code):
            assert list((ROOT / "tests").rglob(code)), code


@each_document
def test_every_public_name_is_there(document):
    code = [*inline(document), *(block.code for block in blocks(document, "python"))]
    for name in re.findall(r"(?<![/\w])sensorstream\.(\w+)", "\n".join(code)):
        assert name in sensorstream.__all__, name


@each_document
def test_every_variable_is_one_that_the_code_knows(document):
    code = "".join(path.read_text() for folder in ("sensorstream", "dags") for path in (ROOT / folder).rglob("*.py"))
    for name in re.findall(r"\bSENSOR(?:STREAM)?_[A-Z_]+\b", document.read_text()):
        assert name.removeprefix("SENSORSTREAM_") in code, name


@each_document
def test_every_key_in_the_text_is_a_key_of_the_configuration(document):
    for code in inline(document):
        if found := re.match(r'"(\w+)": ', code):
            assert found[1] in Config.model_fields, code


@each_document
def test_every_configuration_that_is_shown_can_be_used(document):
    shown = [json.loads(block.code) for block in blocks(document, "json") if block.code.startswith("{")]
    for values in shown:
        if "db" in values:
            check(values, where=document.name)


def test_every_key_stands_in_the_table_with_its_default():
    fields, told = Config.model_fields, {}
    for keys, default in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.*?) \| .*\|$", TABLES, re.MULTILINE):
        names = [name.strip("`") for name in keys.split(", ")]
        texts = default.split(", ") if len(names) > 1 and ", " in default else [default] * len(names)
        told |= dict(zip(names, texts, strict=True))
    assert set(told) == set(fields)
    for name, text in told.items():
        if not fields[name].is_required():
            assert value_of(text) == as_json(fields[name].get_default(call_default_factory=True)), name


TABLES = (ROOT / "docs" / "configuration.md").read_text().partition("## Every key")[2]


def as_json(value: object) -> object:
    return json.loads(json.dumps(value))


def value_of(text: str) -> object:
    """The value that a cell of defaults means."""
    text = text.strip("`")
    if text in NOTHING:
        return None
    try:
        return json.loads(text.replace(",", ""))
    except ValueError:
        return text


def test_the_map_of_the_tree_has_every_package():
    mapped = set(re.findall(r"^  (\w+)/ ", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE))
    assert mapped == {path.parent.name for path in (ROOT / "sensorstream").glob("*/__init__.py")}
