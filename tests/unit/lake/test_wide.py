"""A wide frame says of each step what the readings say: their mean, or the last of them, and no step is made up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.errors import ConfigError
from sensorstream.lake.scan import READINGS
from sensorstream.lake.wide import step_ms, widened
from sensorstream.windows import Window, window_of

HOUR = window_of("UTC", start="2026-10-31T06:00", end="2026-10-31T07:00")


def long(rows):
    """Readings in the lake's order of ``(tag, seconds from the hour's start, value or text)``."""
    columns = {name: [] for name in READINGS.names}
    for tag, second, value in sorted(rows, key=lambda row: row[:2]):
        text = isinstance(value, str)
        cells = (tag, HOUR.start_ms + second * 1000, None if text else value, value if text else None, 192)
        for name, cell in zip(columns, cells, strict=True):
            columns[name].append(cell)
    return pa.table({name: pa.array(columns[name]).cast(READINGS.field(name).type) for name in columns})


@given(
    st.dictionaries(st.tuples(st.sampled_from("ab"), st.integers(0, 3599)), st.floats(-1e6, 1e6), max_size=40),
    st.sampled_from(["10s", "1min", "7min", "1h"]),
)
def test_each_step_has_the_mean_of_its_readings_and_the_last_one_up_to_its_end(readings, every):
    table, step = long([(*key, value) for key, value in readings.items()]), step_ms(every) // 1000
    means, lasts = (widened(table, ["b", "a"], HOUR, every, take) for take in ("mean", "last"))
    assert means.column_names == ["datetime", "b", "a"] and means.num_rows == -(-3600 // step)
    for tag in "ab":
        for n in range(means.num_rows):
            inside = [v for (t, s), v in readings.items() if t == tag and s // step == n]
            mean = means[tag][n].as_py()
            assert (mean is None) == (not inside) and (mean is None or np.isclose(mean, np.mean(inside)))
            before = [(s, v) for (t, s), v in readings.items() if t == tag and s // step <= n]
            assert lasts[tag][n].as_py() == (max(before)[1] if before else None)


def test_text_is_taken_where_a_tag_has_no_numbers_and_what_is_no_step_is_said():
    table = long([("recipe", 30, "A"), ("recipe", 90, "B"), ("flow", 0, 1.0)])
    wide = widened(table, ["recipe", "flow", "silent"], HOUR, "1min", "last")
    assert wide["recipe"].to_pylist()[:3] == ["A", "B", "B"] and wide["silent"].null_count == 60
    for every in ("", "1", "0s", "1 month", "-1s", "1.5h"):
        with pytest.raises(ConfigError, match="is no step of time"):
            widened(table, ["flow"], HOUR, every)
    with pytest.raises(ConfigError, match='a tag has the path "datetime"'):  # which would stand in place of the times
        widened(long([("datetime", 0, 1.0)]), None, HOUR, "1min")
    with pytest.raises(ConfigError, match="take longer steps"):
        widened(table, ["flow"], Window(HOUR.start, HOUR.end.replace(year=2029)), "1ms")
