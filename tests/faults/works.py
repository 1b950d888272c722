"""What runs that are killed do: publish over what is there, append, compact."""

from __future__ import annotations

from datetime import UTC, datetime

from sensorstream.publishing import compaction
from sensorstream.windows import Window
from tests.lakes import publish, scope_of

HOUR = 3_600_000
START = int(datetime(2026, 10, 30, tzinfo=UTC).timestamp() * 1000)
PATHS = ("a", "b/ü%", "c", "d")
AFTER = datetime(2027, 1, 1, tzinfo=UTC)


def days(first: int, last: int) -> Window:
    return Window(*(datetime.fromtimestamp(START // 1000 + day * 86_400, UTC) for day in (first, last)))


def values(window: Window, factor: float, paths=PATHS) -> dict[tuple[str, int], float]:
    return {(p, ms): factor * (ms // HOUR) for p in paths for ms in range(window.start_ms, window.end_ms, HOUR)}


OLD_WINDOW, NEW_WINDOW = days(0, 4), days(1, 6)  # over a month border; the new one cuts files of the old
OLD = values(OLD_WINDOW, 1.0)
# One tag path is empty now, another as it was.
NEW = {
    **{reading: value for reading, value in OLD.items() if reading[1] < NEW_WINDOW.start_ms},
    **values(NEW_WINDOW, 2.0, PATHS[:2]),
    **values(NEW_WINDOW, 1.0, PATHS[3:]),
}
DAILY = [days(n, n + 1) for n in range(4)]


def publish_old(store, config):
    publish(store, scope_of(config, OLD_WINDOW, PATHS), OLD, others={"rejected/run_id=1/part.parquet": b"1"})


def publish_new(store, config):
    others = {"rejected/run_id=1/part.parquet": b"2", "rejected/run_id=2/part.parquet": b"3"}
    publish(store, scope_of(config, NEW_WINDOW, PATHS), NEW, others=others)


def append_new(store, config):
    publish(store, scope_of(config, NEW_WINDOW, PATHS), NEW, append=True)


def publish_daily(store, config):
    for day in DAILY:
        publish(store, scope_of(config, day, PATHS), OLD)


def compact(store, config):
    compaction.compact(config, now=AFTER, store=store)


APPENDED = {**{r: v for r, v in NEW.items() if r not in OLD}, **OLD}
WORKS = {work.__name__: work for work in (publish_old, publish_new, append_new, compact)}
# What is there before, what is done, and what the lake holds before and after it.
CASES = {
    "first publication": (lambda store, config: None, publish_old, {}, OLD),
    "overwrite across borders": (publish_old, publish_new, OLD, NEW),
    "append": (publish_old, append_new, OLD, APPENDED),
    "compaction": (publish_daily, compact, OLD, OLD),
}
