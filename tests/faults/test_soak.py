"""Thirty days on a compressed clock, with everything that happens to a plant in a month, in one long-lived process.

The simulated plant writes into a PostgreSQL of its own all the while; each night ends with the run of the day before,
into a bucket and into a folder. ``-s`` shows the figures, which stand in ``docs/soak.md``.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from subprocess import run as command
from threading import Event, Thread, Timer

import boto3
import psutil
import psycopg
import pytest

from sensorstream.checks.check_lake import check_lake
from sensorstream.checks.check_source import check_source
from sensorstream.config.settings import Config
from sensorstream.config.sources import check
from sensorstream.errors import SensorStreamError
from sensorstream.historian.password_rotation import rotate
from sensorstream.pipeline.ingest import ingest
from sensorstream.publishing.compaction import compact
from sensorstream.sandbox import Sandbox, down, up
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox import s3 as sandbox_s3
from sensorstream.sandbox.ignition_schema import reading_tables
from sensorstream.sandbox.plant import PlantOptions, seed
from sensorstream.sandbox.processes import free, wait_until
from sensorstream.sandbox.state import State, locked
from sensorstream.verification.verify import verify
from sensorstream.windows import window_of
from tests.oracle import readings_of

DAYS, END = 30, date(2026, 10, 29)
OLD, STILL_THERE = "2026_09", date(2026, 10, 1)  # the month whose partitions the DBA drops
DAY_SECONDS = 6.0  # of a simulated day, if the nights are quick enough
TRIES = 8
PARTITIONS = r"^sqlt_data_[0-9]_[0-9]{4}_[0-9]{2}$"
DISK = "64m"
MORE_MEMORY = 1.15  # of the last nights, over those before half of the month
GROUP, ROLES = "readers", ("turn_a", "turn_b")


@dataclass
class Plant:
    """A historian into which readings come as the clock goes, some of them days late."""

    box: Sandbox
    options: PlantOptions
    tables: list[str]
    began: float = field(default_factory=time.monotonic)
    done: Event = field(default_factory=Event)
    longest_insert: float = 0.0
    outages: int = 0

    def now_ms(self) -> int:
        gone = (time.monotonic() - self.began) / DAY_SECONDS * 86_400_000
        return min(self.options.start_ms + int(gone), self.options.end_ms + 5 * 86_400_000)

    def write(self) -> None:
        """What has arrived since the last look; again where the server went away meanwhile."""
        since = self.options.start_ms
        while not (last := self.done.wait(0.1)) or since < self.now_ms():
            until = self.now_ms()
            begin = time.monotonic()
            try:
                with psycopg.connect(self.box.owner_dsn) as connection:
                    for table in self.tables:
                        some = f"FROM coming.{table} WHERE arrives >= {since} AND arrives < {until}"
                        columns = "tagid, intvalue, floatvalue, stringvalue, datevalue, dataintegrity, t_stamp"
                        connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} {some}")  # type: ignore[call-overload]
            except psycopg.errors.UndefinedTable:
                self.tables = [table for table in self.tables if not table.endswith(OLD)]
                continue
            except psycopg.OperationalError:
                self.outages += 1
                continue
            since, self.longest_insert = until, max(self.longest_insert, time.monotonic() - begin)
            if last:
                return


@pytest.fixture
def plant(tmp_path, monkeypatch) -> Iterator[Plant]:
    root = Path(tempfile.mkdtemp(prefix="sensorstream-soak-"))
    root.chmod(0o755)
    box = up(root / "sandbox")
    for name, value in box.aws_env().items():
        monkeypatch.setenv(name, value)
    options = PlantOptions(tags=30, days=DAYS, end=END, rate_seconds=60)
    seed(box.owner_dsn, options)
    with psycopg.connect(box.owner_dsn) as connection:
        tables = reading_tables(connection, PARTITIONS)
        connection.execute("CREATE SCHEMA coming")
        for table in tables:  # one reading of fifty is one to five days late
            late = "CASE WHEN hashint8(t_stamp + tagid) % 50 = 0 THEN 86400000::bigint * (1 + tagid % 5) ELSE 0 END"
            for statement in (
                f"CREATE TABLE coming.{table} AS SELECT *, t_stamp + {late} AS arrives FROM {table}",
                f"CREATE INDEX ON coming.{table} (arrives)",
                f"TRUNCATE {table}",
            ):
                connection.execute(statement)  # type: ignore[call-overload]
    roles(box)
    yield Plant(box, options, tables)
    down(root / "sandbox", remove=True)
    shutil.rmtree(root)


def roles(box: Sandbox) -> None:
    """Two roles that take turns, and the secrets of the one in use and of the administrator."""
    with sandbox_postgres._admin(State.load(box.root), "historian") as server:
        for words in (
            f"CREATE ROLE {GROUP} NOLOGIN",
            "CREATE ROLE rotator LOGIN CREATEROLE PASSWORD 'first'",
            f"GRANT {GROUP} TO rotator WITH ADMIN OPTION, INHERIT FALSE",
            f"GRANT CONNECT ON DATABASE historian TO {GROUP}, rotator",
            f"GRANT USAGE ON SCHEMA public TO {GROUP}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {GROUP}",
        ):
            server.execute(words)
    client = boto3.client("secretsmanager")
    reader = {"username": box.reader, "password": box.reader_password}
    for name, secret in (("login", reader), ("rotator", {"username": "rotator", "password": "first"})):
        client.create_secret(Name=name, SecretString=json.dumps(secret))


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A small disk of its own, where this user may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder]
    mounted = command(mount, capture_output=True).returncode == 0
    yield folder
    if mounted:
        command(["umount", folder], check=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("master", [None, "local[2]"])
def test_a_month_of_a_plant_leaves_the_lake_right_and_nothing_behind(master, plant, disk, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    box, me = plant.box, psutil.Process()
    common = {
        "db": {"host": box.host, "port": box.port, "dbname": box.dbname},
        "db_secret_id": "login",
        "db_rotation": {"admin_secret_id": "rotator", "group": GROUP, "roles": ROLES},
        "s3_region": box.region,
        "spark_master": master,
    }
    bucket = {"bucket_name": box.bucket, "s3_endpoint_url": box.s3_endpoint}
    lakes = [check(common | place, where="soak") for place in (bucket, {"local_path": str(disk / "lake")})]
    told: Counter[str] = Counter()
    memory, of_spark, files, nights = [], [], [], []
    window = window_of("UTC", start=STILL_THERE.isoformat(), end=END.isoformat())
    dropped: Counter[str] = Counter()

    def night(config: Config, day: date, number: int) -> None:
        """The run of a day, every fifth between its checks; tried again, as Airflow would."""
        for left in reversed(range(TRIES)):
            try:
                if number % 5 == 0:
                    check_source(config, day)
                ingest(config, day)
                if number % 5 == 0:
                    check_lake(config, day)
                return
            except SensorStreamError as error:
                assert "\n" not in str(error)
                told[type(error).__name__] += 1
                print(f"{day}: {error}")
                (disk / "ballast").unlink(missing_ok=True)  # the hour is over
                if not left:
                    raise
                time.sleep(1)

    def as_dba(statement: str) -> None:
        begin = time.monotonic()
        with psycopg.connect(box.owner_dsn, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]
        told[f"{statement.split(' sqlt')[0]}, s"] += round(time.monotonic() - begin, 1)

    newest, old = f"sqlt_data_1_{END:%Y_%m}", ", ".join(t for t in plant.tables if t.endswith(OLD))
    events: dict[int, Callable[[], None]] = {
        5: lambda: restart(box, sandbox_postgres),
        8: lambda: as_dba(f"VACUUM FULL {newest}"),
        11: lambda: restart(box, sandbox_s3),
        13: lambda: dropped.update(in_historian(box, 0, window.start_ms)),
        14: lambda: as_dba(f"DROP TABLE {old}"),
        17: lambda: fill(disk),
        20: lambda: restart(box, sandbox_postgres, sandbox_s3),
        23: lambda: as_dba(f"VACUUM FULL {newest}"),
    }
    writer = Thread(target=plant.write)
    writer.start()
    try:
        for number in range(1, DAYS + 1):
            day = date.fromordinal(END.toordinal() - DAYS + number - 1)
            while plant.now_ms() < plant.options.start_ms + number * 86_400_000:
                time.sleep(0.05)
            begin = time.monotonic()
            event = Timer(0.3, events.get(number, lambda: None))
            event.start()
            for config in lakes:
                night(config, day, number)
                if number % 7 == 0:
                    compact(config)
            if number % 7 == 0:
                rotate(lakes[0])
            event.join()
            nights.append(time.monotonic() - begin)
            gc.collect()
            memory.append(me.memory_info().rss / 1e6)
            of_spark.append(sum(spark_below(me)) / 1e6)
            files.append(me.num_fds())
            print(f"{day}: {nights[-1]:.1f} s, {memory[-1]:.0f} MB, {files[-1]} files", flush=True)
    finally:
        while plant.now_ms() < plant.options.end_ms + 5 * 86_400_000:  # the latest of all
            time.sleep(0.1)
        plant.done.set()
        writer.join()
    for config in lakes:
        ingest(config, END - timedelta(days=1))

    still_there = in_historian(box, window.start_ms, window.end_ms)
    for config in lakes:
        assert verify(config, window).success
        readings = [(path, ms) for path, ms, *_ in readings_of(config)]
        assert Counter(path for path, ms in readings if ms >= window.start_ms) == still_there
        assert Counter(path for path, ms in readings if ms < window.start_ms) == dropped
    with psycopg.connect(box.owner_dsn) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sensorstream%'"
        assert connection.execute(query).fetchone() == (0,)
    uploads = boto3.Session().client("s3", endpoint_url=box.s3_endpoint).list_multipart_uploads(Bucket=box.bucket)
    assert not uploads.get("Uploads")
    figures = {
        "master": master, "readings": len(readings), "told": dict(told), "nights, s": [round(n, 1) for n in nights],
        "memory, MB": [round(m) for m in memory], "of Spark, MB": [round(m) for m in of_spark], "files": files,
        "longest insert, s": round(plant.longest_insert, 2), "outages of the writer": plant.outages,
        "left in TMPDIR": sorted(path.name for path in (tmp_path / "tmp").iterdir()),
    }  # fmt: skip
    print(json.dumps(figures))
    # One night may leave more with the allocator than others; what leaks stays.
    assert median(memory[-5:]) <= MORE_MEMORY * median(memory[10:15])
    assert max(files[-5:]) <= max(files[:15])
    assert set(figures["left in TMPDIR"]) <= {f"sensorstream-{os.getuid()}"}  # of a Spark that goes on


def restart(box: Sandbox, *servers) -> None:
    """Stop and start servers, which come back on the ports that they had."""
    with locked(box.root):
        state = State.load(box.root)
        for server in servers:
            ports = [*(state.postgres if server is sandbox_postgres else state.s3).ports.values()]
            server.stop(state)
            wait_until(lambda mine=ports: all(map(free, mine)), 30)
            server.start(box.root, state)
        assert state.sandbox(box.root).s3_endpoint == box.s3_endpoint and state.postgres.ports["sql"] == box.port
        state.save(box.root)


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "ballast").open("wb") as ballast:
        while os.path.ismount(disk):
            ballast.write(bytes(1 << 20))
            ballast.flush()


def spark_below(me: psutil.Process) -> Iterator[int]:
    """The memory of each process of Spark, Java and workers, in bytes."""
    for child in me.children(recursive=True):
        with suppress(psutil.Error):
            if "pyspark" in " ".join(child.cmdline()):
                yield child.memory_info().rss


def in_historian(box: Sandbox, start_ms: int, end_ms: int) -> Counter[str]:
    """How many good readings there are of each tag path, as SQL has it."""
    with psycopg.connect(box.owner_dsn) as connection:
        good = [
            f"SELECT tagid, t_stamp FROM {name}"
            f" WHERE dataintegrity = 192 AND t_stamp >= {start_ms} AND t_stamp < {end_ms}"
            for name in reading_tables(connection, PARTITIONS)
        ]
        rows = " UNION ALL ".join(good)
        query = f"SELECT tagpath, count(DISTINCT t_stamp) FROM ({rows}) r JOIN sqlth_te t ON t.id = tagid GROUP BY 1"
        return Counter(dict(connection.execute(query).fetchall()))  # type: ignore[call-overload]
