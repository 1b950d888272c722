"""Loops in C do what numpy and Python do, and where there is no compiler those go on."""

from __future__ import annotations

import os
import shutil
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream import hashes_in_c, in_c
from sensorstream.extract import pieces_in_c, units_in_c, unpack
from sensorstream.extract.wire import units_of

LOADERS = {
    hashes_in_c: hashes_in_c.hashes_in_c,
    units_in_c: units_in_c.units_in_c,
    pieces_in_c: pieces_in_c.pieces_in_c,
}
TAIL = bytes(16)  # the second unit of a reading that has two
HERE = any(map(shutil.which, in_c.COMPILERS))
each = pytest.mark.parametrize("module", LOADERS, ids=lambda module: module.__name__.rpartition(".")[2])

bits = st.integers(0, 2**64 - 1) | st.sampled_from(
    [0x7FF8 << 48, 0xFFF8 << 48, (0x7FF << 52) + 1, 0x7FF << 52, 1 << 63]
)
plain = st.tuples(st.integers(1, 2**53), bits)
odd = st.tuples(st.integers(-(2**53), -1), bits)
parts = st.lists(st.tuples(st.lists(plain | odd, max_size=20), st.integers(0, 2**40)), min_size=1, max_size=4)


@pytest.fixture
def anew(tmp_path, monkeypatch):
    """As in a process of its own, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for loader in LOADERS.values():
        loader.cache_clear()
    yield tmp_path / "sensorstream"
    for loader in LOADERS.values():
        loader.cache_clear()


@each
def test_each_is_compiled_once_where_there_is_a_compiler(anew, monkeypatch, module):
    load = LOADERS[module]
    assert (load() is not None) == HERE
    kept = sorted(anew.glob("*"))
    assert [file.suffix for file in kept] == [".so"] * HERE
    load.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert (load() is not None) == HERE and sorted(anew.glob("*")) == kept


@each
def test_without_a_compiler_there_is_none(anew, monkeypatch, module):
    monkeypatch.setenv("PATH", "")
    assert LOADERS[module]() is None


@each
def test_what_cannot_be_compiled_is_not_used_and_leaves_nothing(anew, monkeypatch, module):
    spoilt = anew.parent / "spoilt.c"
    spoilt.write_text(module.SOURCE.read_text().replace("{", "", 1))
    monkeypatch.setattr(module, "SOURCE", spoilt)
    assert LOADERS[module]() is None
    assert not list(anew.glob("*"))


def test_an_array_that_does_not_lie_end_to_end_is_refused():
    with pytest.raises(ValueError, match="in place of one that lies end to end"):
        in_c.place_of(np.zeros((2, 3)).T)


@given(parts)
def test_times_and_values_are_those_that_numpy_finds(parts):
    units = units_of(b"".join(struct.pack(">dQ", *row) + TAIL * (row[0] < 0) for rows, _ in parts for row in rows))
    counts, bases = (
        np.array(column) for column in zip(*((sum(t > 0 for t, _ in r), b) for r, b in parts), strict=True)
    )
    times, values = unpack.numbers(units, counts, bases)
    assert times.tolist() == [time - base for rows, base in parts for time, _ in rows if time > 0]
    if found := units_in_c.units_in_c():
        times_too, values_too = found.numbers(units, counts, bases)
        assert (times_too == times).all() and values_too.tobytes() == values.tobytes()


@pytest.mark.skipif(not HERE, reason="no C compiler")
def test_a_file_that_is_too_short_or_cannot_be_read_is_an_error(tmp_path):
    short = tmp_path / "spool"
    short.write_bytes(b"abc")
    lay, file = pieces_in_c.pieces_in_c(), os.open(short, os.O_RDONLY)
    pieces = np.array([1]), np.array([3]), np.array([True]), np.empty(3, np.uint8)
    with pytest.raises(EOFError, match="shorter than what was written"):
        lay(file, *pieces)
    os.close(file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        lay(file, *pieces)
