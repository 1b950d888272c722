"""Readings of many tags in one value, told apart as if each had come by itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.extract.mixed import Mixed, stable_order
from sensorstream.extract.wire import TAIL, UNIT
from sensorstream.historian.readings_sql import MIXED_BITS, can_mix
from sensorstream.windows import window_of

START = 1_790_812_800_000
IDS = [3, 4, 1_000_000]
BETWEEN = 500_000  # an id that is none of them

ids = st.sampled_from([*IDS, BETWEEN])
rows = st.lists(st.tuples(ids, st.integers(0, (1 << MIXED_BITS) - 1), st.floats(allow_nan=False)), max_size=50)
others = st.lists(st.tuples(ids, st.integers(0, 1000), st.none() | st.text(max_size=5)), max_size=50)


def key(tagid: int, time: int) -> int:
    return (tagid << MIXED_BITS) + START + time


def packed(numbers, others) -> bytes:
    plain = np.array([(key(tagid, time), value) for tagid, time, value in numbers], UNIT)
    rest = [(np.array((-key(tagid, time), 0), UNIT), np.array((0, 0, n, b""), TAIL)) for tagid, time, n in others]
    return plain.tobytes() + b"".join(head.tobytes() + tail.tobytes() for head, tail in rest)


@given(rows, others)
def test_each_id_gets_its_own_in_order(numbers, others):
    utf8 = [None if text is None else text.encode() for *_, text in others]
    lengths = [-1 if text is None else len(text) for text in utf8]
    cells = [(tagid, time, n) for (tagid, time, _), n in zip(others, lengths, strict=True)]
    found, counts = Mixed(IDS, START).apart(packed(numbers, cells), b"".join(text or b"" for text in utf8))
    pieces = [np.split(np.frombuffer(data, np.uint8), np.cumsum(sizes)[:-1]) for data, sizes in found]
    assert counts.tolist() == [sum(row[0] == tagid for row in [*numbers, *others]) for tagid in IDS]
    for tagid, mine, text in zip(IDS, *pieces, strict=True):
        own = [[row for row in some if row[0] == tagid] for some in (numbers, cells)]
        assert mine.tobytes() == packed(*own)
        assert text.tobytes() == b"".join(
            part or b"" for (one, *_), part in zip(others, utf8, strict=True) if one == tagid
        )


def test_a_hundred_thousand_tags_keep_their_order():
    places = np.random.default_rng(1).integers(0, 100_000, 300_000).astype(np.int32)
    assert (stable_order(places, 100_000) == np.argsort(places, kind="stable")).all()


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
