"""What looking for late readings costs on a month of 10 M readings, against reading it.

``python -m benchmarks.late [ROUNDS]``: the month is read, 2,000 readings come late, and the run of the day after
looks for them: by the end of the table's file, then by fingerprints. Medians in seconds.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path
from unittest import mock

import psycopg
from psycopg import conninfo, sql

from benchmarks.plants import Plant, make
from sensorstream.config.settings import Config
from sensorstream.config.sources import check
from sensorstream.pipeline import ingest
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox import up
from sensorstream.sandbox.state import State
from sensorstream.windows import Window

ROOT = Path(".sandbox-bench")
LATE = 2000
DBNAME = "bench_late"


def main(rounds: int) -> None:
    box = up(ROOT)
    plant = Plant("simulated", 10_000_000)
    make(box, plant)
    with sandbox_postgres._admin(State.load(box.root)) as admin:
        admin.autocommit = True
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DBNAME)))
        copied = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
        names = (sql.Identifier(name) for name in (DBNAME, plant.dbname, box.owner))
        admin.execute(copied.format(*names))
    owner = conninfo.make_conninfo(box.owner_dsn, dbname=DBNAME)
    last = Window(plant.window.end - timedelta(days=1), plant.window.end)
    month = Window(plant.window.start, last.start)
    chance = random.Random(1)
    found: dict[str, list[float]] = {"packed read": [], "heap tail": [], "fingerprint": []}
    for number in range(rounds + 1):  # the first warms up
        config = lake(box, number)
        record = ingest.ingest(config, month)
        with psycopg.connect(owner) as connection:
            tables = [name for (name,) in connection.execute("SELECT pname FROM sqlth_partitions ORDER BY 1")]
            there = [t for t in tables if connection.execute("SELECT to_regclass(%s)", [t]).fetchone() != (None,)]
            for _ in range(LATE):
                ms = month.start_ms + chance.randrange(month.end_ms - month.start_ms)
                insert = f"INSERT INTO {there[-1]} VALUES (%s, NULL, 1.5, NULL, NULL, 192, %s) ON CONFLICT DO NOTHING"
                connection.execute(insert, [chance.randrange(1, 400), ms])
        looked = {"heap tail": looking(config, last)}
        fingerprint = config.model_copy(update={"late_detector": "fingerprint"})
        looked["fingerprint"] = looking(fingerprint, last)
        if number:
            found["packed read"].append(record.seconds["extract"] + record.seconds["publish"])
            for name, took in looked.items():
                found[name].append(took)
        print(number, record.seconds, looked, flush=True)
    read = statistics.median(found["packed read"])
    for name, took in found.items():
        print(f"{name}: {statistics.median(took):.3f} s, {statistics.median(took) / read:.3f} of the packed read")


def looking(config: Config, window: Window) -> float:
    """Seconds that a run spends in ``late.look``."""
    took: list[float] = []
    real = ingest.look

    def timed(*arguments: object) -> object:
        begin = time.perf_counter()
        result = real(*arguments)
        took.append(time.perf_counter() - begin)
        return result

    with mock.patch.object(ingest, "look", timed):
        record = ingest.ingest(config, window)
    assert record.late is not None
    print({key: value for key, value in record.late.items() if key != "tags"}, record.seconds)
    return took[0]


def lake(box: object, number: int) -> Config:
    values = {
        "db": {
            "host": box.host,
            "port": box.port,
            "dbname": DBNAME,
            "user": box.reader,
            "password": box.reader_password,
        },
        "local_path": str(ROOT / "scratch" / f"late-{number}-{time.time_ns()}"),
    }
    return check(values, where="the benchmark of late readings")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
