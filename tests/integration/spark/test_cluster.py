"""Runs on a Spark cluster whose workers have the libraries and not this package."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest

from sensorstream.config.settings import Config
from sensorstream.lake.keys import READINGS
from sensorstream.lake.stores import open_store
from sensorstream.pipeline.ingest import ingest
from sensorstream.pipeline.run_record import RunRecord
from sensorstream.sandbox import spark as sandbox_spark
from sensorstream.sandbox import up
from sensorstream.sandbox.processes import free_port, wait_until
from sensorstream.sandbox.state import State, locked
from sensorstream.spark.java import java_home
from sensorstream.spark.libraries import pack
from sensorstream.spark.package import Guarded, archive
from tests.configs import file_of
from tests.lakes import as_committed, assert_whole
from tests.oracle import objects, without_marks

RUN_SECONDS = 300
HERE = Path(__file__).parents[3]


@dataclass
class Cluster:
    """The sandbox's cluster, and ways to run something on it."""

    root: Path
    folder: Path

    @property
    def state(self) -> State:
        return State.load(self.root)

    @property
    def python(self) -> Path:
        return self.root / "spark" / "python" / "bin" / "python3"

    def start(
        self, config: Config, plant, *, command: str = "ingest", submit: bool = False, before: str = ""
    ) -> subprocess.Popen:
        """That command over the plant's window as a process group of its own, or spark-submit of it."""
        path = file_of(config, self.folder)
        window = ["--start", plant.window.start.isoformat(), "--end", plant.window.end.isoformat()]
        words = [command, "--config-source", "file", "--config-path", str(path), *window]
        words += ["--json"] if command == "ingest" else []
        program = [sys.executable, "-c", f"{before}\nfrom sensorstream.cli.main import main; main()"]
        # Spark in this process may have named its Python.
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYSPARK_")}
        if submit:
            program = [f"{Path(sys.executable).parent}/spark-submit", "--master", str(self.state.spark_master)]
            program += ["--conf", "spark.driver.host=127.0.0.1", str(HERE / "sensorstream" / "submit.py")]
            environ |= {
                "JAVA_HOME": str(java_home()),
                "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
                "SPARK_LOCAL_IP": "127.0.0.1",
            }
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*program, *words], start_new_session=True, text=True, env=environ, **pipes)

    def run(self, config: Config, plant, *, submit: bool = False) -> dict:
        """The record of such a run, which ends well."""
        run = self.start(config, plant, submit=submit)
        out, err = run.communicate(timeout=RUN_SECONDS)
        assert run.returncode == 0, err
        return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def started(sandbox) -> Iterator[Path]:
    up(sandbox.root, java=java_home())
    yield sandbox.root
    with locked(sandbox.root):
        state = State.load(sandbox.root)
        sandbox_spark.stop(state)
        state.save(sandbox.root)


@pytest.fixture
def cluster(started, tmp_path) -> Cluster:
    up(started, java=java_home())  # a test may have killed a part of it
    return Cluster(started, tmp_path)


@pytest.fixture
def on_cluster(cluster, make_config) -> Callable[..., Config]:
    def make(**keys: object) -> Config:
        return make_config(**{"lake": "s3", "spark_master": cluster.state.spark_master} | keys)

    return make


@pytest.fixture(scope="module")
def wanted(plant, sandbox, tmp_path_factory) -> dict[str, bytes]:
    """The lake that this machine leaves."""
    from sensorstream.config.sources import load

    folder = str(tmp_path_factory.mktemp("here"))
    lake = {"bucket_name": None, "s3_endpoint_url": None, "local_path": folder, "tag_details": None}
    config = load(plant.config_path).model_copy(update=lake)
    assert ingest(config, plant.window).ran_on == "this machine"
    return without_marks(objects(config))


@dataclass
class Seen:
    """Where a password was found while a run went on, what was looked through, and how many connections it held."""

    password: bytes
    found: set[str] = field(default_factory=set)
    looked: set[str] = field(default_factory=set)
    connections: int = 0

    def look(self, place: str, data: bytes) -> None:
        self.looked.add(place)
        if self.password in data:
            self.found.add(place)

    def look_around(self, folders: list[Path], pages: list[str], dsn: str) -> None:
        for folder in folders:
            for path in folder.rglob("*"):
                if "python" not in path.parts and path.is_file():
                    with open_or_none(path) as data:
                        self.look(f"file: {path}", data)
        for process in psutil.process_iter():
            try:
                said = [*process.cmdline(), *(f"{key}={value}" for key, value in process.environ().items())]
            except psutil.Error:
                continue
            self.look(f"process: {process.pid}", "\n".join(said).encode())
        for page in pages:
            try:
                with urllib.request.urlopen(page, timeout=5) as answer:
                    self.look(f"page: {page}", answer.read())
            except OSError:
                continue
        with psycopg.connect(dsn) as connection:
            ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sensorstream%'"
            self.connections = max(self.connections, connection.execute(ours).fetchone()[0])


@contextmanager
def open_or_none(path: Path) -> Iterator[bytes]:
    try:
        yield path.read_bytes()
    except OSError:
        yield b""


@contextmanager
def watched(password: str, folders: list[Path], pages: list[str], dsn: str) -> Iterator[Seen]:
    """Look around again and again while the block runs, and once after it."""
    seen, done = Seen(password.encode()), threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            seen.look_around(folders, pages, dsn)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
    seen.look_around(folders, pages, dsn)


def test_workers_have_the_libraries_and_not_this_package(cluster):
    def says(script: str) -> str:
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [cluster.python, "-c", script]
        return subprocess.run(command, cwd="/", env=environ, capture_output=True, text=True).stderr

    assert says("import psycopg, pyarrow, numpy, obstore, pydantic, boto3") == ""
    assert "No module named 'sensorstream'" in says("import sensorstream")


@pytest.mark.parametrize("engine", ["packed", pytest.param("jdbc", marks=pytest.mark.slow)])
def test_a_cluster_leaves_the_same_bytes_within_its_connections_and_shows_the_password_nowhere(
    engine, cluster, on_cluster, plant, sandbox, wanted
):
    events, port = cluster.folder / "events", free_port()
    events.mkdir()
    conf = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": str(events),
        "spark.eventLog.compress": "false",
        "spark.ui.enabled": "true",
        "spark.ui.port": str(port),
    }
    config = on_cluster(engine=engine, jdbc_num_partitions=5, spark_conf=conf)
    names = ("jobs", "stages", "storage", "environment", "executors", "SQL", "SQL/execution/?id=0")
    pages = [f"http://127.0.0.1:{port}/{name}/" for name in names]
    pages += [f"http://127.0.0.1:{server.ports['ui']}/" for server in cluster.state.spark.values()]
    folders = [cluster.folder, cluster.root / "spark"]
    with watched(sandbox.reader_password, folders, pages, sandbox.owner_dsn) as seen:
        record = cluster.run(config, plant)
    assert without_marks(objects(config)) == wanted
    assert record["ran_on"] == f"Spark {cluster.state.spark_master}"
    assert all(stage["task_seconds"]["max"] > 0 for stage in record["spark_stages"]) and record["spark_stages"]
    assert seen.found == {f"file: {cluster.folder / 'config.json'}"}  # where it was looked for and stands
    assert seen.looked >= {f"page: {page}" for page in pages}
    assert any("/app-" in place for place in seen.looked)  # a folder of Spark's for a running application
    assert 2 <= seen.connections <= 5  # as often as a busy machine lets one look
    assert any(path.stat().st_size > 10_000 for path in events.rglob("events_*"))


@pytest.mark.slow
def test_spark_submit_leaves_the_same_bytes_on_its_own_master(cluster, on_cluster, plant, wanted):
    config = on_cluster(spark_master=None)
    record = cluster.run(config, plant, submit=True)
    assert record["ran_on"] == f"Spark {cluster.state.spark_master}"
    assert without_marks(objects(config)) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_notebooks_leave_the_same_bytes(engine, cluster, on_cluster, plant, wanted):
    config = on_cluster(engine=engine)
    run = cluster.start(config, plant, command="run")
    _, err = run.communicate(timeout=RUN_SECONDS)
    assert run.returncode == 0, err
    (kept,) = Path(config.reports_path).rglob("record.json")
    record = RunRecord.read(kept)
    assert (record.engine, record.ran_on) == (engine, f"Spark {cluster.state.spark_master}")
    assert without_marks(objects(config)) == wanted


@pytest.mark.slow
def test_a_lake_in_a_folder_is_this_machines_and_written_by_it(cluster, on_cluster, plant, wanted):
    config = on_cluster(lake="local")
    cluster.run(config, plant)
    assert without_marks(objects(config)) == wanted


def wait_for_reading(run: subprocess.Popen, dsn: str) -> None:
    assert wait_until(lambda: run.poll() is not None or reading(dsn), RUN_SECONDS)
    assert run.poll() is None, run.communicate()


def reading(dsn: str) -> bool:
    """Whether executors read slices."""
    with psycopg.connect(dsn) as connection:
        readers = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sensorstream 0%'"
        return connection.execute(readers).fetchone() != (0,)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_a_worker_that_is_killed_half_way_loses_nothing(engine, cluster, on_cluster, plant, sandbox, wanted):
    config = on_cluster(engine=engine, readings_per_slice=4_000)
    run = cluster.start(config, plant)
    wait_for_reading(run, sandbox.owner_dsn)
    worker = cluster.state.spark[sandbox_spark.WORKERS[0]].process
    os.kill(worker.pid, signal.SIGKILL)
    _, err = run.communicate(timeout=RUN_SECONDS)
    assert run.returncode == 0, err
    same_readings(config, plant)


@pytest.mark.slow
def test_a_master_that_is_killed_half_way_loses_nothing_and_the_next_run_names_it(
    cluster, on_cluster, plant, sandbox, wanted
):
    config = on_cluster(readings_per_slice=4_000)
    run = cluster.start(config, plant)
    wait_for_reading(run, sandbox.owner_dsn)
    time.sleep(1)  # until Spark's own are settled
    os.kill(cluster.state.spark[sandbox_spark.MASTER].process.pid, signal.SIGKILL)
    _, err = run.communicate(timeout=RUN_SECONDS)
    assert run.returncode == 0, err
    same_readings(config, plant)
    run = cluster.start(config, plant)
    _, err = run.communicate(timeout=RUN_SECONDS)
    says = f"Spark's master {config.spark_master} cannot be reached, or has ended this run"
    assert run.returncode == 1 and says in err.splitlines()[-1], err


@pytest.mark.slow
def test_after_a_driver_that_was_killed_the_next_run_is_whole(cluster, on_cluster, plant, sandbox, wanted):
    config = on_cluster()
    run = cluster.start(config, plant)
    wait_for_reading(run, sandbox.owner_dsn)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert wait_until(lambda: not reading(sandbox.owner_dsn), 60), "an executor reads on though its driver is gone"
    cluster.run(config, plant)
    assert without_marks(objects(config)) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["packed", "jdbc"])
def test_executors_that_are_lost_with_staged_files_leave_the_lake_as_it_was(engine, cluster, on_cluster, plant, wanted):
    config = on_cluster(engine=engine)
    workers = [cluster.state.spark[name].process.pid for name in sandbox_spark.WORKERS]
    killing = f"""
import psutil
from sensorstream.staging.staged_files import StagedOnSpark
put = StagedOnSpark.put
def kill_first(self, keys):
    for executor in [child for pid in {workers} for child in psutil.Process(pid).children(recursive=True)]:
        executor.kill()
    put(self, keys)
StagedOnSpark.put = kill_first
"""
    run = cluster.start(config, plant, before=killing)
    _, err = run.communicate(timeout=RUN_SECONDS)
    assert run.returncode == 5
    assert "nothing of the run is published, run again" in err
    assert not [key for key in objects(config) if key.startswith(READINGS)]
    cluster.run(config, plant)
    assert without_marks(objects(config)) == wanted


def same_readings(config: Config, plant) -> None:
    """The lake is whole, and verify finds no difference to the historian."""
    from sensorstream.verification.verify import verify

    store = open_store(config)
    assert_whole(store, as_committed(store))
    verify(config.model_copy(update={"spark_master": None}), plant.window).raise_if_different()


def task_on_a_worker(cluster: Cluster, before: str = "") -> str:
    """What a worker says that is given a task, ``before`` which its Python has done something."""
    from pyspark import cloudpickle
    from pyspark.sql.pandas.types import to_arrow_type

    name, data = archive()
    (cluster.folder / name).write_bytes(data)
    (cluster.folder / "task").write_bytes(cloudpickle.dumps(Guarded(to_arrow_type)))
    script = f"{before}\nimport sys, pickle; sys.path.insert(1, {str(cluster.folder / name)!r})\n"
    script += f"from pyspark import cloudpickle; print(pickle.load(open({str(cluster.folder / 'task')!r}, 'rb')))"
    done = subprocess.run([cluster.python, "-c", script], cwd="/", capture_output=True, text=True)
    return done.stdout + done.stderr


def test_a_worker_of_another_version_is_refused_by_name_before_it_sees_its_task(cluster):
    assert "<function to_arrow_type" in task_on_a_worker(cluster)
    old = cluster.folder / "old" / "sensorstream"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("__version__ = '0.0.9'")
    says = task_on_a_worker(cluster, f"import sys; sys.path.insert(0, {str(old.parent)!r}); import sensorstream")
    assert "sensorstream.errors.ConfigError: the worker on" in says
    assert "has sensorstream 0.0.9 from" in says
    says = task_on_a_worker(cluster, "import pyarrow; pyarrow.__version__ = '1.0'")
    assert "has pyarrow 1.0, this run" in says


@pytest.mark.slow
def test_a_run_names_the_version_that_wins_on_a_worker(cluster, on_cluster, plant):
    library = next(cluster.python.parents[1].glob("lib/python*/site-packages"))
    old = library / "sensorstream"
    old.mkdir()
    (old / "__init__.py").write_text("__version__ = '0.0.9'")
    (library / "ahead.pth").write_text("import sensorstream\n")
    config = on_cluster()
    try:
        run = cluster.start(config, plant)
        _, err = run.communicate(timeout=RUN_SECONDS)
    finally:
        shutil.rmtree(old)
        (library / "ahead.pth").unlink()
    assert run.returncode == 2
    assert "has sensorstream 0.0.9 from" in err
    assert objects(config) == {}


@pytest.mark.slow
def test_an_archive_brings_the_libraries_to_a_python_that_has_none(cluster, on_cluster, plant, wanted):
    bare = cluster.folder / "bare"
    venv.create(bare, with_pip=False)
    python = {"spark.pyspark.python": str(bare / "bin" / "python3")}
    run = cluster.start(on_cluster(spark_conf=python), plant)
    _, err = run.communicate(timeout=RUN_SECONDS)
    assert run.returncode == 2
    assert "the Python of Spark's workers has no pyarrow" in err
    brought = dict(setting.split("=", 1) for setting in pack(cluster.folder / "libraries.tar.gz"))
    config = on_cluster(spark_conf=brought | python)
    cluster.run(config, plant)
    assert without_marks(objects(config)) == wanted


@pytest.mark.slow
def test_dataframes_of_a_cluster_hold_what_the_lake_holds(cluster, on_cluster, plant, wanted):
    config = on_cluster()
    cluster.run(config, plant)
    path = cluster.folder / "config.json"
    start, end = plant.window.start.isoformat(), plant.window.end.isoformat()
    script = f"""
import sensorstream
config = sensorstream.load({str(path)!r})
window = sensorstream.window_of("UTC", start={start!r}, end={end!r})
spark = sensorstream.spark_session(config)
straight = sensorstream.read_historian(config, window, spark=spark)
source = spark.read.format("historian").options(config={str(path)!r}, start={start!r}, end={end!r})
lake = sensorstream.read_lake(config, {start!r}, {end!r}, into="spark", spark=spark)
print([frame.count() for frame in (straight, source.load(), lake)])
done = sensorstream.publish(config, straight.where("value < 10"), window)
print(done.rows_written)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=RUN_SECONDS)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[0])
    assert len(set(counts)) == 1 and counts[0] > 50_000
