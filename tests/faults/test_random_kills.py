"""Runs that are killed at any moment: after the next one the lake is the source, and nothing is left over."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import boto3
import psycopg
import pytest
from botocore.config import Config as Client

from sensorstream.config.settings import Config
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.publishing import compaction, lease
from sensorstream.verification.verify import verify
from sensorstream.windows import Window, window_of
from tests.faults.killed import killed_within
from tests.historians import small_historian
from tests.lakes import as_committed, assert_whole, in_prefix
from tests.oracle import Row

ALL = window_of("UTC", start="2026-10-14", end="2026-10-17")
DAYS = [day for _, day in ALL.days("UTC")]
PATHS = {1: "a", 2: "b/ü%", 3: "c", 4: "d"}
MINUTES = 3 * 1440
AFTER = ALL.end + timedelta(days=60)  # the month is over, so its files are merged
SEEDS, KILLS = 10, 50  # of each of two lakes, in the slow tests: 1,000 kills


def move(config: Config, window: Window) -> None:
    ingest(config, window)


def merge(config: Config, window: Window) -> None:
    compaction.compact(config, now=AFTER)


def publish_day(chance: random.Random) -> tuple[Callable[..., None], Window]:
    return move, chance.choice(DAYS)


def read_late_days(chance: random.Random) -> tuple[Callable[..., None], Window]:
    return move, DAYS[-1]  # after which the days before it are looked over


def publish_all(chance: random.Random) -> tuple[Callable[..., None], Window]:
    return move, ALL


def compact(chance: random.Random) -> tuple[Callable[..., None], Window]:
    return merge, ALL


WORKS = (publish_day, read_late_days, read_late_days, publish_all, compact)


@dataclass
class Scene:
    """A historian that changes, a lake of it, and how long each work takes that is left alone."""

    database: object
    config: Config
    chance: random.Random
    took: dict[str, float] = field(default_factory=dict)
    kills: int = 0

    def begin(self) -> None:
        rows = [Row(i, ALL.start_ms + 60_000 * n, float(n)) for i in PATHS for n in range(0, MINUTES, 10)]
        small_historian(self.database, rows, PATHS)
        for day in DAYS:
            ingest(self.config, day)
        for make in WORKS:
            self.change()
            work, window = make(self.chance)
            began = time.monotonic()
            assert not killed_within(60, work, self.config, window)
            self.took[make.__name__] = time.monotonic() - began

    def change(self) -> None:
        """Late readings, and readings that become others."""
        late = [Row(self.chance.choice(list(PATHS)), self.at(), self.chance.random()) for _ in range(5)]
        with psycopg.connect(self.database.owner) as connection:
            connection.cursor().executemany(
                "INSERT INTO sqlt_data_1_2026_10 VALUES (%s, NULL, %s, NULL, NULL, 192, %s) ON CONFLICT DO NOTHING",
                [(row.tagid, row.value, row.t_stamp) for row in late],
            )
            connection.execute(
                "UPDATE sqlt_data_1_2026_10 SET floatvalue = floatvalue + 0.5 WHERE tagid = %s AND t_stamp BETWEEN"
                " %s AND %s + 3600000",
                [self.chance.choice(list(PATHS)), at := self.at(), at],
            )

    def at(self) -> int:
        return ALL.start_ms + 1000 * self.chance.randrange(60 * MINUTES)

    def kill(self) -> None:
        """Begin a work, which is killed if it has not ended before."""
        make = self.chance.choice(WORKS)
        work, window = make(self.chance)
        store = open_store(self.config)
        before = as_committed(store)
        self.kills += killed_within(self.chance.uniform(0, self.took[make.__name__]), work, self.config, window)
        seen = as_committed(store)  # each state is whole, whatever was killed
        assert not in_prefix(store)[1]
        assert seen == before or work is move
        if self.chance.random() < 0.3:
            lease.recover(store)
            assert_whole(store, as_committed(store))

    def put_right(self) -> None:
        """The next run, after which the lake is the historian's."""
        store = open_store(self.config)
        ingest(self.config, DAYS[-1])
        found = as_committed(store)
        assert found == self.source()
        assert_whole(store, found)
        assert not store.sweep()
        verify(self.config, ALL).raise_if_different()

    def source(self) -> dict[tuple[str, int], float]:
        with psycopg.connect(self.database.owner) as connection:
            return {
                (PATHS[i], ms): value
                for i, ms, value in connection.execute("SELECT tagid, t_stamp, floatvalue FROM sqlt_data_1_2026_10")
            }


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("lake", "seed", "kills"),
    [
        ("local", None, 3),
        pytest.param("s3", None, 3, marks=pytest.mark.slow),
        *(pytest.param(lake, seed, KILLS, marks=pytest.mark.slow) for seed in range(SEEDS) for lake in ("local", "s3")),
    ],
)
def test_whenever_a_run_is_killed_the_next_one_makes_the_lake_the_source(lake, seed, kills, database, make_config):
    seed = random.randrange(10**9) if seed is None else seed
    scene = Scene(database, make_config(dbname=database.name, lake=lake), random.Random(f"{seed} {lake}"))
    try:
        scene.begin()
        while scene.kills < kills:
            scene.change()
            scene.kill()
            if scene.chance.random() < 0.7:  # else the next dies of it, or beside it
                scene.put_right()
        scene.put_right()
        assert not unfinished_uploads(scene.config)
    except BaseException as error:
        error.add_note(f"seed {seed} on {lake}, after {scene.kills} kills")
        raise
    print(f"seed {seed} on {lake}: {scene.kills} kills")


def unfinished_uploads(config: Config) -> list[str]:
    if not config.bucket_name:
        return []
    client = boto3.client(
        "s3", endpoint_url=config.s3_endpoint_url, region_name=config.s3_region,
        config=Client(s3={"addressing_style": "path"}),
    )  # fmt: skip
    found = client.list_multipart_uploads(Bucket=config.bucket_name)
    return [upload["Key"] for upload in found.get("Uploads", []) if upload["Key"].startswith(config.s3_directory)]
