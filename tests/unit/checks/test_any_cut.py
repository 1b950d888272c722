"""However a tag's readings are cut into files, the check of the lake finds the same in them."""

from __future__ import annotations

from datetime import timedelta
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorstream.checks.lake_summary import CommittedFile, before, files_frame
from sensorstream.config.layouts.known import known
from sensorstream.config.settings import Config
from sensorstream.lake.stores import open_store
from sensorstream.publishing.file_changes import entry_of
from sensorstream.transform.quality import quality_rule
from sensorstream.transform.readings import SCHEMA
from sensorstream.windows import Window, window_of

MONTHS = window_of("UTC", start="2026-10-31", end="2026-11-02")
WINDOW = window_of("UTC", start="2026-10-31T12:00", end="2026-11-01T12:00")
MINUTES = np.arange(MONTHS.start_ms, MONTHS.end_ms, 60_000)
STUCK, GAP = slice(1_380, 1_500), slice(1_700, 1_800)  # from 23:00 over the month's border; from 04:20
LIVELY = np.round(20 + np.random.default_rng(7).normal(0, 1, len(MINUTES)), 1)


def noted(store, config, values, minutes):
    """What the check notes of one tag whose files end at ``minutes`` of both days, and at the month's border."""
    borders = [MONTHS.start + timedelta(minutes=m) for m in sorted({0, 1_440, 2_880, *minutes})]
    times, files = np.delete(MINUTES, GAP), {}
    for interval in map(Window, borders, borders[1:]):
        inside = (times >= interval.start_ms) & (times < interval.end_ms)
        if inside.any():
            readings = pa.table(
                [times[inside], np.delete(values, GAP)[inside], pa.nulls(inside.sum(), pa.string()),
                 np.full(inside.sum(), 192)], names=SCHEMA.names
            ).cast(SCHEMA)  # fmt: skip
            entry, data = entry_of(("a", f"{interval.start:%Y-%m}"), interval, readings)
            store.put(entry.key, data)
            files[CommittedFile(entry, 0)] = interval
    of = {span: [f for f, interval in files.items() if interval.overlaps(span)] for span in (WINDOW, before(WINDOW))}
    frame, stretches = files_frame(
        store, *of.values(), ["a"], WINDOW, months=["2026-10", "2026-11"], timezone="UTC",
        rule=quality_rule(config, known("ignition")), rejected={}, range_of=lambda path: None,
    )  # fmt: skip
    worst = frame[["longest_gap_s", "still_s", "beyond_range"]].max().tolist()
    return worst, sorted((one.kind, one.start_ms, one.end_ms) for one in stretches)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 2_879), max_size=8), st.booleans())
def test_a_gap_and_a_stuck_sensor_are_told_once_however_files_are_cut(minutes, all_of_the_window):
    values = LIVELY.copy()
    values[slice(600, None) if all_of_the_window else STUCK] = 21.5
    with TemporaryDirectory() as folder:
        config = Config(db={}, local_path=folder)
        (gap_s, still_s, _), stretches = noted(open_store(config), config, values, minutes)
    assert gap_s == 101 * 60 and [kind for kind, *_ in stretches] == ["gap", "stuck"]
    start = MONTHS.start_ms + (600 if all_of_the_window else STUCK.start) * 60_000
    assert abs(stretches[1][1] - start) <= 120_000
    assert still_s >= (1_440 if all_of_the_window else 119) * 60
