"""A committed file is found wherever a publisher has it just then."""

from __future__ import annotations

from types import SimpleNamespace

from sensorstream.lake.data_files import read_bytes
from sensorstream.lake.keys import staged_key
from sensorstream.publishing.file_changes import entry_of
from sensorstream.transform.clean import readings
from sensorstream.windows import window_of


def file_of(value: float):
    day = window_of("UTC", "2026-10-14")
    return entry_of(("a", "2026-10"), day, readings([day.start_ms], [value], None, 192))


class Settling:
    """A store in which a file is put in place between a look at its key and one at where it waited."""

    place = "here"

    def __init__(self, key: str, old: bytes, waits: str, new: bytes) -> None:
        self.objects = {key: old, waits: new}
        self.key, self.waits, self.new = key, waits, new

    def get(self, key: str) -> bytes | None:
        found = self.objects.get(key)
        self.objects[self.key] = self.new
        self.objects.pop(self.waits, None)
        return found


def test_a_file_that_is_put_in_place_while_it_is_looked_for_is_found():
    (_, old), (entry, new) = file_of(1.0), file_of(2.0)
    store = Settling(entry.key, old, staged_key("t", entry.digest), new)
    assert read_bytes(store, entry, SimpleNamespace(root=SimpleNamespace(turn={"id": "t"}))) == new
