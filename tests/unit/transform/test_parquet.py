"""Files: the same readings to the bit, and as small as they can be."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.transform.parquet import decode, encode
from sensorstream.transform.readings import SCHEMA

ODD = st.one_of(st.none(), st.floats(width=64, allow_nan=False), st.sampled_from([0.0, -0.0, float("nan")]))


def readings(values: pa.Array) -> pa.Table:
    times = pa.array(1_790_812_800_000 + np.arange(len(values)) * 1000).view(SCHEMA.field("datetime").type)
    texts, quality = pa.nulls(len(values), pa.string()), pa.repeat(pa.scalar(192, pa.int32()), len(values))
    return pa.table([times, values, texts, quality], schema=SCHEMA)


def has_dictionary(data: bytes) -> bool:
    return pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0).column(1).has_dictionary_page


@given(st.lists(ODD, min_size=1, max_size=6), st.lists(st.integers(0, 5), min_size=1, max_size=300))
def test_values_of_a_dictionary_are_the_same_to_the_bit(pool, picks):
    values = pa.array([pool[pick % len(pool)] for pick in picks], pa.float64())
    found = decode(encode(readings(values))).column("value").combine_chunks()
    assert found.is_valid().equals(values.is_valid())
    assert found.drop_null().to_numpy().tobytes() == values.drop_null().to_numpy().tobytes()


WALK = np.cumsum(np.random.default_rng(1).normal(size=50_000))
COINED = {"a sensor of one decimal": np.round(WALK / 9, 1), "a valve": (WALK > 0) * 1.0}
OTHERS = {
    "a counter": np.arange(50_000) * 0.7,
    "as measured": WALK,
    "alike only where they are looked at": np.where(np.arange(50_000) % 49, WALK, 1.0),
}


@pytest.mark.parametrize(("name", "coined"), [*((name, True) for name in COINED), *((name, False) for name in OTHERS)])
def test_values_that_repeat_are_kept_once_and_others_are_compressed(name, coined):
    kept = readings(pa.array((COINED | OTHERS)[name]))
    data = encode(kept)
    assert has_dictionary(data) == coined and data == encode(kept)
    assert len(data) < (2.5 if coined else 8.5) * kept.num_rows
