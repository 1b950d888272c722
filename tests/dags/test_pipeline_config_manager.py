"""The weekly DAG in a real Airflow, against a configuration service, PostgreSQL's own roles and Secrets Manager."""

from __future__ import annotations

import json
import sqlite3

import boto3
import pytest

from sensorstream.config.credentials import login
from sensorstream.config.sources import load
from sensorstream.historian import connect
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox.state import State
from tests.dags.airflow_home import Home, said
from tests.dags.listeners import http_server

DAG = "pipeline_config_manager"
GOOD, BAD = ["^plant1/"], ["^plant1/", "a("]


@pytest.fixture
def weekly(home, plant, sandbox):
    """A configuration whose patterns and login are looked after, and the answers of its service."""
    client = boto3.client("secretsmanager")
    with sandbox_postgres._admin(State.load(sandbox.root), "historian") as server:
        server.execute("CREATE ROLE weekly_group NOLOGIN")
        server.execute("GRANT CONNECT ON DATABASE historian TO weekly_group")
        server.execute("GRANT weekly_group TO reader")
    admin = {"username": sandbox_postgres.ADMIN, "password": State.load(sandbox.root).admin_password}
    reader = {"username": sandbox.reader, "password": sandbox.reader_password}
    for name, secret in (("weekly_admin", admin), ("weekly_reader", reader)):
        client.create_secret(Name=name, SecretString=json.dumps(secret))
    answers: dict[str, object] = {}
    with http_server(answers) as (url, _):
        values = json.loads(home.config_path.read_text()) | {
            "db_secret_id": "weekly_reader",
            "db_rotation": {"admin_secret_id": "weekly_admin", "group": "weekly_group", "roles": ["week_a", "week_b"]},
            "patterns_url": f"{url}/patterns",
        }
        values["db"] = {key: value for key, value in values["db"].items() if key != "password"}
        path = home.folder / "weekly.json"
        path.write_text(json.dumps(values))
        yield Home(home.folder, {"SENSORSTREAM_CONFIG": str(path), "SENSORSTREAM_RETRY_SECONDS": "0.1"}), answers


def test_good_patterns_are_taken_bad_ones_are_not_and_the_login_changes_each_week(weekly):
    home, answers = weekly
    config = load(home.more["SENSORSTREAM_CONFIG"])
    seen, passwords = [], []
    for offer, ends in ((GOOD, "success"), (BAD, "failed")):
        answers["/patterns"] = {"sensor_patterns": offer}
        ran = home.airflow("dags", "test", DAG)
        assert f"state={ends}" in said(ran), said(ran)[-5000:]
        with connect(login(config)) as connection:
            seen.append(connection.info.user)
            passwords.append(connection.info.password)
        assert not [password for password in passwords if password in said(ran)]
    assert 'pattern "a(" is not a PostgreSQL regular expression' in said(ran)
    assert json.loads(home.airflow("variables", "get", "SENSOR_PATTERNS").stdout) == GOOD
    with sqlite3.connect(home.folder / "airflow.db") as database:
        ((note,),) = database.execute("SELECT description FROM variable WHERE key = 'SENSOR_PATTERNS'")
    assert "+ ^plant1/" in note and "- .*" in note
    assert seen == ["week_a", "week_b"] and len(set(passwords)) == 2
    assert not [path for password in passwords for path in home.holding(password)]
