"""Airflow itself, on real servers: a scheduled night, bad nights, and a month of them."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import timedelta

import pytest

from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox import s3 as sandbox_s3
from sensorstream.sandbox.plant import PlantOptions
from sensorstream.sandbox.state import State, locked
from tests.dags.nights import DAILY, night, today

pytestmark = pytest.mark.slow

SMALL = replace(PlantOptions(), tags=12, days=4, rate_seconds=60)


@pytest.fixture(scope="module")
def airflow(sandbox, tmp_path_factory):
    """Airflow with a plant that ends last midnight, so that the schedule finds yesterday's readings."""
    with night(sandbox, tmp_path_factory.mktemp("airflow"), replace(SMALL, end=today())) as running:
        yield running


def stopped(sandbox, server, seconds):
    """Stop one of the sandbox's servers, and start it again."""
    with locked(sandbox.root):
        state = State.load(sandbox.root)
        server.stop(state)
        time.sleep(seconds)
        server.start(sandbox.root, state)
        state.save(sandbox.root)


@pytest.mark.timeout(900)
def test_a_scheduled_run_ends_green_with_yesterday_in_the_lake_as_the_source_has_it(airflow):
    airflow.unpause()
    (run,) = airflow.wait(airflow.runs, 120)
    assert run["run_type"] == "scheduled" and airflow.ends(run["dag_run_id"]) == "success"
    day = today() - timedelta(days=1)
    assert airflow.held(day) == airflow.expected(day) != set()
    assert {task: state for task, (state, _) in airflow.tasks(run["dag_run_id"]).items()} == dict.fromkeys(
        ("configuration", "check_source", "ingest", "check_lake", "report"), "success"
    )
    assert airflow.server.ask("assets?name_pattern=sensor_data_lake")["total_entries"] == 1
    assert airflow.server.ask("assets/events")["total_entries"] == 1


@pytest.mark.timeout(900)
def test_the_task_page_links_to_the_report_which_only_those_see_who_are_logged_in(airflow):
    run_id = airflow.trigger(date=str(today() - timedelta(days=2)), patterns=["^plant1/press/"])
    assert airflow.ends(run_id) == "success"
    (link,) = airflow.server.ask(f"dags/{DAILY}/dagRuns/{run_id}/taskInstances/ingest/links")["extra_links"].values()
    assert link.startswith(airflow.server.address)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(link, headers={"Cookie": f"_token={airflow.server.token()}"})
    with direct.open(request, timeout=30) as page:
        assert b"The run is done" in page.read() and "sandbox" in page.headers["Content-Security-Policy"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        direct.open(link, timeout=30)
    assert refused.value.code == 401
    kept = {path for path, _ in airflow.held(today() - timedelta(days=2))}
    assert kept and all(path.startswith("plant1/press/") for path in kept)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["PostgreSQL is stopped and started", "S3 is away a minute", "the worker is killed"])
def test_a_run_ends_green_although(name, airflow, sandbox):
    airflow.unpause()
    day = today() - timedelta(days=3)
    run_id = airflow.trigger(date=str(day))
    kernel = airflow.reaches(run_id, "ingest")
    if name.startswith("PostgreSQL"):
        stopped(sandbox, sandbox_postgres, 10)
    elif name.startswith("S3"):
        stopped(sandbox, sandbox_s3, 60)
    else:
        task = kernel.parent()
        assert task is not None
        task.kill()
    assert airflow.ends(run_id) == "success"
    tries = airflow.tasks(run_id)
    assert tries["ingest"][1] > 1 or name.startswith("S3"), "the retry alone redid its part"
    assert tries["check_source"][1] == 1
    assert airflow.held(day) == airflow.expected(day) != set()


@pytest.mark.timeout(600)
def test_a_failing_expectation_ends_red_without_a_retry_and_is_told(airflow):
    airflow.unpause()
    told = len(airflow.posts)
    run_id = airflow.trigger(start=f"{today()}T00:00", end=f"{today()}T00:01")  # the plant ended before
    assert airflow.ends(run_id) == "failed"
    tasks = airflow.tasks(run_id)
    assert tasks["check_source"] == ("failed", 1) and tasks["ingest"][0] == tasks["check_lake"][0] == "upstream_failed"
    (post,) = airflow.posts[told:]
    assert "at least one reading" in post["reason"] and post["report"].startswith(airflow.server.address)


@pytest.mark.timeout(300)
def test_nothing_that_airflow_keeps_holds_a_password(airflow, sandbox):
    secrets = [sandbox.reader_password, sandbox.owner_password, sandbox.secret_key]
    every = [path for path in airflow.server.home.rglob("*") if path.is_file()]
    names = {path.name for path in every}
    assert "airflow.db" in names and "ingest.ipynb" in names and "attempt=1.log" in names
    assert not [path for path in every for secret in secrets if secret.encode() in path.read_bytes()]


@pytest.mark.timeout(900)
def test_a_run_that_is_not_done_at_its_deadline_is_told_of(sandbox, tmp_path):
    with night(sandbox, tmp_path, replace(SMALL, end=today(), days=2), SENSORSTREAM_DEADLINE_HOURS="0.001") as running:
        running.unpause()
        late = running.wait(lambda: [post for post in running.posts if "is late" in post["text"]], 300)
        assert late[0]["dag"] == DAILY and late[0]["report"].startswith(running.server.address)


@pytest.mark.timeout(7200)
def test_a_backfill_of_a_month_leaves_every_day_of_it(sandbox, tmp_path):
    options = replace(PlantOptions(), tags=4, days=31, rate_seconds=600)  # October
    with night(sandbox, tmp_path, replace(options, end=options.end.replace(day=1))) as running:
        # On SQLite a command cannot write so much while the scheduler does; on another database it could.
        running.server.stop(["scheduler"])
        running.server.command(
            "backfill", "create", "--dag-id", DAILY, "--from-date", "2026-10-01", "--to-date", "2026-10-31T23:00",
            "--max-active-runs", "1", "--reprocess-behavior", "failed",
        )  # fmt: skip
        running.server.start(["scheduler"])
        running.unpause()

        def backfilled():
            runs = [run for run in running.runs() if run["run_type"] == "backfill"]
            assert sum(run["state"] == "running" for run in runs) <= 1
            return len(runs) == 31 and all(run["state"] in ("success", "failed") for run in runs) and runs

        assert {run["state"] for run in running.wait(backfilled, 7000)} == {"success"}
        for day in range(31):
            moment = options.end.replace(month=10, day=1) + timedelta(days=day)
            assert running.held(moment) == running.expected(moment) != set()
