"""Hashes in C are those of numpy to the bit, and without a compiler there are those of numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream import fingerprint, hashes_in_c

LENGTHS = [1, 1023, 1024, 1025, 5000]  # around the stretch of the loop
times = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -1, 1790812800000])
zeros_nans_infinities = st.sampled_from([0, 1 << 63, 0x7FF8 << 48, 0xFFF8 << 48, (0x7FF << 52) + 1, 0x7FF << 52])
bits = st.integers(0, 2**64 - 1) | zeros_nans_infinities
codes = st.integers(-(2**31), 2**31 - 1) | st.just(192)
rows = st.tuples(times, bits, st.booleans(), codes, st.booleans(), st.none() | st.binary(max_size=40))


@pytest.fixture
def anew(tmp_path, monkeypatch):
    """As in a process of its own, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    hashes_in_c.hashes_in_c.cache_clear()
    yield tmp_path / "sensorstream"
    hashes_in_c.hashes_in_c.cache_clear()


def agree(function, *columns):
    """C and numpy say the same."""
    found = function(*columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprint, "hashes_in_c", lambda: None)
        return (found == function(*columns)).all()


@given(st.lists(st.tuples(times, bits), min_size=1, max_size=50), st.sampled_from(LENGTHS))
def test_c_and_numpy_say_the_same_of_any_plain_row(rows, length):
    wrapped = [(time % 2**64, value) for time, value in rows]
    t_stamp, value = (np.resize(np.array(column, np.uint64), length) for column in zip(*wrapped, strict=True))
    assert agree(fingerprint.plain_hashes, t_stamp.view(np.int64), value.view(np.float64))


@given(st.lists(rows, min_size=1, max_size=50))
def test_and_of_any_other(rows):
    t_stamp, value, has_value, quality, has_quality, texts = zip(*rows, strict=True)
    lengths = np.array([-1 if text is None else len(text) for text in texts])
    columns = np.array(t_stamp, np.int64), np.array(value, np.uint64).view(np.float64), np.array(has_value)
    more = np.array(quality, np.int32), np.array(has_quality), lengths, b"".join(filter(None, texts))
    assert agree(fingerprint.row_hashes, *columns, *more)


def test_texts_that_are_shorter_than_announced_are_refused():
    with pytest.raises(ValueError, match="17 bytes of text announced, 16 packed"):
        fingerprint.row_hashes(*hashes_in_c.OTHERS, hashes_in_c.TEXTS[:-1])


def test_without_a_compiler_numpy_goes_on(anew, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert hashes_in_c.hashes_in_c() is None
    assert fingerprint.plain_hashes(*hashes_in_c.PLAIN).tolist() == hashes_in_c.HASHES_OF_PLAIN
    assert fingerprint.row_hashes(*hashes_in_c.OTHERS, hashes_in_c.TEXTS).tolist() == hashes_in_c.HASHES_OF_OTHERS


WRONG = [("ROTATED(b, 24)", "ROTATED(b, 23)"), ("rest[2] << 8", "rest[2]"), (" plain_hashes(", " other(")]


@pytest.mark.parametrize("change", WRONG)
def test_what_answers_wrongly_is_not_used(anew, monkeypatch, change):
    spoilt = anew.parent / "spoilt.c"
    spoilt.write_text(hashes_in_c.SOURCE.read_text().replace(*change))
    monkeypatch.setattr(hashes_in_c, "SOURCE", spoilt)
    assert hashes_in_c.hashes_in_c() is None
