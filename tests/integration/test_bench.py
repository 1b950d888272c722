"""The harness itself, on a tiny plant: what it counts is what was done."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks import docs, rounds, table
from benchmarks.command import server_pids
from benchmarks.contender import KINDS, SCRIPTS, ContenderFailed, Spawned
from benchmarks.environment import requirements
from benchmarks.figures import Spread, ratio, targets, to_json
from benchmarks.order import Order, make_order
from benchmarks.rounds import Entrant, Result, Round, measure
from benchmarks.usage import Used
from sensorstream.cli.main import main

# A row of tag id, time and value: 2 + (4+4) + (4+8) + (4+8) bytes, and 5 of the message that it travels in.
FLOOR_BYTES = 39


class Inside:
    """A contender in this very process, which spares the test a start."""

    def __init__(self, speak: ModuleType, script: ModuleType, state: Any) -> None:
        self.pid = os.getpid()
        self.versions: dict[str, str] = {}
        self.round = lambda message: speak.timed(script.run, state, message)

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return self.round(message)

    def close(self) -> None: ...


@pytest.fixture
def order(sandbox, plant, tmp_path: Path) -> Order:
    return make_order(sandbox, sandbox.dbname, plant.window, scratch=tmp_path)


@contextmanager
def spawned(name: str, order: Order) -> Iterator[Entrant]:
    kind = KINDS[name]
    told, log = order.to_json(kind.options, {}), order.scratch / f"{name}.log"
    contender = Spawned(name, kind, told, python=Path(sys.executable), sandbox=order.sandbox, log=log)
    try:
        yield Entrant(name, kind, order, contender)
    finally:
        contender.close()


@pytest.fixture
def floor(order: Order) -> Iterator[Entrant]:
    with spawned("floor2", order) as entrant:
        yield entrant


@pytest.fixture
def packed(order: Order, monkeypatch: pytest.MonkeyPatch) -> Entrant:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    kind = KINDS["packed"]
    state = (order.to_json(kind.options, {}), None)
    return Entrant("packed", kind, order, Inside(import_module("speak"), import_module("engine"), state))


@pytest.mark.slow
def test_what_is_counted_is_what_was_moved(floor: Entrant, packed: Entrant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "SETTLE_SECONDS", 0)
    box = packed.order.sandbox
    results = measure([floor, packed], rounds=2, servers=lambda: server_pids(box.root))
    assert [result.failure for result in results] == [None, None]
    bare, ours = results
    record = ours.record
    assert record and bare.wire and ours.wire and ours.data and ours.rest
    assert bare.readings == record["rows_written"] + record["rows_deduplicated"] == packed.order.expected
    assert bare.wire == pytest.approx(FLOOR_BYTES * bare.expected, rel=0.05)
    assert 12 * ours.expected < ours.wire < bare.wire
    assert ours.data == record["bytes_written"] < ours.rest
    for result in results:
        assert [len(result.rounds), min(one.wall for one in result.rounds) > 0] == [2, True]
    assert max(one.used.cpu["client"] for one in ours.rounds) > 0
    assert all(one.used.memory > 10e6 for one in ours.rounds)

    case = case_of(results)
    assert case["ratios"]["floor2"]["median"] > 0
    assert [row[0] for row in table.rows(case)] == ["floor2", "packed"]
    shown = docs.text([case]) + json.dumps(case)
    assert "packed / floor2" in shown
    for secret in (box.reader_password, box.owner_password, box.secret_key):
        assert secret not in shown


@pytest.mark.parametrize("name", ["copy2", "passes"])
def test_what_only_reads_reads_all_of_it(name: str, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "SETTLE_SECONDS", 0)
    with spawned(name, order) as entrant:
        (found,) = measure([entrant], rounds=1, servers=lambda: server_pids(order.sandbox.root))
    assert (found.failure, found.readings) == (None, order.expected)


def test_a_new_process_each_round_counts_from_its_start_and_without_the_one_that_starts_it(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "SETTLE_SECONDS", 0)
    with spawned("ingest", order) as entrant:
        (found,) = measure([entrant], rounds=1, servers=lambda: server_pids(order.sandbox.root))
    assert found.failure is None and found.record
    (one,) = found.rounds
    assert one.wall > found.record["seconds"]["total"] > 0
    assert 100e6 < one.used.memory < 600e6  # the run's own, and no Java
    assert one.used.cpu["client"] > 0.3  # of a process that has ended
    assert not list(order.scratch.glob("*.json"))  # its configuration holds a password


def case_of(results: list[Result]) -> dict[str, Any]:
    about = {"title": "Tiny", "note": "", "date": "2026-11-01", "command": "sensorstream bench", "rounds_asked": 2}
    machine = {"processor": "P", "cores": 2, "memory_gb": 1, "system": "Linux", "python": "3"}
    return json.loads(json.dumps({**about, "machine": machine, "versions": {}, **to_json("month", results)}))


def test_a_contender_that_does_other_work_is_not_measured(floor: Entrant) -> None:
    result = Result("floor2", "", floor.order.expected)
    wrong = Entrant("floor2", floor.kind, short_of(floor.order), floor.contender)
    with pytest.raises(ContenderFailed, match="readings where"):
        rounds.verify(wrong, result, "bench/none/")


def short_of(order: Order) -> Order:
    return Order(**{**vars(order), "expected": order.expected + 1})


def result(name: str, *walls: float, expected: int = 1_000_000, memory: int = 400_000_000) -> Result:
    used = Used(cpu={"client": 1.0, "postgres": 1.0, "s3": 1.0}, memory=memory)
    found = Result(
        name, "", expected, KINDS[name.split()[0]].whole, readings=expected, wire=16 * expected, rest=9 * expected
    )
    found.rounds = [Round(wall, used) for wall in walls]
    return found


def test_a_ratio_is_of_medians_and_its_spread_of_neighbours() -> None:
    pair = [result("packed", 1.0, 2.0, 6.0), result("duckdb", 4.0, 4.0, 8.0)]
    assert ratio(pair, "packed", "duckdb") == Spread(0.5, 0.25, 0.75)


def test_targets_are_met_missed_or_not_measured() -> None:
    found = {target.name: target.met for target in targets("month", [result("packed", 1.0), result("duckdb", 4.0)])}
    assert found["packed / duckdb, wall"] is True
    assert found["packed / dlt, wall"] is None
    assert found["packed, bytes at rest a reading"] is False
    sizes = [result(f"packed {n}M", float(n), expected=n * 1_000_000, memory=100 + n) for n in (1, 10, 50)]
    assert [target.met for target in targets("scale", sizes)] == [True, True]
    assert [target.found for target in targets("scale", sizes)] == pytest.approx([1.0, 150 / 110])
    day = [result("ingest", 3.0), result("duckdb-script", 4.0), result("run", 9.0, 12.0, 13.0)]
    assert [target.found for target in targets("day", day)] == [0.75, 400.0, 12.0]
    assert [target.met for target in targets("day", day)] == [True, True, False]


def test_a_case_that_is_not_there_is_refused_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "--case", "none"])
    assert stopped.value.code == 2
    assert '"none" is none of month' in capsys.readouterr().err


def test_the_peers_are_those_of_the_extra() -> None:
    names = " ".join(requirements())
    assert all(peer in names for peer in ("duckdb", "connectorx", "adbc", "dlt"))
