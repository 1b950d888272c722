"""The Spark session: adaptive, Arrow, UTC, quiet, with the right Python and Java."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..config.masking import SECRET
from ..config.settings import Config
from ..errors import ConfigError, SensorStreamError, SourceError, named
from ..extras import needs
from ..historian.connection import with_remedy
from .cache import temporary_folder
from .java import java_home
from .jdbc_driver import find_driver, require_driver
from .package import carry

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

APP = "sensorstream"
LOCAL = "local[*]"
PYTHON = "spark.pyspark.python"  # of executors
END_SECONDS = 1  # until Java has ended of which connections break off
BY_KERNEL = "mostly by the kernel for want of memory"
MORE_MEMORY = (
    'give this machine or container more, lower "readings_per_slice", or work without Spark ("spark_master": null)'
)
ARROW_BATCH_BYTES = 4 << 20
# A worker has one heap, for Arrow as well, and of what is freed it keeps little more than a slice takes. With a heap of
# Arrow's own, each kept what the other could have used: of a month with large files 20 MB.
HEAP = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(3 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
}
# Of workers: the folder that a run happens to be in is no place to import from, others may write there.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
LOOPBACK = "127.0.0.1"
DRIVER_HOST = "spark.driver.host"
HERE_ALONE = f"{DRIVER_HOST}={LOOPBACK}"  # of Java's arguments


def settings(config: Config) -> dict[str, str]:
    """The Spark settings of a run; ``spark_conf`` wins over each. Pure but for the place of the JDBC driver."""
    driver = require_driver(config.jdbc_jar) if config.engine == "jdbc" else find_driver(config.jdbc_jar)
    chosen = {
        "spark.app.name": APP,
        "spark.sql.adaptive.enabled": str(config.use_aqe).lower(),
        "spark.sql.adaptive.coalescePartitions.enabled": str(config.use_aqe).lower(),
        "spark.sql.adaptive.skewJoin.enabled": str(config.enable_skew_handling).lower(),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Rows may be whole files: without it a worker is handed ten thousand of them at once.
        "spark.sql.execution.arrow.maxBytesPerBatch": str(ARROW_BATCH_BYTES),
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.python.worker.reuse": "true",
        **{f"spark.executorEnv.{name}": value for name, value in (HEAP | SAFE_PATH).items()},
        "spark.sql.python.filterPushdown.enabled": "true",
        # Two tasks of one share would be more connections than the historian was promised.
        "spark.speculation": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": str(2 * config.jdbc_num_partitions),
    }
    if driver:
        chosen["spark.jars"] = str(driver)
    quiet = files(__package__) / "log4j2.properties"
    # The packed engine hands Java some hundred rows a run: its second compiler, made for hot loops, takes a second of a
    # first run and half a second of a later one, and gives nothing back.
    compiler = ["-XX:TieredStopAtLevel=1"] if config.engine == "packed" else []
    chosen["spark.driver.extraJavaOptions"] = " ".join(
        [f"-Dlog4j2.configurationFile={quiet}", "-Duser.timezone=UTC", *compiler]
    )
    if _one_machine(config):
        # On one machine nothing need be reachable from outside.
        chosen |= {DRIVER_HOST: LOOPBACK, "spark.driver.bindAddress": LOOPBACK}
    if local(config):
        chosen["spark.driver.memory"] = "2g"  # driver and workers share one heap
        # Where readings wait on disk, in folders that Spark lets everybody look into.
        chosen["spark.local.dir"] = str(temporary_folder())
    else:
        # What passes through an executor's disk, files that wait there and tasks among it, is nobody else's.
        chosen["spark.io.encryption.enabled"] = "true"
    return chosen | config.spark_conf


def master(config: Config) -> str:
    """Where Spark works, for what only Spark does."""
    return config.spark_master or LOCAL


def local(config: Config) -> bool:
    """Whether driver and workers are processes of this machine."""
    return master(config).startswith("local")


def _one_machine(config: Config) -> bool:
    return local(config) or bool(re.match(r"spark://(127\.0\.0\.1|localhost):", master(config)))


def spark_session(config: Config) -> SparkSession:
    """The session for ``config``, started where there is none yet."""
    with closing(start_early(config)) as starting:
        return starting.result()


def start_early(config: Config) -> Starting:
    """Begin to start the session for ``config`` and return at once; ``result()`` is the session.

    What lies between the two (a look at the lake, the plan) costs a run no time::

        starting = start_early(config)
        what = make_plan(...)
        session = starting.result()

    ``close()`` takes the JVM down again where nobody has asked for the session. Raises ``ConfigError`` as ``java_home``
    does.
    """
    needs('"engine": "jdbc"' if config.engine == "jdbc" else "Spark", spark=("pyspark", "pandas"))
    from pyspark import SparkContext

    # Spark takes the first python3 on PATH otherwise, which need not have pyarrow; that of executors is theirs to know.
    environment = {"PYSPARK_DRIVER_PYTHON": sys.executable}
    if local(config):
        environment["PYSPARK_PYTHON"] = sys.executable
    elif python := config.spark_conf.get(PYTHON):
        environment["PYSPARK_PYTHON"] = python
    if _one_machine(config):
        # where its pages listen, if somebody wants them
        environment["SPARK_LOCAL_IP"] = os.environ.get("SPARK_LOCAL_IP", LOOPBACK)
    else:
        _end_java_of_this_machine()
    if SparkContext._gateway is None:
        environment["JAVA_HOME"] = str(java_home())
        # Data sources are planned here by the name of Python that executors know, python3 where nothing is said.
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return Starting(master(config), settings(config), environment)


def _end_java_of_this_machine() -> None:
    """Take down a JVM that an ended session was started in and that no executor elsewhere could reach."""
    from pyspark import SparkContext

    process = getattr(SparkContext._gateway, "proc", None)
    if process and HERE_ALONE in process.args and SparkContext._active_spark_context is None:
        SparkContext._gateway.shutdown()  # type: ignore[union-attr]
        process.stdin.close()  # at which it ends
        process.wait()
        SparkContext._gateway = SparkContext._jvm = None


class Starting:
    """A session on its way: the JVM starts in a thread, everything of Python's stays in the caller's.

    Two threads must not import the same packages at once: pyspark and pandas are full of circles, in which one of the
    two would find a module half made. So the thread only waits for the JVM.
    """

    def __init__(self, master: str, settings: dict[str, str], environment: dict[str, str]) -> None:
        from pyspark import SparkConf, SparkContext

        # Until Java and the session have it: what is started later, on a cluster perhaps, is told its own.
        self._before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        self._master = master
        self._conf = SparkConf().setMaster(master).setAll(list(settings.items()))
        # What Java is started with stands in the list of processes; a secret is told to the session alone.
        public = [(key, value) for key, value in settings.items() if not SECRET.search(key)]
        self._arguments = SparkConf().setMaster(master).setAll(public)
        self._settings = settings
        self._gateway: Any = None
        self._error: BaseException | None = None
        # Not a daemon: a process that fails early must not leave its JVM, or Spark's temporary files, half made.
        self._thread = Thread(target=self._launch, name="spark-start")
        if SparkContext._gateway is None:
            self._thread.start()

    def _launch(self) -> None:
        from pyspark.java_gateway import launch_gateway

        try:
            self._gateway = launch_gateway(self._arguments)
        except BaseException as error:
            self._error = error

    def result(self) -> SparkSession:
        """Wait for the JVM and return the session; whatever kept the JVM from starting is raised here."""
        from pyspark import SparkContext
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession

        if self._thread.ident:
            _import_ahead()
            self._thread.join()
            if isinstance(self._error, PySparkRuntimeError):
                raise SensorStreamError(
                    f"the Java in {os.environ.get('JAVA_HOME')} ended before Spark was there: what it says stands on"
                    f" standard error, and where nothing does, it was killed for want of memory: {MORE_MEMORY}"
                ) from self._error
            if self._error:
                raise self._error
            gateway, self._gateway = self._gateway, None
            if SparkContext._active_spark_context is None:
                with spark_errors():
                    SparkContext(conf=self._conf, gateway=gateway)
                _note_interrupts()
        with spark_errors():
            session = SparkSession.builder.master(self._master).config(map={**self._settings}).getOrCreate()
            carry(session)
        self._restore()
        return session

    def close(self) -> None:
        """Take the JVM down again where nobody has asked for the session."""
        if self._thread.ident:
            self._thread.join()
        if self._gateway:
            self._gateway.proc.terminate()  # and takes its temporary folder along
            self._gateway.proc.wait()
            self._gateway = None
        self._restore()

    def _restore(self) -> None:
        """Leave the environment of this process as it was."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before = {}


_interrupted = threading.Event()


@dataclass(frozen=True)
class _Noting:
    """A handler of Ctrl-C that remembers it, and leaves it to the one ``before``: Spark makes a failure of it."""

    before: Callable[[int, FrameType | None], Any]

    def __call__(self, number: int, frame: FrameType | None) -> None:
        _interrupted.set()
        self.before(number, frame)


def _note_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    here = threading.current_thread() is threading.main_thread()  # no other may set a handler
    if here and callable(before) and not isinstance(before, _Noting):
        signal.signal(signal.SIGINT, _Noting(before))


def _hush() -> None:
    """Let Java and its workers say nothing any more: of what is stopped they would print traces, after our word."""
    from pyspark import SparkContext

    def hush() -> None:
        with suppress(Exception):  # it has ended meanwhile
            java: Any = SparkContext._gateway.jvm.java  # type: ignore[union-attr]
            java.lang.System.setErr(java.io.PrintStream(java.io.OutputStream.nullOutputStream()))

    # This thread's connection to Java may be in the middle of an answer.
    thread = Thread(target=hush, daemon=True)
    thread.start()
    thread.join(END_SECONDS)


def _import_ahead() -> None:
    """Import what pyspark will ask for, pandas among it, while there is nothing to do but wait for the JVM."""
    with suppress(Exception):  # who needs it says what is wrong
        for name in ("pyspark.testing.utils", "pyspark.sql.pandas.functions"):
            import_module(name)


def _java_ended(*, patient: bool) -> str | None:
    """What is to be said of the Java of this process; ``None`` where it lives, or is not ours.

    ``patient``: connections to it break off a moment before it has ended.
    """
    from pyspark import SparkContext

    process = getattr(SparkContext._gateway, "proc", None)
    try:
        code = process.wait(END_SECONDS if patient else 0) if process else None
    except subprocess.TimeoutExpired:
        return None
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return f"Java was killed, {BY_KERNEL}: {MORE_MEMORY}"
    return None if code is None else f"Java ended with code {code}: standard error says why, run again"


@contextmanager
def spark_errors() -> Iterator[None]:
    """Turn what a task or a driver of Spark says into one sentence, and the end of Java itself.

    A ``SensorStreamError`` raised on a worker comes back as text; here it becomes that very error again.
    """
    from py4j.protocol import Py4JError
    from pyspark import SparkContext
    from pyspark.errors import PySparkException

    _interrupted.clear()
    try:
        yield
    except KeyboardInterrupt:
        _hush()
        raise
    except (PySparkException, Py4JError, OSError, EOFError) as error:
        if _interrupted.is_set():
            _hush()
            raise KeyboardInterrupt from error
        if ended := _java_ended(patient=not isinstance(error, PySparkException)):
            raise SensorStreamError(ended) from error
        if isinstance(error, OSError):
            raise
        text = str(error)
        if "stopped SparkContext" in text:
            where = getattr(SparkContext._active_spark_context, "master", "")
            raise SensorStreamError(
                f"Spark's master {where} cannot be reached, or has ended this run: is it running, and is"
                ' "spark_master" right?'
            ) from error
        found = re.search(r"^sensorstream\.errors\.(\w+): (.+)$", text, re.MULTILINE)
        if found and (ours := named(found[1])):
            raise ours(found[2]) from error
        if found := re.search(r"org\.postgresql\.util\.PSQLException: (.+)", text):
            raise SourceError(f"historian, through JDBC: {with_remedy(found[1], 'the reader')}") from error
        if "ClassNotFoundException: org.postgresql.Driver" in text:
            jar = find_driver(None) or "postgresql.jar"
            raise ConfigError(f"this Spark was started without PostgreSQL's JDBC driver: add --jars {jar}") from error
        if found := re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", text):
            raise ConfigError(
                f"the Python of Spark's workers has no {found[1]}: install the libraries of sensorstream there, or send"
                f" them along as docs/spark.md says"
            ) from error
        if found := re.search(r"Python in worker has different version: (\S+) than that in driver: (\S+),", text):
            raise ConfigError(
                f"the Python of Spark's workers is {found[1]}, this one {found[2]}: name one of"
                f' {found[2]} in "{PYTHON}" under "spark_conf"'
            ) from error
        if "Python worker exited unexpectedly" in text:
            raise SensorStreamError(
                f"a Python worker of Spark was killed, mostly by the kernel for want of memory: {MORE_MEMORY}"
            ) from error
        if "No space left on device" in text:
            raise SensorStreamError(
                'Spark has no room left on disk: make some, or name another "spark.local.dir" under "spark_conf"'
            ) from error
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        last = next((line for line in reversed(lines) if re.match(r"[\w.]+(Error|Exception)\b", line)), lines[0])
        raise SensorStreamError(f"Spark failed: {last}: run again with --debug for the whole of it") from error
