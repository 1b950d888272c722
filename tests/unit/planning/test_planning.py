"""What PostgreSQL counts as it packs is a table's count only if the whole table was packed, each page once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.config.layouts.known import known
from sensorstream.errors import NotReconciled
from sensorstream.historian import PartitionTable
from sensorstream.planning.plan import Plan
from sensorstream.planning.row_counts import counts_of_passed
from sensorstream.planning.slices import Share, Slice
from sensorstream.windows import from_name

DAY = from_name("20261014T000000Z_20261015T000000Z")
TABLES = (PartitionTable("sqlt_data_1_2026_10"), PartitionTable("sqlt_data_2_2026_10"))


def plan_of(pages: list[tuple[int, int | None]]) -> Plan:
    """The first table is passed by these pages, the second is read through an index."""
    slices = (*(Slice(0, DAY, part, (0,), 0) for part in pages), Slice(1, DAY, None, (0,), 0))
    return Plan(
        host="h",
        window=DAY, patterns=(), layout=known("ignition"), tables=TABLES, tags=(), every_tag=True,
        indexed=frozenset({0, 1}),
        order="time", shares=(Share((), slices),), connections=1, estimated_readings=0, notes=(),
        whole=frozenset({0, 1}),
    )  # fmt: skip


@given(st.sets(st.integers(1, 90), max_size=6), st.data())
def test_counts_on_the_way_are_of_the_whole_table_or_refused(borders, data):
    pages = [*pairwise([0, *sorted(borders), None])]
    counted = [(0, first, data.draw(st.integers(0, 99))) for first, _ in pages]
    total = sum(rows for *_, rows in counted)
    assert counts_of_passed(plan_of(pages), data.draw(st.permutations(counted))) == {TABLES[0].name: total}
    place = data.draw(st.integers(0, len(pages) - 1))
    first, end = pages[place]
    for wrong in (
        (pages, counted[:place] + counted[place + 1 :]),
        (pages, [*counted, counted[place]]),
        ([*pages[:place], (first + 1, end), *pages[place + 1 :]], counted),
        (pages[:-1], counted[:-1]),
    ):
        if wrong[0]:
            with pytest.raises(NotReconciled, match="sqlt_data_1_2026_10 was not read from end to end"):
                counts_of_passed(plan_of(wrong[0]), wrong[1])
