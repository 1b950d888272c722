"""Staged files of this machine: in memory up to a bound, then on disk, and the bytes come back."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sensorstream.lake.manifest import DataFile
from sensorstream.staging.this_machine import StagedFiles


def entry(number: int, size: int) -> DataFile:
    return DataFile("a", "2026-10", number, number + 1, 1, number, number, size, f"{number}")


@given(st.lists(st.binary(max_size=200), max_size=40), st.integers(0, 2000))
def test_whatever_the_bound_the_bytes_come_back(contents, bound):
    with StagedFiles(bound) as files:
        entries = [entry(number, len(data)) for number, data in enumerate(contents)]
        for each, data in zip(entries, contents, strict=True):
            files.keep(each, data)
        assert [files[each] for each in reversed(entries)] == contents[::-1]
        assert list(files) == entries and len(files) == len(contents)


def test_what_waits_on_disk_has_no_name_and_goes_with_the_run():
    def on_disk() -> int:
        return sum("sensorstream-staged-" in str(link.resolve()) for link in Path("/proc/self/fd").iterdir())

    with StagedFiles(0) as files:
        files.keep(entry(1, 3), b"abc")
        assert on_disk() == 1
        assert not list(Path("/tmp").glob("sensorstream-staged-*"))
    assert on_disk() == 0
