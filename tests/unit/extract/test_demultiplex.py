"""Readings of many tags in one value, told apart as if each had come by itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.extract.demultiplex import Mixed, Part
from sensorstream.extract.wire_format import TAIL, UNIT
from sensorstream.historian.readings_sql import MIXED_BITS, can_mix
from sensorstream.windows import window_of

WINDOW = window_of("UTC", start="2026-10-01", end="2026-11-01")
START, END, MIDDLE = WINDOW.start_ms, WINDOW.end_ms, WINDOW.start_ms + 5_000
# A tag id of one stretch, one of two, one whose other stretch another share has.
PARTS = [Part(3, START, END, 2), Part(4, START, MIDDLE, 0), Part(4, MIDDLE, END, 1), Part(1_000_000, MIDDLE, END, 3)]
BETWEEN = 500_000  # an id that is none of them

ids = st.sampled_from([3, 4, 1_000_000, BETWEEN])
times = st.integers(START, START + 10_000) | st.sampled_from([START, MIDDLE - 1, MIDDLE, END - 1])
rows = st.lists(st.tuples(ids, times, st.floats(allow_nan=False)), max_size=50)
others = st.lists(st.tuples(ids, times, st.none() | st.text(max_size=5)), max_size=50)


def packed(numbers, others) -> bytes:
    plain = np.array([((tagid << MIXED_BITS) + time, value) for tagid, time, value in numbers], UNIT)
    rest = [(np.array((-(tagid << MIXED_BITS) - time, 0), UNIT), np.array((0, n), TAIL)) for tagid, time, n in others]
    return plain.tobytes() + b"".join(head.tobytes() + tail.tobytes() for head, tail in rest)


@given(rows, others)
def test_each_id_and_stretch_gets_its_own_in_order(numbers, others):
    utf8 = [None if text is None else text.encode() for *_, text in others]
    lengths = [-1 if text is None else len(text) for text in utf8]
    cells = [(tagid, time, n) for (tagid, time, _), n in zip(others, lengths, strict=True)]
    mixed = Mixed(PARTS, WINDOW, 0)
    found, counts = mixed.apart(packed(numbers, cells), b"".join(text or b"" for text in utf8))
    pieces = [np.split(np.frombuffer(data, np.uint8), np.cumsum(sizes)[:-1]) for data, sizes in found]
    for part in PARTS:
        place = mixed.places[part.tagid, part.stretch]
        own = [
            [row for row in some if row[0] == part.tagid and part.start_ms <= row[1] < part.end_ms]
            for some in (numbers, cells, [(*row, text) for row, text in zip(cells, utf8, strict=True)])
        ]
        assert counts[place] == len(own[0]) + len(own[1])
        assert pieces[0][place].tobytes() == packed(*own[:2])
        assert pieces[1][place].tobytes() == b"".join(text or b"" for *_, text in own[2])


def test_a_hundred_thousand_tags_keep_their_order():
    ids = np.random.default_rng(1).integers(0, 100_000, 300_000)
    readings = np.empty(len(ids), UNIT)
    readings["t"], readings["v"] = (ids << MIXED_BITS) + START, np.arange(len(ids))
    ((apart, _), _), _ = Mixed([Part(n, START, END, n) for n in range(100_000)], WINDOW, 0).apart(
        readings.tobytes(), b""
    )
    assert (np.frombuffer(apart, UNIT)["v"] == np.argsort(ids, kind="stable")).all()


def test_what_a_double_cannot_hold_is_not_mixed():
    month, quarter = (
        window_of("UTC", start="2026-10-01", end="2026-11-01"),
        window_of("UTC", start="2026-10-01", end="2027-01-01"),
    )
    last = 2**21 - 1 - (month.end_ms >> MIXED_BITS)
    assert can_mix(month, [0, last - 1])
    assert not can_mix(month, [last + 1])
    assert not can_mix(month, [-1])
    assert not can_mix(quarter, [1])
