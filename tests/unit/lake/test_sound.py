"""A manifest, a journal or a state by hand: one sentence says which object it is, what is wrong and what to do."""

from __future__ import annotations

import json

import pytest

from sensorstream.errors import LakeError
from sensorstream.lake.manifest import ROOT, read_manifest
from sensorstream.lake.scan import read_lake
from sensorstream.lake.stores import open_store
from sensorstream.publishing.compaction import compact
from sensorstream.publishing.lease import JOURNAL, acquire, recover
from sensorstream.windows import window_of
from tests.configs import lakes_in
from tests.lakes import ended, publish, scope_of

DAY = window_of("UTC", day="2026-10-14")
NOW = {"id": "0" * 32, "what": "w", "phase": "done", "holder": {"host": "h", "pid": 1, "born": "x"}, "beat": 0}


@pytest.fixture
def lake(tmp_path):
    config = lakes_in(tmp_path)()
    store = open_store(config)
    publish(store, scope_of(config, DAY, ["a"]), {("a", DAY.start_ms): 1.0})
    return config, store


def changed(**keys):
    return lambda root: json.dumps(root | keys)


BY_HAND = {
    "nested 100,000 deep": (lambda root: "[" * 100_000, "is nested too deep: restore"),
    "cut off": (lambda root: json.dumps(root)[:-20], "is not JSON: restore"),
    "a list": (lambda root: "[]", 'which has a "format": restore'),
    "without a format": (lambda root: "{}", 'which has a "format": restore'),
    "a key twice": (lambda root: json.dumps(root)[:-1] + ', "files": {}}', 'says "files" twice'),
    "of a newer version": (changed(format=2), "is of a newer format: upgrade SensorStream"),
    "no files": (changed(files=5), r'is damaged at "files" \('),
    "a month that is none": (changed(files={"2026-13": "x"}), 'is damaged at "files.2026-13'),
    "a state outside the lake": (changed(files={"2026-10": "../../secret.parquet"}), 'damaged at "files.2026-10"'),
    "no marks": (changed(marks={"t": 5}), 'is damaged at "marks.t"'),
    "no lease": (changed(turn={}), 'is damaged at "turn.id"'),
    "a lease outside the lake": (changed(turn=NOW | {"id": "../.."}), 'is damaged at "turn.id"'),
    "no phase": (changed(turn=NOW), 'is damaged at "turn.phase"'),
    "no time zone": (changed(timezone="localtime"), 'is damaged at "timezone"'),
    "something unknown": (changed(more=1), 'is damaged at "more"'),
}


@pytest.mark.parametrize("kind", BY_HAND)
def test_a_manifest_by_hand_is_named_with_what_is_wrong(kind, lake):
    config, store = lake
    write, says = BY_HAND[kind]
    store.put(ROOT, write(json.loads(store.get(ROOT))).encode())
    for command in (lambda: read_lake(config, DAY), lambda: compact(config), lambda: recover(store)):
        with pytest.raises(LakeError, match=says) as failure:
            command()
        assert str(failure.value).startswith(f"lake {store.place}: {ROOT} ") and len(str(failure.value)) < 500


@pytest.mark.parametrize("text", ["", "[[[", '{"new": 5}', '{"new": ["../../secret"]}', '{"new": ["/etc/passwd"]}'])
def test_a_journal_by_hand_is_named_and_once_it_is_gone_the_lake_is_free(text, lake):
    _, store = lake
    with ended():
        journal = f"{JOURNAL}{acquire(read_manifest(store), 'a day').id}.json"
        store.put(journal, text.encode())
        with pytest.raises(LakeError, match=f"{journal} .*: remove it, then run verify"):
            recover(store)
        store.delete([journal])
        assert recover(store) == "a run that ended while it published a day was undone"
