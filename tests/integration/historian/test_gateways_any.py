"""Any history of gateways, ids and scan classes: the lake is a plain oracle's, or the run is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensorstream.errors import SourceError
from sensorstream.historian import open_historian
from sensorstream.historian.two_sensors import gateways_at_once, refuse_two_sensors
from sensorstream.pipeline.ingest import ingest
from sensorstream.verification.verify import verify
from tests.integration.historian.test_gateways import DAY, HOUR, NAMES, PREFIXED, SECOND, T0, TABLES, historian
from tests.oracle import Row, expect, objects, readings_of, with_prefixes

__all__ = ["historian"]

SCANS = {1: (1, 11, 99), 2: (2,)}  # scan classes of each gateway; of 99 no table tells whose it is
TWO_SENSORS, RENAME, FAILOVER, ONE_GATEWAY = "two sensors", "rename", "failover", "one gateway"
Times = list[tuple[int, int]]  # which of two sides, and when (ms)


@dataclass(frozen=True)
class History:
    """What two gateways wrote, and what they are to each other."""

    relation: str
    tags: dict[int, tuple[str, int, int | None]]  # tag id: path, scan class, retired
    gateways: dict[int, str]
    rows: list[Row]

    @property
    def paths(self) -> dict[int, str]:
        return {number: path for number, (path, *_) in self.tags.items()}


@st.composite
def in_turn(draw) -> Times:
    """Two scanned sensors over one stretch of the day, dense or sparse, at the same times or not."""
    steps = st.sampled_from([SECOND, 10 * SECOND, 900 * SECOND, HOUR])
    step, other, count = draw(steps), draw(steps), draw(st.integers(2, 12))
    start = T0 + draw(st.integers(0, 11 * HOUR))
    last = start + (count - 1) * step
    other = max(other, (last - start) // 500)
    phase = draw(st.integers(0, min(step, other) - 1))
    return [(0, start + n * step) for n in range(count)] + [(1, t) for t in range(start + phase, last + 1, other)]


@st.composite
def one_after_the_other(draw) -> Times:
    """A renamed gateway, its last reading before the first of the new name; the day's border anywhere."""
    steps = st.sampled_from([1, 500, SECOND, 60 * SECOND, HOUR])
    at, (step, other) = T0 + draw(st.integers(-HOUR, 25 * HOUR)), (draw(steps), draw(steps))
    counts = draw(st.tuples(st.integers(0, 60), st.integers(0, 60)))
    return [(0, at - 1 - n * step) for n in range(counts[0])] + [(1, at + n * other) for n in range(counts[1])]


@st.composite
def blocks(draw) -> Times:
    """A pair that fails over, some readings of both where hands change; the day's border anywhere."""
    step = draw(st.sampled_from([SECOND, 10 * SECOND, 60 * SECOND]))
    phase = draw(st.integers(0, step - 1))
    counts = draw(st.lists(st.integers(50, 90), min_size=2, max_size=4))
    at_border = st.sampled_from([T0, DAY.end_ms]).map(lambda border: border - (counts[0] - 1) * step)
    at = draw(at_border | st.integers(T0 - HOUR, DAY.end_ms))
    times: Times = []
    for n, count in enumerate(counts):
        before = draw(st.integers(0, 3)) if n else 0
        times += [(n % 2, at + (k - before) * step + (phase if n % 2 else 0)) for k in range(count)]
        at += (count - before) * step
    return times


KINDS = {TWO_SENSORS: in_turn(), RENAME: one_after_the_other(), FAILOVER: blocks(), ONE_GATEWAY: in_turn()}


@st.composite
def histories(draw, relations: Sequence[str] = tuple(KINDS)) -> History:
    """Some paths of two gateways that are the same to each other in all of them; each may have several ids of one."""
    relation = draw(st.sampled_from(relations))
    tags: dict[int, tuple[str, int, int | None]] = {}
    rows: dict[tuple[int, int], Row] = {}
    gateways = {}
    unknown = draw(st.booleans())
    for path in draw(st.sampled_from([["a"], ["a", "b/ü %"], ["a", "b/ü %", "c"]])):
        sides: list[list[int]] = []
        for side in draw(st.permutations((0, 1))) if relation != FAILOVER else (0, 1):
            gateway = 1 if relation == ONE_GATEWAY else 1 + side
            scans = [99] if gateway == 1 and unknown else [scan for scan in SCANS[gateway] if scan != 99]
            numbers = [len(tags) + n + 1 for n in range(draw(st.integers(1, 2)))]
            for number in numbers:
                tags[number] = path, draw(st.sampled_from(scans)), draw(st.none() | st.just(T0))
                gateways[number] = NAMES[gateway]
            sides.append(numbers)
        worst = draw(st.sampled_from([192, 192, 0]))
        for side, time in draw(KINDS[relation]):
            number = draw(st.sampled_from(sides[side])) if len(sides[side]) > 1 else sides[side][0]
            quality = 0 if number % 3 == 0 and time % 7 == 0 else (worst if side else 192)
            rows[number, time] = Row(number, time, 40.0 + 40 * side + time % 7, quality=quality, table=gateways[number])
    return History(relation, tags, gateways, list(rows.values()))


def put(historian, found: History, indexed: bool) -> None:
    with psycopg.connect(historian.owner) as connection:
        connection.execute(f"TRUNCATE sqlth_te, {', '.join(TABLES.values())}")
        for number, (path, scan, retired) in found.tags.items():
            query = "INSERT INTO sqlth_te VALUES (%s, %s, %s, 1, 0, 0, %s)"
            connection.execute(query, [number, path, scan, retired])
        for number, table in TABLES.items():
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_pkey")
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in found.rows:
                    if row.table == NAMES[number]:
                        copy.write_row([row.tagid, None, row.value, None, None, row.quality, row.t_stamp])
            if indexed:
                connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (tagid, t_stamp)")


quietly = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.timeout(600)
@quietly
@given(histories(), st.booleans())
def test_two_sensors_are_told_from_a_rename_and_a_failover(historian, make_config, found, indexed):
    put(historian, found, indexed)
    for prefixes in ({}, PREFIXED):
        with open_historian(make_config(dbname=historian.name, gateway_prefixes=prefixes)) as opened:
            tags = opened.tags()
            mixed = set(found.paths.values()) if found.relation == TWO_SENSORS and not prefixes else set()
            assert gateways_at_once(opened, tags, DAY) == dict.fromkeys(mixed, 2)
            if mixed:
                with pytest.raises(SourceError, match="is of two sensors"):
                    refuse_two_sensors(opened, [(tag, DAY) for tag in tags])
            refuse_two_sensors(opened, [(tag, DAY) for tag in tags if tag.path not in mixed])


@pytest.mark.timeout(600)
@settings(quietly, max_examples=8)
@given(histories(), st.booleans(), st.booleans())
def test_the_lake_is_the_oracles_or_the_run_is_refused(historian, make_config, found, indexed, prefixed):
    put(historian, found, indexed)
    prefixes = PREFIXED if prefixed else {}
    config = make_config(dbname=historian.name, gateway_prefixes=prefixes)
    if found.relation == TWO_SENSORS and not prefixed:
        for run in (ingest, verify):
            with pytest.raises(SourceError, match="is of two sensors"):
                run(config, DAY)
        assert objects(config) == {}
        return
    ingest(config, DAY)
    within = [row for row in found.rows if T0 <= row.t_stamp < DAY.end_ms]
    assert readings_of(config) == expect(within, with_prefixes(found.paths, found.gateways, prefixes)).readings
    assert verify(config, DAY).success
