"""Cleaning, against a second implementation in plain Python."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.transform.clean import RAW, clean
from sensorstream.transform.parquet import cut, decode, encode
from sensorstream.transform.quality import QualityRule
from sensorstream.windows import from_name
from tests.oracle import Row, bits, expect

DAY = from_name("20261014T000000Z_20261015T000000Z")
VALUES = st.one_of(st.none(), st.floats(width=64), st.sampled_from([0.0, -0.0, float("nan"), float("inf")]))
ROWS = st.lists(
    st.builds(
        Row,
        tagid=st.integers(1, 3),
        t_stamp=st.integers(0, 12),
        value=VALUES,
        text=st.none() | st.text(max_size=3),
        quality=st.sampled_from([192, 192, 192, 0, 500, None]),
        table=st.sampled_from("ab"),
        unreadable=st.sampled_from([False, False, True]),
    ),
    unique_by=lambda row: (row.tagid, row.t_stamp, row.table),
    max_size=30,
)


@given(ROWS)
def test_cleaning_keeps_one_good_reading_a_time_and_accounts_for_the_rest(rows):
    raw = pa.table(
        [
            [r.tagid for r in rows],
            ["ab".index(r.table) for r in rows],
            [r.t_stamp for r in rows],
            [r.value for r in rows],
            [r.text for r in rows],
            [r.quality for r in rows],
            [r.unreadable for r in rows],
        ],
        schema=RAW,
    )
    result, tally = clean(raw, QualityRule((192,), ()))
    wanted = expect(rows, {1: "p", 2: "p", 3: "p"})
    found = decode(encode(result.kept)).to_pylist()
    assert [
        ("p", round(r["datetime"].timestamp() * 1000), bits(r["value"]), r["text"], r["quality"]) for r in found
    ] == (wanted.readings)
    assert (tally.deduplicated, sum(tally.rejected.values())) == (wanted.deduplicated, wanted.rejected)
    assert tally.read == len(rows) == tally.written + tally.deduplicated + result.rejected.num_rows


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (QualityRule((192,), ()), {192}),
        (QualityRule(None, (0,)), {192, 500, 777}),
        (QualityRule((192, 500), (500,)), {192}),
    ],
)
def test_codes_are_kept_by_the_lists(rule, kept):
    assert {code for code in (0, 192, 500, 777) if rule.reason(code) is None} == kept
    assert rule.reason(None) == "no_quality"


@given(st.lists(st.integers(0, 86_399_999), min_size=1, max_size=200), st.integers(1, 50))
def test_files_tile_the_interval_and_stay_below_the_limit(times, limit):
    times = np.array(sorted(set(times))) + DAY.start_ms
    parts = list(cut(times, DAY, limit))
    assert (parts[0][0].start, parts[-1][0].end) == (DAY.start, DAY.end)
    assert all(a[0].end == b[0].start and a[1].stop == b[1].start for a, b in itertools.pairwise(parts))
    for interval, rows in parts:
        inside = times[rows]
        assert ((inside >= interval.start_ms) & (inside < interval.end_ms)).all()
        assert len(inside) <= limit or len(set(inside // 1000)) == 1
    assert sum(rows.stop - rows.start for _, rows in parts) == len(times)


def test_the_same_readings_make_the_same_bytes():
    raw = pa.table([[1, 1], [0, 0], [1, 2], [0.5, None], [None, "x"], [192, 192], [False, False]], schema=RAW)
    one, two = (encode(clean(raw, QualityRule(None, (0,)))[0].kept) for _ in range(2))
    assert one == two and decode(one).num_rows == 2


def test_of_texts_beside_a_value_only_digits_that_its_double_cannot_hold_are_counted_as_such():
    numbers = [2.0**53, 0.1, 1.0, 2.0**53, 21.5, 0.1 + 0.2, 1e22, 2.0**60]
    texts = ["9007199254740993", "0.1000000000000000055", "192.168.100.100.1", None]
    texts += ["21.50", "0.30000000000000004", "10000000000000000000000", "1152921504606846976"]  # a layout's own
    columns = [[1] * 8, [0] * 8, range(8), numbers, texts, [192] * 8, [False] * 8]
    assert clean(pa.table(columns, schema=RAW), QualityRule(None, ()))[1].digits == 2
