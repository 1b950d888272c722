"""Whatever stands under "layout", or in a file that it names: a description or a sentence, at once."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import strategies as st

from sensorstream.config.layouts.known import known, names
from sensorstream.config.sources import check, load
from sensorstream.errors import ConfigError
from tests.hostile import ANYTHING, FEW_OR_MANY, a_sentence, bent, hold
from tests.hostile_layouts import ANY_DESCRIPTION, RIGHT, WIDE, spelled_otherwise

LEAST = {"db": {}, "local_path": "unused"}
TABLES = ("log_2026_10", "1" * 63, "_" * 63, "log_0000_00_99", "x")


def use(layout) -> None:
    """What a run does with a description before it asks a historian."""
    for schema in ("public", "a\"b;)'c"):
        for kind in layout.in_schema(schema).readings:
            for name in TABLES:
                kind.tables.form(name)
                kind.tables.series(name)


@FEW_OR_MANY
def test_any_description_is_a_layout_or_a_sentence(examples, tmp_path):
    file = tmp_path / "c.json"

    def test(data: bytes) -> None:
        file.write_bytes(data)
        try:
            config = load(file)
            if not isinstance(config.layout, str):
                use(config.layout)
        except ConfigError as error:
            a_sentence(error)

    def written(layout) -> bytes:
        return json.dumps(LEAST | {"layout": layout}).encode()

    ways = (ANY_DESCRIPTION | spelled_otherwise() | ANYTHING | st.just({"readings": {"tables": "x"}})).map(written)
    hold(examples, test, ways | st.sampled_from(RIGHT).flatmap(lambda right: bent(written(right))))


@FEW_OR_MANY
def test_any_file_is_a_layout_or_a_sentence(examples, tmp_path):
    file = tmp_path / "mine.json"

    def test(data: bytes) -> None:
        file.write_bytes(data)
        try:
            use(known(str(file)))
        except ConfigError as error:
            a_sentence(error)
            assert str(error).startswith((f"layout file {file}", 'layout "'))  # the file, or its name with the schema

    right = [*(known(name).model_dump_json().encode() for name in names()), *(json.dumps(r).encode() for r in RIGHT)]
    cut = st.integers(0, 2_000)
    ways = st.sampled_from(right).flatmap(lambda data: bent(data) | cut.map(lambda end: data[:end]))
    hold(examples, test, (ANY_DESCRIPTION | ANYTHING).map(lambda v: json.dumps(v).encode()) | ways)


def test_what_is_no_file_or_has_no_end_is_named(tmp_path):
    pipe, endless = tmp_path / "pipe.json", tmp_path / "endless.json"
    os.mkfifo(pipe)
    with endless.open("wb") as file:
        file.truncate(1 << 40)  # of no block
    for path, says in ((pipe, "is no file"), (tmp_path / "x.json", "does not exist"), (endless, "more than 10 MB")):
        with pytest.raises(ConfigError, match=says):
            known(str(path))
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ConfigError, match="is no file"):
        known(str(tmp_path / "folder.json"))
    with pytest.raises(ConfigError, match="more than 10 MB"):
        load(endless)


@pytest.mark.parametrize("form", ["{any}_" * 20 + "x", "{n}" * 30 + "x", "{year}_{year}", "{day}_{day}_{month}_{year}"])
def test_a_name_that_fits_in_too_many_ways_is_refused(form):
    with pytest.raises(ConfigError, match=r"places of any length|twice"):
        check(LEAST | {"layout": {**WIDE, "readings": WIDE["readings"] | {"tables": form}}}, where="c")
