"""The historians that are read: a database for each plant, seeded once and kept for the next run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import psycopg
from psycopg import conninfo, sql

from sensorstream.sandbox import Sandbox, postgres
from sensorstream.sandbox.plant import PlantOptions, seed
from sensorstream.sandbox.state import State
from sensorstream.windows import Window

from . import drawn, other_layouts

END = date(2026, 11, 1)
MONTH_DAYS = 31
RATE_SECONDS = 100.0
# The simulated plant leaves out hours of some days: about this part of the scheduled readings is there.
PRESENT = 0.97
# The catalog holds a tag's interval as int32 milliseconds, and the slowest tags are 600 times slower than the rate.
SLOWEST_SECONDS = 3500.0


@dataclass(frozen=True)
class Plant:
    """What to read. ``kind``: ``simulated`` by the sandbox, or one that PostgreSQL draws itself, ``busy`` or ``text``,
    or of ``other_layouts``."""

    kind: str
    readings: int
    tags: int = 400
    days: int = MONTH_DAYS

    @property
    def dbname(self) -> str:
        return f"bench_{self.kind}_{self.tags}_{self.days}_{self.readings}"

    @property
    def window(self) -> Window:
        end = datetime(END.year, END.month, END.day, tzinfo=UTC)
        return Window(end - timedelta(days=self.days), end)

    @property
    def column(self) -> str:
        """The value column that most readings have."""
        return "stringvalue" if self.kind == "text" else "floatvalue"


def options(plant: Plant) -> PlantOptions:
    """The simulation that gives about ``plant.readings`` readings."""
    at = PlantOptions(tags=plant.tags, days=plant.days, end=END, rate_seconds=RATE_SECONDS)
    rate = min(SLOWEST_SECONDS, RATE_SECONDS * at.expected_readings * PRESENT / plant.readings)
    return PlantOptions(tags=plant.tags, days=plant.days, end=END, rate_seconds=round(rate, 3))


def make(sandbox: Sandbox, plant: Plant, progress: Callable[[int], None] | None = None) -> None:
    """Seed the plant's database; quick where it stands already."""
    state = State.load(sandbox.root)
    with postgres._admin(state) as admin:
        name = sql.Identifier(plant.dbname)
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [plant.dbname]).fetchone():
            admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(sandbox.owner)))
    dsn = conninfo.make_conninfo(sandbox.owner_dsn, dbname=plant.dbname)
    with psycopg.connect(dsn, autocommit=True) as owner:
        reader = sql.Identifier(sandbox.reader)
        owner.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(reader))
        owner.execute(sql.SQL("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {}").format(reader))
    if plant.kind == "simulated":
        seed(dsn, options(plant), progress)
    elif plant.kind in other_layouts.LAYOUTS:
        other_layouts.draw(dsn, plant.kind, plant.readings, plant.window)
    else:
        drawn.draw(dsn, plant.kind, plant.readings, plant.window)
    with postgres._admin(state, plant.dbname) as admin:
        admin.execute("CHECKPOINT")  # or its writing falls into the first rounds
