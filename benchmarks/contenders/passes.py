"""The floor of the packed engine: its own queries over two connections, what they pack received to nowhere."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from engine import configuration, window
from query import where
from speak import serve, versions

from sensorstream.extract.share_reader import SETTINGS, Fetch, ShareReader
from sensorstream.extract.spool import Spool
from sensorstream.historian import open_historian
from sensorstream.historian.connection import snapshot_connection
from sensorstream.planning import make_plan, row_counts
from sensorstream.planning.plan import Workers
from sensorstream.planning.slices import Share, Slice

CONNECTIONS = 2


def prepare(order: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    return order, versions("psycopg")


def run(order: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    config = configuration(order, message)
    with open_historian(config) as historian:
        workers = Workers(tasks=1, threads=CONNECTIONS)
        plan = make_plan.make_plan(
            historian, config, window(order), config.patterns(order["patterns"]), workers=workers
        )
        plan, snapshot = row_counts.pinned(historian, plan)
        fetch = Fetch.of(plan, config, snapshot)
        begin = time.perf_counter()
        packed = sum(receive(fetch, share) for share in plan.shares)
        told = {"wall": time.perf_counter() - begin, "readings": 0}
        if message["round"] == "warm-up":  # it has packed the readings of bad quality as well
            every = where(order).replace(f" AND dataintegrity = {order['quality']}", "")
            for table in order["tables"]:
                found, good = historian.connection.execute(
                    f"SELECT count(*), count(*) FILTER (WHERE {where(order)}) FROM {table} WHERE {every}"
                ).fetchone()
                packed -= found
                told["readings"] += good
            assert not packed, f"{packed:,} readings more were packed than there are"
    return told


def receive(fetch: Fetch, share: Share) -> int:
    """Run the queries of a share; how many readings they have packed."""
    with (
        Spool() as spool,
        closing(ShareReader(fetch, share, spool)) as reader,
        ThreadPoolExecutor(CONNECTIONS) as pool,
    ):

        def one(piece: Slice) -> int:
            ids = [number for position in piece.stretches for number in share.stretches[position].tag.ids]
            query = reader._query(piece, ids)
            settings = SETTINGS | reader._way(piece)
            with snapshot_connection(reader.where, fetch.snapshot, settings) as connection:
                return sum(row[-1] for row in connection.cursor(binary=True).stream(query))

        return sum(pool.map(one, share.slices))


if __name__ == "__main__":
    serve(prepare, run)
