"""What a run may do to others: statements, calls of S3, passwords, permissions, open ports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request, urlopen

import boto3
import psutil
import psycopg
import pytest
from psycopg import sql

from sensorstream.checks.check_lake import check_lake
from sensorstream.checks.check_source import check_source
from sensorstream.cli.airflow_server import Server, airflow_environment
from sensorstream.cli.local_servers import lab_command, lab_environment
from sensorstream.config.aws import Aws
from sensorstream.errors import LakeError
from sensorstream.exploration import view
from sensorstream.lake.stores import bucket, open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.preview import plan
from sensorstream.publishing.compaction import compact
from sensorstream.sandbox import postgres as sandbox_postgres
from sensorstream.sandbox import spark as sandbox_spark
from sensorstream.sandbox import up
from sensorstream.sandbox.processes import free_port, wait_until
from sensorstream.sandbox.state import State, locked
from sensorstream.spark.java import java_home
from sensorstream.spark.jdbc_driver import find_driver
from sensorstream.verification.verify import verify
from tests.configs import file_of
from tests.faults import proxy as s3_proxy
from tests.faults.proxy import Answer, Kind, Proxy
from tests.historians import DAY, T0, add, small_historian
from tests.oracle import Row

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
HARMLESS = re.compile(
    r"(SELECT|WITH|SET|SHOW|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|DECLARE|FETCH|CLOSE|EXPLAIN)\b"
    r"|COPY \(.*TO STDOUT",
    re.S,
)
CHANGES = re.compile(r"\b(INSERT INTO|UPDATE .* SET|DELETE FROM|MERGE INTO|CREATE|DROP|ALTER|TRUNCATE|GRANT|CALL)\b")
HOLDS = re.compile(
    r"\b(lo_\w+|nextval|setval|pg_advisory_\w+|pg_(terminate|cancel)_backend|dblink\w*)\(|FOR (UPDATE|SHARE)"
)
LATER = 5 * 3_600_000


@pytest.fixture
def historian(database):
    rows = [Row(number, T0 + minute * 60_000, float(minute)) for number in (1, 2) for minute in range(120)]
    small_historian(database, rows, {1: "press/pressure", 2: "oven/é temperature"})
    return database


def every_command(config, historian) -> None:
    """Plan, ingest, late readings, checks, verify, explore, compact."""
    plan(config, DAY)
    ingest(config, DAY)
    with psycopg.connect(historian.owner) as connection:
        add(connection, [Row(1, T0 + LATER, 7.0)])
    ingest(config, DAY)
    check_source(config, DAY)
    check_lake(config, DAY)
    assert verify(config, DAY).success
    reader = view.Reader(config)
    reader.look(["press/pressure"], DAY, source="historian")
    compact(config)


@pytest.fixture
def statements(sandbox, historian) -> Iterator[Callable[[], list[str]]]:
    """What PostgreSQL has heard of the reader since, by its own log."""
    log, state = sandbox.root / "postgres.log", State.load(sandbox.root)
    before = log.stat().st_size
    setting = "ALTER ROLE reader IN DATABASE {} {}"
    with sandbox_postgres._admin(state) as admin:
        admin.execute(sql.SQL(setting).format(sql.Identifier(historian.name), sql.SQL("SET log_statement = 'all'")))

    def heard() -> list[str]:
        with log.open(errors="replace") as file:
            file.seek(before)
            entries = re.split(r"^(?=\d{4}-\d\d-\d\d )", file.read(), flags=re.M)
        logged = (re.search(r"LOG:  (?:statement|execute [^:]*): (.*)", entry, re.S) for entry in entries)
        return [found[1].strip() for found in logged if found]

    yield heard


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_the_historian_is_asked_and_told_nothing(engine, historian, statements, make_config):
    every_command(make_config(dbname=historian.name, engine=engine), historian)
    heard = [re.sub("'[^']*'", "''", statement) for statement in statements()]
    assert sum("COPY" in each or "sqlt_data" in each for each in heard) > 5
    assert not [
        each for each in heard if not HARMLESS.match(each.upper()) or CHANGES.search(each) or HOLDS.search(each)
    ]


@pytest.fixture
def calls(monkeypatch, sandbox) -> Iterator[tuple[Proxy, set[tuple[str, str]]]]:
    """A proxy, and what went through it: action by its name in a policy, key or prefix."""
    made: set[tuple[str, str]] = set()

    class Recording(s3_proxy._Handler):
        def _hand_on(self, body: bytes, *arguments, **words):
            made.update(actions(self.command, self.path, self.headers, body))
            return super()._hand_on(body, *arguments, **words)

    monkeypatch.setattr(s3_proxy, "_Handler", Recording)
    with Proxy(sandbox.s3_endpoint) as proxy:
        yield proxy, made


def actions(command: str, path: str, headers, body: bytes) -> Iterator[tuple[str, str]]:
    """What AWS asks of a role before it answers a request. Pure."""
    parts = urlsplit(path)
    query, key = parse_qs(parts.query, keep_blank_values=True), unquote(parts.path).strip("/").partition("/")[2]
    if "delete" in query:
        yield from (("s3:DeleteObject", found) for found in re.findall(r"<Key>(.*?)</Key>", body.decode()))
    elif not key:
        yield "s3:ListBucket", query.get("prefix", [""])[0]
    elif "x-amz-copy-source" in headers:
        yield "s3:PutObject", key
        yield "s3:GetObject", unquote(headers["x-amz-copy-source"]).strip("/").partition("/")[2]
    elif command == "DELETE":
        yield ("s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"), key
    else:
        yield {"GET": "s3:GetObject", "HEAD": "s3:GetObject"}.get(command, "s3:PutObject"), key


def test_the_policy_of_the_documentation_allows_what_is_done_and_no_more(historian, calls, make_config, monkeypatch):
    (policy,) = re.findall(r"\n( *\{\"Version\".*?\]\})\n", DOCUMENT.read_text(), re.S)
    allowed = {}
    for statement in json.loads(policy)["Statement"]:
        for name in [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]:
            prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
            allowed[name] = prefixes or [statement["Resource"].partition("/")[2]]
    (proxy, made), client = calls, boto3.client("secretsmanager")
    asked: list[str] = []
    login = {"username": "reader", "password": make_config().db.password.get_secret_value()}
    secret = client.create_secret(Name="sensorstream/historian", SecretString=json.dumps(login))["Name"]
    kept = Aws.client
    monkeypatch.setattr(Aws, "client", lambda *words: recorded(kept(*words), asked))
    try:
        config = make_config(
            dbname=historian.name,
            lake="s3",
            s3_directory="sensor_data/",
            s3_endpoint_url=proxy.url,
            db_secret_id=secret,
        )
        config = config.model_copy(update={"db": config.db.model_copy(update={"password": None})})
        every_command(config, historian)
        monkeypatch.setattr(bucket, "MULTIPART_BYTES", 1 << 20)
        store = open_store(config.model_copy(update={"s3_patience_seconds": 1.0}))
        store.put("readings/large", bytes(12 << 20))
        proxy.fail(Kind.PUT, Answer(403, "AccessDenied"), skip=1)
        with pytest.raises(LakeError):
            store.put("readings/large", bytes(12 << 20))
        store.delete(["readings/large"])
    finally:
        client.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    made |= {(f"secretsmanager:{name}", "") for name in asked}
    assert {name for name, _ in made} == set(allowed)
    assert not [(name, what) for name, what in made if what and not any(fnmatch(what, p) for p in allowed[name])]


def recorded(client, asked: list[str]):
    """A client of AWS that notes what it asks for."""
    client.meta.events.register("before-call", lambda model, **_: asked.append(model.name))
    return client


# While a command runs, and in all that it leaves


def watched(
    command: list[str], folder: Path, look: Callable[[psutil.Process], None]
) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder``, its home and temporary directory too; ``look`` at it and its children meanwhile."""
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    environ = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "XDG_CACHE_HOME": str(folder / "home")}
    if jar := find_driver(None):
        environ["SENSORSTREAM_JDBC_JAR"] = str(jar)
    with (folder / "out").open("w") as out:
        ran = subprocess.Popen(
            [sys.executable, "-P", "-m", "sensorstream", *command],
            cwd=folder, env=os.environ | environ, stdout=out, stderr=out,
        )  # fmt: skip
        me, end = psutil.Process(ran.pid), time.monotonic() + 300
        while ran.poll() is None and time.monotonic() < end:
            with suppress(psutil.Error):
                for process in [me, *me.children(recursive=True)]:
                    with suppress(psutil.Error):
                        look(process)
            time.sleep(0.05)
    ran.kill()
    assert ran.returncode == 0, (folder / "out").read_text()


def files_below(folder: Path) -> list[Path]:
    """Also while others remove some."""
    return [Path(place, name) for place, _, names in os.walk(folder) for name in names]


def open_to_others(folder: Path) -> list[Path]:
    """Files below that another user can get at."""
    found = []
    for path in files_below(folder):
        with suppress(OSError):  # gone meanwhile
            ways = [part for part in path.parents if part.is_relative_to(folder)]
            if path.is_file() and path.stat().st_mode & 0o004 and all(part.stat().st_mode & 0o001 for part in ways):
                found.append(path)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("run", {}),
        ("ingest", {"spark_master": "local[2]", "spark_conf": {"spark.my.secret": "s3cr3t-of-spark"}}),
        ("ingest", {"spark_master": "local[2]", "engine": "jdbc", "spark_conf": {"spark.ui.enabled": "true"}}),
    ],
)
def test_no_password_is_in_processes_or_files_and_nothing_waits_where_others_read_or_listens_to_them(
    command, keys, plant, make_config, tmp_path
):
    events = tmp_path / "events"
    events.mkdir()
    logging = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{events}"} if keys else {}
    keys = keys | {"spark_conf": keys.get("spark_conf", {}) | logging}
    config = make_config(lake="s3", reports_path=str(tmp_path / "reports"), **keys)
    password = config.db.password.get_secret_value()
    secrets = [password, "s3cr3t-of-spark"]
    seen: set[int] = set()
    bad: set[str] = set()

    def look(process: psutil.Process) -> None:
        seen.add(process.pid)
        told = " ".join([*process.cmdline(), *process.environ().values()])
        bad.update(f"in the arguments or the environment of {process.name()}" for s in secrets if s in told)
        bad.update(f"{path} is open" for path in open_to_others(tmp_path / "tmp"))
        for found in process.net_connections("inet"):
            if found.status == psutil.CONN_LISTEN and not on_loopback(found):
                bad.add(f"{process.name()} listens on {found.laddr}")

    path = file_of(config, tmp_path)
    (tmp_path / "given").mkdir()
    path = path.rename(tmp_path / "given" / "config.json")
    watched([command, "--config", str(path), "--date", plant.date], tmp_path, look)
    assert len(seen) > 1 and not bad

    def waits() -> list[Path]:
        return [path for path in files_below(tmp_path / "tmp") if "hsperfdata" not in str(path)]

    assert wait_until(lambda: not waits() and not list(events.rglob("*.inprogress")), 20), waits()  # Java goes last
    left = [path for path in tmp_path.rglob("*") if path.is_file() and "given" not in path.parts]
    assert len(left) > 1
    assert not [path for path in left for secret in secrets if secret.encode() in path.read_bytes()]


@pytest.mark.slow
def test_what_a_run_writes_follows_the_umask(plant, make_config, tmp_path):
    config = make_config(spark_master="local[2]", reports_path=str(tmp_path / "reports"))
    path, before = file_of(config, tmp_path), os.umask(0o077)
    try:
        watched(["run", "--config", str(path), "--date", plant.date], tmp_path, lambda _: None)
    finally:
        os.umask(before)
    written = [file for part in ("reports", "home", config.local_path) for file in (tmp_path / part).rglob("*")]
    assert len(written) > 20
    of_ipython = Path("profile_default", "startup", "README")  # copied with the permissions of the package's
    ours = [file for file in written if not file.is_symlink() and not str(file).endswith(str(of_ipython))]
    assert not [file for file in ours if file.stat().st_mode & 0o077]


# Who listens


def on_loopback(connection) -> bool:
    return connection.laddr.ip.removeprefix("::ffff:") in ("127.0.0.1", "::1")


def listening(pids: list[int]) -> list:
    """Every socket that processes and their children have for whoever comes."""
    found = []
    for pid in pids:
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            with suppress(psutil.Error):
                sockets = process.net_connections("inet")
                found += [
                    each for each in sockets if each.status == psutil.CONN_LISTEN or (each.laddr and not each.raddr)
                ]
    return found


def test_the_sandbox_listens_on_the_loopback_alone(sandbox):
    state = State.load(sandbox.root)
    sockets = listening([server.process.pid for server in (state.postgres, state.s3, state.secrets)])
    ports = {state.postgres.ports["sql"], *state.s3.ports.values(), state.secrets.ports["http"]}
    assert {found.laddr.port for found in sockets} >= ports - {state.s3.ports["admin"]}
    assert not [found for found in sockets if not on_loopback(found)]


@pytest.mark.slow
def test_a_cluster_of_the_sandbox_listens_on_the_loopback_alone(sandbox):
    try:
        up(sandbox.root, java=java_home())
        sockets = listening([server.process.pid for server in State.load(sandbox.root).spark.values()])
        assert len(sockets) >= 6 and not [found for found in sockets if not on_loopback(found)]
    finally:
        with locked(sandbox.root):
            state = State.load(sandbox.root)
            sandbox_spark.stop(state)
            state.save(sandbox.root)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.slow
def test_jupyterlab_and_its_kernels_listen_on_the_loopback_alone(sandbox, plant, tmp_path, short, monkeypatch):
    port, token = free_port(), "t0k3n"
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(short))
    environ = os.environ | lab_environment(tmp_path / "jupyter", plant.config_path)
    command = [*lab_command(), "--no-browser", f"--port={port}", f"--IdentityProvider.token={token}"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:

        def ask(path: str, **words):
            asked = Request(f"http://127.0.0.1:{port}/api/{path}", headers={"Authorization": f"token {token}"}, **words)
            with urlopen(asked, timeout=30) as answer:
                return json.load(answer)

        def ready() -> bool:
            with suppress(OSError):
                return bool(ask("status"))
            return False

        assert wait_until(ready, 60), (tmp_path / "log").read_text()
        ask("kernels", data=b"{}", method="POST")
        assert wait_until(lambda: ask("kernels")[0]["execution_state"] in ("idle", "starting"), 30)
        time.sleep(3)
        sockets = listening([server.pid])
        assert port in {found.laddr.port for found in sockets} and not [s for s in sockets if not on_loopback(s)]
        assert len([found for found in sockets if found.status == psutil.CONN_LISTEN]) <= 2  # not five of a kernel
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.slow
def test_airflow_listens_on_the_loopback_alone(sandbox, plant, tmp_path):
    port = free_port()
    server = Server(tmp_path, port, os.environ | airflow_environment(tmp_path, plant.config_path, port))
    try:
        server.prepare()
        server.start()
        sockets = listening([process.pid for process in server.processes.values()])
        assert port in {found.laddr.port for found in sockets} and not [s for s in sockets if not on_loopback(s)]
    finally:
        server.stop()
