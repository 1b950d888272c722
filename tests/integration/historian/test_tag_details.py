"""Units and descriptions that the historian does not have, from a file of the site's own."""

from __future__ import annotations

from pathlib import Path

from sensorstream import exploration
from sensorstream.config.sources import load
from sensorstream.lake.keys import BOOKS, TAGS
from sensorstream.lake.scan import tags
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan


def test_unit_bar_finds_the_pressures_and_no_reading_changes(plant, make_config, tmp_path):
    known = load(plant.config_path)
    (file := tmp_path / "tags.csv").write_text(f"{Path(known.tag_details).read_text()}plant9/unknown,bar,\n")
    config, without = make_config(tag_details=str(file)), make_config()
    assert any("1 of 26 tag paths" in note and "plant9/unknown" in note for note in plan(config, plant.window).notes)
    for each in (config, without):
        ingest(each, plant.window)
    found = exploration.find(exploration.tag_list(config), "unit:bar")
    assert len(found) > 3 and all(path.endswith("/pressure") for path in found)
    told = {row["tagpath"]: (row["unit"], row["description"]) for row in tags(config).to_pylist()}
    assert told["plant2/packaging/unit1/pressure"] == ("bar", "pressure of plant2/packaging/unit1")
    assert not exploration.find(exploration.tag_list(without), "unit:bar")
    stores = [open_store(each) for each in (config, without)]
    objects = [{key: store.get(key) for key, _ in store.list() if not key.startswith(BOOKS)} for store in stores]
    assert {key for key in objects[0] if objects[0][key] != objects[1].get(key)} - {TAGS} == set()
