"""One sandbox, one Spark and one seeded plant for the whole session; a database and a lake of its own for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import conninfo, sql

from sensorstream.config.settings import Config
from sensorstream.config.sources import check
from sensorstream.sandbox import Sandbox, down, up
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox.plant import PlantOptions, SeedSummary, seed
from sensorstream.sandbox.servers import describe
from sensorstream.sandbox.state import State
from sensorstream.windows import Window

pytest.register_assert_rewrite("tests.lakes")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

# What decides over a change is the same for each try at it; everybody else looks further every time.
settings.register_profile("sensorstream", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("sensorstream")

numbers = count(1)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Real PostgreSQL, S3 and Secrets Manager; the AWS chain of this process and its children points at them."""
    root = Path(tempfile.mkdtemp(prefix="sensorstream-tests-"))
    root.chmod(0o755)
    box = up(root / "sandbox")
    before = dict(os.environ)
    os.environ.update(box.aws_env())
    yield box
    os.environ.clear()
    os.environ.update(before)
    down(root / "sandbox", remove=True)
    shutil.rmtree(root, ignore_errors=True)


@dataclass(frozen=True)
class Database:
    """A database of the sandbox: ``owner`` and ``reader`` are connection strings."""

    owner: str
    reader: str
    name: str

    def execute(self, query: str, *parameters: object) -> list[tuple]:
        with psycopg.connect(self.owner, autocommit=True) as connection:
            cursor = connection.execute(query, parameters or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def database(sandbox: Sandbox) -> Iterator[Database]:
    """A new empty database; the reader sees what the owner makes in it, and can change nothing."""
    name = f"test_{next(numbers)}"
    state = State.load(sandbox.root)
    with sandbox_postgres._admin(state) as admin:
        admin.autocommit = True
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER owner").format(sql.Identifier(name)))
    owner = conninfo.make_conninfo(sandbox.owner_dsn, dbname=name)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("GRANT USAGE ON SCHEMA public TO reader")
        connection.execute("ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT SELECT ON TABLES TO reader")
    yield Database(owner, conninfo.make_conninfo(sandbox.reader_dsn, dbname=name), name)
    with sandbox_postgres._admin(state) as admin:
        admin.autocommit = True
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def empty_database(database: Database) -> str:
    """The owner's connection string of a new empty database."""
    return database.owner


@pytest.fixture
def make_config(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Config]:
    """``make_config(dbname=..., lake="s3" or "local", **keys)``: a configuration, each with a new lake."""

    def make(*, dbname: str = "historian", lake: str = "local", **keys: object) -> Config:
        number = next(numbers)
        values: dict[str, object] = {
            "db": {
                "host": sandbox.host,
                "port": sandbox.port,
                "dbname": dbname,
                "user": sandbox.reader,
                "password": sandbox.reader_password,
            },
            "reports_path": str(tmp_path / "reports"),
        }
        if lake == "s3":
            values |= {
                "bucket_name": sandbox.bucket,
                "s3_directory": f"lake_{number}/",
                "s3_endpoint_url": sandbox.s3_endpoint,
                "s3_region": sandbox.region,
            }
        else:
            values["local_path"] = str(tmp_path / f"lake_{number}")
        return check(values | keys, where="the test's configuration")

    return make


@dataclass(frozen=True)
class Plant:
    """The seeded historian: the whole window, and one full day of it."""

    config_path: Path
    summary: SeedSummary
    date: str

    @property
    def window(self) -> Window:
        return Window(self.summary.start, self.summary.end)


@pytest.fixture(scope="session")
def plant(sandbox: Sandbox) -> Plant:
    """A small simulated plant in the sandbox's ``historian`` database, over a month border."""
    options = replace(PlantOptions(), tags=24, days=2, end=date(2026, 11, 2), rate_seconds=60)
    summary = seed(sandbox.owner_dsn, options)
    describe(sandbox.root, options)
    return Plant(sandbox.config_path, summary, "2026-10-31")


@pytest.fixture(scope="session")
def spark(sandbox: Sandbox):
    """The session that every test shares, with the JDBC driver."""
    from sensorstream.pipeline.session import spark_session
    from sensorstream.spark.jdbc_driver import require_driver

    require_driver(None)
    config = check(
        {"db": {}, "local_path": "unused", "spark_master": "local[2]", "engine": "jdbc"}, where="the test session"
    )
    session = spark_session(config)
    yield session
    session.stop()
