"""A historian that goes away, stands still or changes over during a run: one sentence, and the next run is whole."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Timer

import psutil
import pytest

from sensorstream.errors import SourceError
from sensorstream.pipeline.ingest import ingest
from sensorstream.planning import row_counts
from sensorstream.sandbox.processes import wait_until
from sensorstream.verification.verify import verify
from tests.historians import DAY as SMALL_DAY
from tests.historians import T0, small_historian
from tests.integration.historian.test_standby import DAY, Pair, pair  # noqa: F401
from tests.oracle import Row

# A little pause lets whoever reads find its connection gone.
PAUSE_SECONDS = 0.5


def restart(pair: Pair) -> None:  # noqa: F811
    pair.stop("primary")
    pair.start("primary")


def kill_a_backend(pair: Pair) -> None:  # noqa: F811
    """As the kernel does that is out of memory: PostgreSQL ends every connection then."""
    ours = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'sensorstream%'"
    os.kill(pair.execute("primary", ours)[0][0], signal.SIGKILL)
    time.sleep(PAUSE_SECONDS)
    assert wait_until(lambda: pair.answers("primary"), 30)


def shut_down(pair: Pair) -> None:  # noqa: F811
    pair.stop("primary")


FAULTS: dict[str, tuple[Callable[[Pair], None], str]] = {
    "restart": (restart, "the connection was lost"),
    "a backend out of memory": (kill_a_backend, "the connection was lost"),
    "gone": (shut_down, "the connection was lost|cannot be reached: is the server running"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_ends_its_connections_is_named_and_the_next_run_is_whole(
    fault,
    pair,  # noqa: F811
    make_config,
    monkeypatch,
):
    config = pair.config(make_config, "primary")
    do, says = FAULTS[fault]
    with monkeypatch.context() as hooks:
        after_planning(hooks, lambda: do(pair))
        with pytest.raises(SourceError, match=says):
            ingest(config, DAY)
    if not pair.answers("primary"):
        with pytest.raises(SourceError, match="cannot be reached: is the server running"):
            ingest(config, DAY)
        pair.start("primary")
    assert ingest(config, DAY).rows_written
    verify(config, DAY).raise_if_different()


def test_a_server_that_stands_still_for_a_while_is_waited_for(pair, make_config, monkeypatch):  # noqa: F811
    config = pair.config(make_config, "primary")
    server = psutil.Process(pair.servers["primary"][0].pid)

    def all_of_it(do: Callable[[psutil.Process], None]) -> None:
        for process in [server, *server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # a backend that ends meanwhile
                do(process)

    def freeze() -> None:
        all_of_it(psutil.Process.suspend)
        Timer(2, all_of_it, [psutil.Process.resume]).start()

    after_planning(monkeypatch, freeze)
    began = time.monotonic()
    assert ingest(config, DAY).rows_written and time.monotonic() - began > 2
    verify(config, DAY).raise_if_different()


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("53400", "raise temp_file_limit of the role"), ("53200", "is short of memory"), ("53100", "own disk is full")],
)
def test_what_the_server_has_no_room_for_is_named(code, remedy, database, make_config):
    small_historian(database, [Row(1, T0, 1.0)], {1: "a"})
    database.execute(
        "CREATE FUNCTION room() RETURNS bool LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{code}'; END $$"
    )
    database.execute("ALTER TABLE sqlt_data_1_2026_10 RENAME TO behind")
    database.execute("CREATE VIEW sqlt_data_1_2026_10 AS SELECT * FROM behind WHERE room()")
    with pytest.raises(SourceError, match=f"no room: .*{remedy}"):
        ingest(make_config(dbname=database.name), SMALL_DAY)


@pytest.mark.slow
def test_after_a_failover_the_standby_is_read(pair, make_config, monkeypatch):  # noqa: F811
    lake = pair.config(make_config, "primary")
    assert wait_until(pair.caught_up, 20)

    def fail_over() -> None:
        pair.stop("primary")
        pair.execute("standby", "SELECT pg_promote()")

    with monkeypatch.context() as hooks:
        after_planning(hooks, fail_over)
        with pytest.raises(SourceError, match=r"the connection was lost|cannot be reached"):
            ingest(lake, DAY)
    there = {"port": pair.servers["standby"][1]}
    after = lake.model_copy(update={"db": lake.db.model_copy(update=there)})
    assert ingest(after, DAY).rows_written
    verify(after, DAY).raise_if_different()


def after_planning(monkeypatch, do: Callable[[], None]) -> None:
    """Do something when the plan is made and the snapshot is held, once."""
    real, left = row_counts.pinned, [do]

    def pinned(*arguments, **words):
        found = real(*arguments, **words)
        while left:
            left.pop()()
        return found

    monkeypatch.setattr(row_counts, "pinned", pinned)
