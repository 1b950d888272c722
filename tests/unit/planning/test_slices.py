"""Shares and slices: every row of a table is read once, whatever the order, the estimates and the indexes."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sensorstream.historian import PartitionTable, Tag
from sensorstream.historian.statistics import Statistics
from sensorstream.planning.slices import (
    MOST_WAITING,
    Stretch,
    best_shares,
    choose_order,
    shares_by_tag,
    shares_by_time,
    stretches,
)
from sensorstream.windows import Window, from_name

DAY = from_name("20261014T000000Z_20261015T000000Z")
TABLE = PartitionTable("sqlt_data_1_2026_10")


def window(days: int) -> Window:
    return Window(DAY.start, DAY.start + timedelta(days=days))


def known(
    readings: int = 1000, rows: int = 1000, pages: int | None = 50, *, by_time: bool = True, **more
) -> Statistics:
    indexes = (("tagid", "t_stamp"), *([("t_stamp",)] if by_time else []))
    return Statistics(TABLE, rows, readings, pages, indexes, **more)


of_tables = st.builds(
    known,
    readings=st.integers(0, 3_000_000),
    rows=st.integers(0, 9_000_000),
    pages=st.none() | st.integers(0, 90),
    by_time=st.booleans(),
    borders_ms=st.lists(st.integers(DAY.start_ms - 10**8, DAY.end_ms + 10**9)).map(sorted).map(tuple),
)


@given(
    st.lists(st.tuples(st.floats(0, 3_000_000), st.floats(0, 40)), min_size=1, max_size=6),
    st.lists(of_tables, min_size=1, max_size=3),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([30_000, 1_000_000]),
    st.data(),
)
def test_every_row_is_read_exactly_once(tags, tables, days, count, per_slice, data):
    whole = window(days)
    parts = [
        Stretch(Tag(f"t{n}", (n,)), part, weight)
        for n, (weight, pieces) in enumerate(tags)
        for part in stretches(whole, "Europe/Berlin", parts=pieces)
    ]
    by_time = shares_by_time(parts, tables, count=count, at_once=2, per_slice=per_slice)
    by_tag = shares_by_tag(parts, lambda _: dict.fromkeys(range(len(tables)), 1.0), count=count, per_slice=per_slice)
    for shares in (by_time, by_tag):
        assert Counter(part for share in shares for part in share.stretches) == Counter(parts)
        tag = data.draw(st.integers(0, len(tags) - 1))
        table = data.draw(st.integers(0, len(tables) - 1))
        time_ms = data.draw(st.integers(whole.start_ms, whole.end_ms - 1))
        page = data.draw(st.integers(0, 200))  # the file may have grown since it was measured
        found = [
            (share, piece)
            for share in shares
            for piece in share.slices
            for position in piece.stretches
            if share.stretches[position].tag.ids == (tag,)
            and piece.table == table
            and piece.window.start_ms <= time_ms < piece.window.end_ms
            and share.stretches[position].window.start_ms <= time_ms < share.stretches[position].window.end_ms
            and (piece.pages is None or piece.pages[0] <= page < (piece.pages[1] or 10**9))
        ]
        assert len(found) == 1


@given(st.floats(0, 3000), st.integers(1, 70))
def test_stretches_tile_the_window_on_borders_of_the_calendar(parts, days):
    found = stretches(window(days), "Europe/Berlin", parts=parts)
    assert (found[0].start, found[-1].end) == (window(days).start, window(days).end)
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    assert all(part.start.minute == part.start.second == 0 for part in found)
    assert len(found) >= min(parts, 24 * days) or parts <= 1


def test_few_tags_of_many_are_read_by_tag_and_most_by_time():
    month = [known(10_000_000, 10_000_000)]
    assert choose_order(month, 100_000, passes=1) == "tag"
    assert choose_order(month, 9_000_000, passes=1) == "time"
    assert choose_order([known(10_000_000, by_time=False, pages=None)], 9_000_000, passes=1) == "time"


def test_a_second_pass_is_made_only_where_encoding_pays_for_it():
    assert best_shares(400, 10_000_000, workers=2, machines=False) == 1
    assert best_shares(10_000, 1_440_000, workers=2, machines=False) == 2
    assert best_shares(400, 10_000_000, workers=8, machines=True) == 2


def test_one_busy_tag_does_not_stand_in_one_slice_alone():
    parts = [Stretch(Tag("calm", (1,)), DAY, 1000.0)]
    parts += [Stretch(Tag("busy", (2,)), part, 450_000.0) for part in stretches(DAY, "UTC", parts=20)]
    (share,) = shares_by_time(parts, [known(9_000_000, 9_000_000)], count=1, at_once=2, per_slice=1_000_000)
    assert max(piece.estimated_readings for piece in share.slices) <= 1_000_000
    assert len(share.slices) >= 12


def test_a_busy_tag_is_read_by_pages_unless_too_much_of_it_would_wait():
    def by_pages(readings: int) -> bool:
        hours = stretches(DAY, "UTC", parts=24)
        parts = [Stretch(Tag("busy", (2,)), hour, readings / len(hours)) for hour in hours]
        shares = shares_by_time(parts, [known(readings, readings)], count=1, at_once=2, per_slice=1_000_000)
        return all(piece.pages for share in shares for piece in share.slices)

    assert by_pages(MOST_WAITING - 1_000)
    assert not by_pages(MOST_WAITING + 1_000)
