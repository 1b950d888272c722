"""The tags of the simulated plant: what is measured where, under which names and ids. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from .ignition_values import DATATYPE_DATE, DATATYPE_FLOAT, DATATYPE_INT, DATATYPE_STRING, epoch_ms

Layout = Literal[
    "ignition",
    "generic",
    "thingsboard",
    "zabbix",
    "home_assistant",
    "rapid_scada",
    "rapid_scada_export",
    "wincc_oa",
    "epics",
    "timescale_ignition",
    "wide_logger",
]

DAY_MS = 86_400_000

TEXT_KINDS = {"recipe": DATATYPE_STRING, "last_service": DATATYPE_DATE}
DATATYPES = {"valve": DATATYPE_INT, "running": DATATYPE_INT, **TEXT_KINDS}
UNITS = {"temperature": "°C", "pressure": "bar", "flow": "l/min", "energy": "kWh", "valve": "", "running": ""}

# Every kind stands among the first eight, so that a small plant has them all.
KINDS = [
    *("temperature", "pressure", "flow", "energy", "valve", "running", "recipe", "last_service"),
    *("temperature", "temperature", "pressure", "flow", "temperature", "pressure"),
    *("energy", "temperature", "flow", "temperature", "pressure", "flow"),
]
AREAS = ("plant1/press", "plant2/packaging", "plant1/furnace")
DRIVERS = {"plant1": 1, "plant2": 2}

# Names that a careless key or partition value breaks on, by number of the tag.
ODD_PLACES = {
    9: "plant1/furnace/zone 4",
    10: "plant2/packaging/fill 100%",
    11: "plant2/packaging/line #3",
    12: "plant1/press/ölpumpe",
    13: "[default]plant1/press/main",
}
ON_THE_DOT, MOVED, RENAMED, STUCK = 0, 1, 2, 8
SWITCHING = 20  # scans
# Of the days that a plant goes on: a place whose gateway is cut off every evening, and hours of a stuck sensor.
LATE_PLACE, LATE_MS = "plant2/packaging/unit2/", DAY_MS // 12
STUCK_FROM_MS, STUCK_TO_MS = DAY_MS // 4, 3 * DAY_MS // 4
RETIRED_PATH = "plant1/press/old gauge/pressure"


@dataclass(frozen=True)
class PlantOptions:
    """What to simulate. Same options, same rows to the bit.

    Parameters
    ----------
    tags
        Tag paths with readings (count).
    days, end
        The readings cover ``days`` whole UTC days before ``end``, which is exclusive.
    rate_seconds
        Mean interval of an ordinary tag.
    busy_tags
        How many tags are read ten times as often.
    clean
        Leave out what a check should find: gaps, the stuck sensor, the quality code that no list names.
    goes_on
        Readings of the last days before today as well; ``end`` is that of the days that every plant has.
    fresh
        Drop everything the layout's tables hold, replayed files too, before seeding.
    """

    tags: int = 60
    days: int = 3
    end: date = date(2026, 11, 2)
    rate_seconds: float = 10
    seed: int = 7
    layout: Layout = "ignition"
    fresh: bool = False
    busy_tags: int = 2
    clean: bool = False
    goes_on: bool = False

    @property
    def end_ms(self) -> int:
        return epoch_ms(datetime.combine(self.end, datetime.min.time(), UTC))

    @property
    def start_ms(self) -> int:
        return self.end_ms - self.days * DAY_MS

    @property
    def expected_readings(self) -> int:
        """About how many readings that makes, for a progress bar (a few per cent above the truth: gaps)."""
        return sum(int((tag.last_ms - tag.first_ms) / tag.step_ms) for tag in plant_tags(self) if tag.step_ms)


@dataclass(frozen=True)
class Tag:
    """One tag id: a row of ``sqlth_te`` and the parameters of its readings.

    ``stream`` picks the tag's noise; two ids of one path share it, so their readings fall on the same grid, and those
    of one time are alike.
    """

    id: int
    path: str
    kind: str
    datatype: int
    driver: int
    stream: int
    step_ms: int  # 0: never read
    first_ms: int
    last_ms: int
    created_ms: int
    retired_ms: int | None = None
    on_the_dot: bool = False
    stuck_ms: tuple[int, int] = (0, 0)
    late_half: bool = False  # the younger of two ids: three readings of four stand half a step later
    clean: bool = False  # no gaps, no quality code that no list names
    decimals: int | None = None  # sensor resolution; None keeps every bit of the noise


def plant_tags(options: PlantOptions) -> list[Tag]:
    """Every tag id of the plant, ids from 1 without holes."""
    kinds = [k for k in KINDS if options.layout != "generic" or k not in TEXT_KINDS]
    span = options.end_ms - options.start_ms
    seen: Counter[tuple[str, str]] = Counter()
    tags: list[Tag] = []
    for i in range(options.tags):
        kind, area = kinds[i % len(kinds)], AREAS[i % len(AREAS)]
        seen[area, kind] += 1
        path = f"{ODD_PLACES.get(i, f'{area}/unit{seen[area, kind]}')}/{kind}"
        tags.append(
            Tag(
                id=i + 1,
                path=path,
                kind=kind,
                datatype=DATATYPES.get(kind, DATATYPE_FLOAT),
                driver=DRIVERS[path.removeprefix("[default]")[:6]],
                stream=i,
                step_ms=_step_ms(kind, options.rate_seconds, busy=i < options.busy_tags),
                first_ms=options.start_ms,
                last_ms=options.end_ms,
                created_ms=options.start_ms - 90 * DAY_MS,
                on_the_dot=i == ON_THE_DOT,
                stuck_ms=(options.start_ms + 3 * span // 10, options.start_ms + 7 * span // 10)
                if i == STUCK and not options.clean
                else (0, 0),
                clean=options.clean,
                decimals=_decimals(kind, i),
            )
        )
    old: list[Tag] = []
    for i, other_driver in ((RENAMED, False), (MOVED, True)):
        if i < len(tags):
            # The new id is read from 40 % of the time on, the old one until 60 %: a fifth is covered by both. Where
            # another gateway takes over, both are read for some scans only.
            begins = options.start_ms + 4 * span // 10
            ends = begins + (SWITCHING * tags[i].step_ms if other_driver else 2 * span // 10)
            young = replace(tags[i], first_ms=begins, created_ms=begins, late_half=True)
            driver = 3 - young.driver if other_driver else young.driver
            old.append(replace(tags[i], id=options.tags + 1 + len(old), driver=driver, last_ms=ends, retired_ms=ends))
            tags[i] = young
    gone = replace(tags[0], id=options.tags + 1 + len(old), path=RETIRED_PATH, kind="pressure", step_ms=0)
    gone = replace(gone, created_ms=options.start_ms - 400 * DAY_MS, retired_ms=options.start_ms - 100 * DAY_MS)
    return [*tags, *old, replace(gone, driver=1)]


def tags_of_day(tags: list[Tag], options: PlantOptions, day_ms: int) -> list[Tag]:
    """The tags of a day behind the plant's own, as they are read on it."""
    stuck = (day_ms + STUCK_FROM_MS, day_ms + STUCK_TO_MS)
    return [
        replace(tag, first_ms=day_ms, last_ms=day_ms + DAY_MS, stuck_ms=stuck if tag.stuck_ms != (0, 0) else (0, 0))
        for tag in tags
        if tag.last_ms == options.end_ms
    ]


def hands_in_late(tag: Tag) -> bool:
    """Whether the tag's readings of the last hours of a day arrive a day later."""
    return tag.path.startswith(LATE_PLACE)


def description(tag: Tag) -> str:
    return f"{tag.kind.replace('_', ' ')} of {tag.path.removeprefix('[default]').rsplit('/', 1)[0]}"


def details(options: PlantOptions) -> str:
    """Units and descriptions of the plant's tags, as ``tag_details`` of a configuration reads them."""
    rows = {tag.path: f'"{tag.path}",{UNITS.get(tag.kind, "")},"{description(tag)}"' for tag in plant_tags(options)}
    return "\n".join(["tagpath,unit,description", *rows.values()]) + "\n"


def service_day(stream: int) -> datetime:
    """When the tag's machine was last serviced before 2026."""
    return datetime(2025, 1, 1, 6, 30, 0, 250_000) + timedelta(days=stream * 7 % 360)


def _step_ms(kind: str, rate_seconds: float, *, busy: bool) -> int:
    ordinary = max(1, round(rate_seconds * 1000))
    if kind in TEXT_KINDS:
        # A recipe changes with the batch, a service date hardly ever.
        return max(60 * ordinary, 600_000) if kind == "recipe" else max(600 * ordinary, DAY_MS // 4)
    if busy:
        return max(1, ordinary // 10)
    return ordinary * 2 if kind in ("valve", "running") else ordinary


def _decimals(kind: str, number: int) -> int | None:
    if kind == "flow" and number % 3 == 2:
        return None
    return {"temperature": 1 + number % 2, "pressure": 2, "flow": 1, "energy": 1}.get(kind)
