"""Nobody waits for a run: whoever wants a table alone has it within seconds, and so have those that write into it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from threading import Thread

import pytest

from sensorstream.checks import check_source as source_check
from sensorstream.checks import learn_ranges
from sensorstream.errors import SourceError
from sensorstream.exploration import from_historian as explored
from sensorstream.historian import Historian
from sensorstream.pipeline import backlog
from sensorstream.pipeline import ingest as pipeline
from sensorstream.pipeline.dataframes import read_historian
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.planning import make_plan, row_counts
from sensorstream.staging.datasource import HistorianSource
from sensorstream.verification import repair, verify
from tests.oracle import objects, readings_of
from tests.slowly import ROWS, TABLE, WINDOW, Slow, before

MOST_SECONDS = 5.0  # that anybody waits for a run
END_SECONDS = 20.0  # until a run has ended that gave way: Spark takes its time on a machine that is busy

REQUESTS = {
    "drop": f"DROP TABLE {TABLE} CASCADE",
    "add column": f"ALTER TABLE {TABLE} ADD COLUMN more text",
    "rename column": f"ALTER TABLE {TABLE} RENAME COLUMN note TO remark",
    "truncate": f"TRUNCATE {TABLE}",
    "vacuum full": f"VACUUM FULL {TABLE}",
    "reindex": f"REINDEX TABLE {TABLE}",
    "lock": f"DO $$ BEGIN LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE; END $$",
    "index concurrently": f"CREATE INDEX CONCURRENTLY ON {TABLE} (t_stamp)",
}


@pytest.fixture
def slow(database) -> Slow:
    return Slow(database)


def planned(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, make_plan, "count_by_tag")
    plan(config, WINDOW)


def extracted(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, row_counts, "pinned")
    ingest(config, WINDOW)


def extracted_by_jdbc(slow, config, spark, monkeypatch) -> None:
    extracted(slow, config.model_copy(update={"engine": "jdbc"}), spark, monkeypatch)


def looked_over(slow, config, spark, monkeypatch) -> None:
    real = pipeline.look

    def look(back, *arguments):
        back.historian.connection.execute("SELECT pg_sleep(60)")
        return real(back, *arguments)

    monkeypatch.setattr(pipeline, "look", look)
    ingest(config, WINDOW)


def read_again(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, make_plan, "make_late_plan")
    slow.database.execute(f"UPDATE {TABLE} SET floatvalue = -1 WHERE t_stamp < {WINDOW.start_ms + 10_000}")
    ingest(config, "2026-10-01")


def summed_up_slowly(slow, monkeypatch, module) -> None:
    def summarise(historian, tables, *others):
        slow.slow_down()
        for table in tables:
            historian.count(table)
        return real(historian, tables, *others)

    real = module.summarise
    monkeypatch.setattr(module, "summarise", summarise)


def checked(slow, config, spark, monkeypatch) -> None:
    summed_up_slowly(slow, monkeypatch, source_check)
    source_check.check_source(config, WINDOW)


def ranges_learnt(slow, config, spark, monkeypatch) -> None:
    summed_up_slowly(slow, monkeypatch, learn_ranges)
    learn_ranges.learn_ranges(config, WINDOW)


def days_missing(slow, config, spark, monkeypatch) -> None:
    def tables(historian, window):
        found = real(historian, window)
        historian.connection.execute("SELECT pg_sleep(8)")
        return found

    real = Historian.partition_tables
    monkeypatch.setattr(Historian, "partition_tables", tables)
    backlog.missing_days(config, WINDOW)


def days_changed(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, backlog, "lookback")
    slow.database.execute(f"UPDATE {TABLE} SET floatvalue = -1 WHERE t_stamp < {WINDOW.start_ms + 10_000}")
    backlog.changed_days(config, "fingerprint")


def repaired(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, repair, "staged_again")
    slow.database.execute(f"UPDATE {TABLE} SET floatvalue = -1 WHERE t_stamp < {WINDOW.start_ms + 10_000}")
    verify.verify(config, WINDOW, repair=True)


def verified(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, row_counts, "pinned")
    verify.verify(config, WINDOW)


def explored_now(slow, config, spark, monkeypatch) -> None:
    before(monkeypatch, slow, explored, "quality_rule")
    explored.read(config, ["a"], WINDOW)


def in_a_frame(slow, config, spark, monkeypatch) -> None:
    frame = read_historian(config, WINDOW, spark=spark)
    slow.slow_down()
    frame.collect()


def in_a_frame_by_jdbc(slow, config, spark, monkeypatch) -> None:
    in_a_frame(slow, config.model_copy(update={"engine": "jdbc"}), spark, monkeypatch)


def in_the_data_source(slow, config, spark, monkeypatch) -> None:
    file = Path(config.local_path).with_suffix(".json")
    values = config.model_dump(mode="json")
    values["db"]["password"] = config.db.password.get_secret_value()
    file.write_text(json.dumps(values))
    spark.dataSource.register(HistorianSource)
    options = {"config": str(file), "start": "2026-09-30", "end": "2026-10-02"}
    slow.slow_down(query="string_agg")  # it is planned in a process of its own
    spark.read.format("historian").options(**options).load().collect()


AS_FRAMES = ("data frame by jdbc", "data source")  # which give way as the data frame does
PHASES: dict[str, Callable] = {
    "plan": planned,
    "extract": extracted,
    "extract by jdbc": extracted_by_jdbc,
    "late look-over": looked_over,
    "read again": read_again,
    "check": checked,
    "verify": verified,
    "explore": explored_now,
    "data frame": in_a_frame,
    "data frame by jdbc": in_a_frame_by_jdbc,
    "data source": in_the_data_source,
}
USUAL = {(phase, request) for phase, request in zip(PHASES, cycle(REQUESTS), strict=False) if phase not in AS_FRAMES}
PHASES |= {
    "missing days": days_missing,
    "changed days": days_changed,
    "repair": repaired,
    "learn ranges": ranges_learnt,
}
HOLDS_NOTHING = ("missing days",)  # of the readings: nobody waits, and it goes on
GRID = [
    pytest.param(phase, request, id=f"{phase}, {request}", marks=[] if (phase, request) in USUAL else pytest.mark.slow)
    for phase in PHASES
    for request in REQUESTS
]


@pytest.mark.parametrize(("phase", "request_"), GRID)
def test_nobody_waits_for_a_run(phase, request_, slow, make_config, spark, monkeypatch):
    config = make_config(dbname=slow.database.name)
    if phase in ("read again", "verify", "changed days", "repair"):
        ingest(config, WINDOW)
    lake = objects(config)
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            with monkeypatch.context() as hooks:
                PHASES[phase](slow, config, spark, hooks)
            ended.append(None)
        except Exception as error:
            ended.append(error)

    with slow.written() as writes:
        runner = Thread(target=run)
        runner.start()
        while runner.is_alive() and not slow.asleep():
            time.sleep(0.05)
        assert runner.is_alive(), f"over before it was asked: {ended}"
        waited = slow.request(REQUESTS[request_])
        runner.join(END_SECONDS)
    assert not runner.is_alive()
    assert max(waited, *writes) < MOST_SECONDS
    (error,) = ended
    what = "the end of a snapshot" if request_ == "index concurrently" else TABLE
    if phase in HOLDS_NOTHING and request_ != "index concurrently":  # which waits for any query that is under way
        assert error is None
    elif not phase.startswith("data"):  # else it is Spark's own, with ours in it
        assert isinstance(error, SourceError), error
    if phase == "data frame by jdbc":
        # Spark tells what its own connections met first: the end, or a lock that is waited for.
        assert re.search("terminating connection|lock timeout|which gave way", str(error))
    elif error:
        assert f"waited for {what} (" in str(error)
        assert "behind this run, which gave way: run again when that is done" in str(error)
    slow.slow_down(0)
    if phase == "read again":  # its own window was published before
        lake = objects(config)
    assert objects(config) == lake
    assert plan(config, WINDOW).tables
    ingest(config.model_copy(update={"allow_loss": request_ == "truncate"}), WINDOW, spark=spark)
    assert len(readings_of(config)) >= ROWS


@pytest.mark.slow
def test_beside_a_run_readings_are_written_and_vacuum_is_done(slow, make_config, monkeypatch):
    config, records = make_config(dbname=slow.database.name), []
    before(monkeypatch, slow, row_counts, "pinned", seconds=0.02)
    runner = Thread(target=lambda: records.append(ingest(config, WINDOW)))
    with slow.written() as writes:
        runner.start()
        while runner.is_alive() and not slow.asleep():
            time.sleep(0.05)
        waited = [slow.request(f"{statement} {TABLE}") for statement in ("VACUUM", "ANALYZE")]
        assert runner.is_alive()
        runner.join()
    assert records[0].rows_written == 2 * ROWS
    assert max(*waited, *writes) < 1 and len(writes) > 20, (waited, max(writes))
