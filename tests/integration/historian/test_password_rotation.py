"""Rotation of the historian's credentials: PostgreSQL's own roles, and Secrets Manager as moto plays it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import boto3
import pytest
from psycopg import sql

from sensorstream.config.credentials import asked_again, login
from sensorstream.config.settings import Config
from sensorstream.errors import ConfigError, SecretsAway, SourceError
from sensorstream.historian import connect
from sensorstream.historian.password_rotation import Rotating, SecretVersions, rotate
from sensorstream.pipeline.ingest import ingest
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox.state import State

STEPS = ("create", "set", "test", "finish")
numbers = count(1)


@pytest.fixture
def rotated(sandbox, make_config, plant) -> Iterator[Callable[..., Config]]:
    """``rotated(**keys)``: a configuration whose login is rotated, by an administrator who can do no more than that."""
    made: list[str] = []
    client = boto3.client("secretsmanager")
    state = State.load(sandbox.root)

    def make(**keys: object) -> Config:
        number = next(numbers)
        group, admin, first = f"group_{number}", f"admin_{number}", f"first_{number}"
        roles = [f"turn_{number}_a", f"turn_{number}_b"]
        made.extend([*roles, first, admin, group])
        with sandbox_postgres._admin(state, "historian") as server:
            for words in (
                "CREATE ROLE {group} NOLOGIN",
                "CREATE ROLE {admin} LOGIN CREATEROLE PASSWORD 'admin-s3cr3t'",
                "GRANT {group} TO {admin} WITH ADMIN OPTION, INHERIT FALSE",
                "CREATE ROLE {first} LOGIN PASSWORD 'first-s3cr3t' IN ROLE {group}",
                "GRANT CONNECT ON DATABASE historian TO {group}, {admin}",
                "GRANT USAGE ON SCHEMA public TO {group}",
                "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {group}",
            ):
                names = {"group": group, "admin": admin, "first": first}
                server.execute(sql.SQL(words).format(**{key: sql.Identifier(name) for key, name in names.items()}))
        for name, role, password in (("reader", first, "first-s3cr3t"), ("admin", admin, "admin-s3cr3t")):
            client.create_secret(
                Name=f"{name}_{number}", SecretString=json.dumps({"username": role, "password": password})
            )
        rotation = {"admin_secret_id": f"admin_{number}", "group": group, "roles": roles}
        place = {"host": sandbox.host, "port": sandbox.port}
        return make_config(
            db=place, db_secret_id=f"reader_{number}", db_rotation=rotation, s3_region="us-east-1", **keys
        )

    yield make
    with sandbox_postgres._admin(state, "historian") as server:
        for role in made:
            name = sql.Identifier(role)
            if server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                server.execute(sql.SQL("DROP OWNED BY {}").format(name))
                server.execute(sql.SQL("DROP ROLE {}").format(name))


def reads(config: Config) -> str:
    """Log in and read; the role that did."""
    with connect(login(config)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlth_te").fetchone()
        return str(connection.execute("SELECT current_user").fetchone()[0])


def versions(config: Config) -> dict[str, str]:
    return SecretVersions(str(config.db_secret_id), config.aws).versions()


def test_two_roles_take_turns_and_the_one_before_keeps_its_login(rotated):
    config = rotated()
    one, two = config.db_rotation.roles
    first = login(config)
    seen = []
    for _ in range(3):
        before = login(config)
        rotate(config)
        seen.append(reads(config))
        connect(before).close()
        assert set(versions(config)) == {"AWSCURRENT", "AWSPREVIOUS"}
    assert seen == [one, two, one]
    assert connect(first).info.user == first.user  # no role of the two: nobody changes its password


def test_a_login_that_was_read_two_rotations_ago_is_asked_for_again(rotated):
    config = rotated()
    rotate(config)
    old = login(config)
    rotate(config)
    rotate(config)
    with connect(old) as connection:
        assert (
            connection.info.user == old.user and connection.info.password == asked_again(old).password != old.password
        )


DIES = """
import os, signal, sys
from sensorstream.config.sources import load
from sensorstream.historian import password_rotation as rotation
def dies(after):
    def wrapped(*words, **named):
        found = after(*words, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return found
    return wrapped
owner, name = getattr(rotation, sys.argv[2]), sys.argv[3]
setattr(owner, name, dies(getattr(owner, name)))
rotation.rotate(load(sys.argv[1]))
"""
# Killed right after the step's work is done, and in the middle of finish: after AWSCURRENT has moved.
PLACES = [("Rotating", step) for step in STEPS[:3]] + [("SecretVersions", "move"), ("Rotating", "finish")]


@pytest.mark.parametrize(
    ("owner", "name"),
    [pytest.param(*place, id=".".join(place), marks=[] if place[1] == "set" else pytest.mark.slow) for place in PLACES],
)
def test_a_rotation_that_is_killed_is_finished_by_the_next(owner, name, rotated, tmp_path):
    config = rotated()
    rotate(config)
    before = reads(config)
    file = tmp_path / "config.json"
    values = config.model_dump(mode="json", exclude_defaults=True)
    file.write_text(json.dumps(values))
    killed = subprocess.run([sys.executable, "-c", DIES, str(file), owner, name], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = versions(config)
    done = left["AWSCURRENT"] if "finish" in name else left["AWSPENDING"]
    reads(config)  # whatever it died of, there is a login
    again = rotate(config)
    assert (again.version == done) == (name != "finish")
    assert set(versions(config)) == {"AWSCURRENT", "AWSPREVIOUS"}
    assert (reads(config) != before) == (name != "finish")


def test_a_step_that_is_repeated_changes_nothing(rotated):
    config = rotated()
    rotating = Rotating(config)
    for step in STEPS[:3]:
        done = getattr(rotating, step)()
        value = rotating.store.value("AWSPENDING")
        assert getattr(rotating, step)() == done and rotating.store.value("AWSPENDING") == value
    rotating.finish()
    assert reads(config) == done.role


def test_a_new_login_that_may_not_read_is_not_taken_into_use(rotated, sandbox):
    config = rotated()
    rotating = Rotating(config)
    rotating.create()
    role = rotating.set().role
    with sandbox_postgres._admin(State.load(sandbox.root)) as server:
        group, owner = sql.Identifier(config.db_rotation.group), sql.Identifier(rotating.administrator.user)
        server.execute(sql.SQL("REVOKE {} FROM {} GRANTED BY {}").format(group, sql.Identifier(role), owner))
    with pytest.raises(SourceError, match="CONNECT privilege"):
        rotating.test()
    assert reads(config) == "first_" + role.split("_")[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_login_fails_while_it_rotates_twenty_times_under_ingests(rotated, plant):
    config = rotated(sensor_patterns=["^plant1/press/"])
    over = threading.Event()
    counts = {"logins": 0, "ingests": 0}

    def log_in() -> None:
        while not over.is_set():
            reads(config)
            counts["logins"] += 1

    def move() -> None:
        while not over.is_set():
            ingest(config, plant.window)
            counts["ingests"] += 1

    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(log_in), pool.submit(move)]
        roles = []
        try:
            for _ in range(20):
                roles.append(rotate(config).role)
                time.sleep(0.3)
            until = time.monotonic() + 120
            while counts["ingests"] < 2 and not any(part.done() for part in work) and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            over.set()
        for part in work:
            part.result()
    assert roles == list(config.db_rotation.roles) * 10
    assert counts["logins"] > 20 and counts["ingests"] >= 2


def test_no_password_is_in_what_postgresql_logs_or_what_a_failure_says(rotated, sandbox):
    config = rotated()
    rotate(config)
    password = login(config).password
    assert password and password not in (sandbox.root / "postgres.log").read_text()
    wrong = config.model_copy(
        update={"db_rotation": config.db_rotation.model_copy(update={"admin_secret_id": "nothing"})}
    )
    with pytest.raises(Exception, match='"nothing" cannot be used') as failure:
        rotate(wrong)
    assert password not in str(failure.value)


def test_secrets_manager_that_does_not_answer_is_worth_another_try_and_one_that_refuses_is_not(rotated, monkeypatch):
    config = rotated()
    missing = config.model_copy(update={"db_secret_id": "nothing"})
    with pytest.raises(ConfigError) as refused:
        login(missing)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(SecretsAway) as away:
        login(config)
    assert away.value.retry_helps and not refused.value.retry_helps
