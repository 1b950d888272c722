"""Hashes in C are those of numpy to the bit, and without a compiler there are those of numpy."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream import fingerprint, plain_hashes

LENGTHS = [1, 1023, 1024, 1025, 5000]  # around the stretch of the loop
times = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -1, 1790812800000])
zeros_nans_infinities = st.sampled_from([0, 1 << 63, 0x7FF8 << 48, 0xFFF8 << 48, (0x7FF << 52) + 1, 0x7FF << 52])
bits = st.integers(0, 2**64 - 1) | zeros_nans_infinities


@pytest.fixture
def anew(tmp_path, monkeypatch):
    """As in a process of its own, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plain_hashes.plain_hashes_in_c.cache_clear()
    yield tmp_path / "sensorstream"
    plain_hashes.plain_hashes_in_c.cache_clear()


@given(st.lists(st.tuples(times, bits), min_size=1, max_size=50), st.sampled_from(LENGTHS))
def test_c_and_numpy_say_the_same_of_any_row(rows, length):
    t_stamp, value = (np.resize(np.array(column, np.uint64), length) for column in zip(*wrapped(rows), strict=True))
    given_rows = t_stamp.view(np.int64), value.view(np.float64)
    found = fingerprint.plain_hashes(*given_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprint, "plain_hashes_in_c", lambda: None)
        assert (found == fingerprint.plain_hashes(*given_rows)).all()


def wrapped(rows):
    return [(time % 2**64, value) for time, value in rows]


def test_it_is_compiled_once_where_there_is_a_compiler(anew, monkeypatch):
    there = any(map(shutil.which, plain_hashes.COMPILERS))
    assert (plain_hashes.plain_hashes_in_c() is not None) == there
    kept = sorted(anew.glob("*"))
    assert [file.suffix for file in kept] == [".so"] * there
    plain_hashes.plain_hashes_in_c.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert (plain_hashes.plain_hashes_in_c() is not None) == there and sorted(anew.glob("*")) == kept


def test_without_a_compiler_numpy_goes_on(anew, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert plain_hashes.plain_hashes_in_c() is None
    assert fingerprint.plain_hashes(plain_hashes.TIMES, plain_hashes.VALUES).tolist() == plain_hashes.HASHES


@pytest.mark.parametrize("change", [("ROTATED(b, 24)", "ROTATED(b, 23)"), ("plain_hashes(", "other("), ("{", "")])
def test_what_answers_wrongly_or_cannot_be_compiled_is_not_used(anew, monkeypatch, change):
    spoilt = anew.parent / "spoilt.c"
    spoilt.write_text(plain_hashes.SOURCE.read_text().replace(*change))
    monkeypatch.setattr(plain_hashes, "SOURCE", spoilt)
    assert plain_hashes.plain_hashes_in_c() is None
    assert not list(anew.glob("*.draft"))
