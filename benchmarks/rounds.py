"""The measuring: warm up and verify, count the wire, then rounds of all contenders in turn."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .contender import Contender, ContenderFailed, Kind
from .order import Order
from .rest import Bucket, Folder
from .usage import Used, Watch
from .wire import counting

SETTLE_SECONDS = 1.0

Tell = Callable[[str], None]
Servers = Callable[[], Mapping[str, int]]


@dataclass(frozen=True)
class Entrant:
    """A contender that is started, and the order that it was given."""

    name: str
    kind: Kind
    order: Order
    contender: Contender


@dataclass(frozen=True)
class Round:
    """One timed round: wall seconds, and what it used."""

    wall: float
    used: Used


@dataclass
class Result:
    """All that was measured of one entrant. Sizes in bytes; ``failure`` says why there is nothing."""

    name: str
    note: str
    expected: int
    whole: bool = False  # a new process each round
    readings: int = 0
    wire: int | None = None
    rest: int | None = None
    data: int | None = None
    files: int | None = None
    record: dict[str, Any] | None = None
    rounds: list[Round] = field(default_factory=list)
    failure: str | None = None


def measure(
    entrants: Sequence[Entrant],
    *,
    rounds: int,
    servers: Servers,
    tell: Tell = lambda text: None,
    before_round: Callable[[], None] | None = None,
) -> list[Result]:
    """Run every entrant: once to warm up and be verified, once through the proxy, then ``rounds`` times in turn.

    Parameters
    ----------
    servers
        Process ids of the servers by name; asked before each round, since a server may have been started anew.
    before_round
        Done before each timed round of each entrant, outside of its time.

    Returns
    -------
    list of Result
        One for each entrant. One that failed is left out from then on and says why.
    """
    bench = f"bench/{secrets.token_hex(4)}"
    results = {e.name: Result(e.name, e.kind.note, e.order.expected, e.kind.whole) for e in entrants}

    def attempt(entrant: Entrant, what: str, work: Callable[[Result, str], None]) -> None:
        result = results[entrant.name]
        if result.failure:
            return
        tell(f"{entrant.name}: {what}")
        prefix = f"{bench}/{entrant.name}/{what.replace(' ', '-')}/"
        try:
            work(result, prefix)
        except ContenderFailed as error:
            result.failure = str(error)
        finally:
            _lake(entrant).remove(prefix)

    for entrant in entrants:
        attempt(entrant, "warm-up", lambda result, prefix, e=entrant: verify(e, result, prefix))  # type: ignore[misc]
        attempt(entrant, "wire", lambda result, prefix, e=entrant: count_wire(e, result, prefix))  # type: ignore[misc]
    for number in range(1, rounds + 1):
        for entrant in entrants:

            def timed(result: Result, prefix: str, entrant: Entrant = entrant, number: int = number) -> None:
                if before_round:
                    before_round()
                time.sleep(SETTLE_SECONDS)  # let the servers finish with what the round before left
                watch = Watch(entrant.contender.pid, servers(), waits=entrant.kind.whole)
                watch.start()
                try:
                    reply = entrant.contender.ask({"round": str(number), "prefix": prefix})
                finally:
                    used = watch.stop()
                used = replace(used, memory=max(used.memory, reply.get("peak", 0)))
                result.rounds.append(Round(reply["wall"], used))

            attempt(entrant, f"round {number} of {rounds}", timed)
    return list(results.values())


def _lake(entrant: Entrant) -> Bucket | Folder:
    return Folder(entrant.order.scratch / "lake") if entrant.kind.local else Bucket(entrant.order.sandbox)


def verify(entrant: Entrant, result: Result, prefix: str) -> None:
    """The untimed first round; ``ContenderFailed`` if what it left is not the work that was asked for."""
    expected = entrant.order.expected
    reply = entrant.contender.ask({"round": "warm-up", "prefix": prefix})
    if not entrant.kind.writes:
        result.readings = reply["readings"]
        _same(entrant.name, "read", result.readings, expected)
        return
    lake = _lake(entrant)
    left = lake.left(prefix)
    result.readings = lake.readings(prefix, left)
    result.rest, result.data, result.files = left.size, left.data_size, left.files
    result.record = record = reply.get("record")
    if record is None:
        _same(entrant.name, "left", result.readings, expected)
    else:
        # SensorStream keeps one reading a time; what the source has twice is in its record.
        _same(entrant.name, "left", result.readings, record["rows_written"])
        _same(entrant.name, "accounts for", record["rows_written"] + record["rows_deduplicated"], expected)


def _same(name: str, verb: str, found: int, expected: int) -> None:
    if found != expected:
        raise ContenderFailed(f"contender {name} {verb} {found:,} readings where {expected:,} are expected")


def count_wire(entrant: Entrant, result: Result, prefix: str) -> None:
    """Another untimed round, through the proxy."""
    with counting(entrant.order.sandbox.port) as counter:
        entrant.contender.ask({"round": "wire", "prefix": prefix, "port": counter.port})
    result.wire = counter.received
