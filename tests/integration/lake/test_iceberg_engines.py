"""The Iceberg table as other engines and catalogs have it: DuckDB, Spark, Glue (of moto), REST (SeaweedFS's)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.table import StaticTable

from benchmarks.environment import peers_python
from sensorstream.errors import LakeError
from sensorstream.lake.scan import metadata
from sensorstream.lake.stores import open_store
from sensorstream.sandbox.processes import answers as answers_http
from sensorstream.sandbox.processes import free_port, spawn, wait_until
from sensorstream.sandbox.s3 import ADMIN_GRPC_OFFSET, PORTS, _command
from sensorstream.windows import Window
from tests.faults.works import days, values
from tests.lakes import publish, scope_of

PATHS = ("a/b=%2F", "null", "__HIVE__", "7", "Ä \\n'/😀", "%41", "x" * 60)
WINDOW = days(0, 4)  # over a month border
QUERIES = ("", "tagpath = {path}", "datetime >= {at}", "datetime = {at}", "datetime < {at}")


def readings(window: Window = WINDOW) -> dict[tuple[str, int], float]:
    return values(window, 1.0, PATHS)


def put(config) -> None:
    publish(open_store(config), scope_of(config, WINDOW, PATHS), readings())


def answers(path: str, at_ms: int) -> list[list[list]]:
    """What each of ``QUERIES`` is to find, in order."""
    every = [[tag, ms, value] for (tag, ms), value in sorted(readings().items())]
    keep = (
        lambda tag, ms: True,
        lambda tag, ms: tag == path,
        lambda tag, ms: ms >= at_ms,
        lambda tag, ms: ms == at_ms,
        lambda tag, ms: ms < at_ms,
    )
    return [[row for row in every if chosen(row[0], row[1])] for chosen in keep]


DUCKDB = """
import json, sys
import duckdb
from duckdb_extensions import import_extension
place, queries = json.loads(sys.argv[1])
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
for name in ("avro", "iceberg"):
    import_extension(name, con=connection)
    connection.execute(f"LOAD {name}")
found = []
for query in queries:
    rows = connection.execute(
        f"SELECT tagpath, epoch_ms(datetime), value FROM iceberg_scan('{place}', "
        f"version_name_format = '%s%s.metadata.json') {'WHERE ' + query if query else ''}"
    ).fetchall()
    found.append(sorted(rows))
print(json.dumps(found))
"""

SPARK = """
import json, sys
from pathlib import Path
import snowpark_connect_deps_iceberg
from pyspark.sql import SparkSession
file, queries = json.loads(sys.argv[1])
(jar,) = Path(snowpark_connect_deps_iceberg.__file__).parent.glob("jars/iceberg-spark-runtime-*_2.12-*.jar")
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.jars", str(jar))
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
spark.read.format("iceberg").load(file).createTempView("readings")
found = []
for query in queries:
    rows = spark.sql(
        f"SELECT tagpath, unix_millis(datetime), value FROM readings {'WHERE ' + query if query else ''}"
    ).collect()
    found.append(sorted(tuple(row) for row in rows))
print(json.dumps(found))
"""


def asked(python: list[str], script: str, *arguments: object) -> list[list[list]]:
    done = subprocess.run([*python, "-c", script, json.dumps(arguments)], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[:3000]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_duckdb_reads_what_the_manifest_holds(make_config):
    config = make_config(iceberg={"table": "plant.readings"})
    put(config)
    at = WINDOW.start_ms + 7_200_000
    queries = [
        q.format(path="'" + path.replace("'", "''") + "'", at=f"make_timestamptz({at * 1000})")
        for path in PATHS
        for q in QUERIES
    ]
    found = asked([str(peers_python())], DUCKDB, f"{open_store(config).url}iceberg", queries)
    assert found == [answer for path in PATHS for answer in answers(path, at)]


@pytest.mark.slow
def test_spark_reads_what_the_manifest_holds(make_config):
    """Of a wheel that brings the jar of Iceberg 1.10 for Spark 3.5; none of PyPI has that for the pinned Spark 4.1.

    Its 1.0.3 lacks classes that reading needs.
    """
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        pytest.skip("no uv to fetch Spark 3.5 and the jar of Iceberg with")
    with_spark = [uv, "run", "--no-project", "--quiet", "--python", sys.executable, "--with", "pyspark==3.5.7"]
    with_spark += ["--with", "snowpark-connect-deps-iceberg==1.0.2", "python"]
    if subprocess.run([*with_spark, "-c", "import snowpark_connect_deps_iceberg"], capture_output=True).returncode:
        pytest.skip("PyPI does not hand out Spark 3.5 with the jar of Iceberg")
    config = make_config(iceberg={"table": "plant.readings"})
    put(config)
    at, path = WINDOW.start_ms + 7_200_000, PATHS[4]
    quoted = path.replace("\\", "\\\\").replace("'", "\\'")
    queries = [q.format(path=f"'{quoted}'", at=f"timestamp_millis({at})") for q in QUERIES]
    file = f"{open_store(config).url}{metadata(config)}"
    assert asked(with_spark, SPARK, file, queries) == answers(path, at)


def test_the_entry_of_glue_follows_each_commit(sandbox, make_config):
    endpoint = sandbox.secrets_endpoint  # moto's server plays Glue as well
    catalog = {"type": "glue", "glue.endpoint": endpoint, "glue.region": sandbox.region}
    config = make_config(lake="s3", iceberg={"table": "plant_iceberg.readings", "catalog": catalog})
    for factor in (1.0, 2.0):
        publish(open_store(config), scope_of(config, WINDOW, PATHS), values(WINDOW, factor, PATHS))
        glue = boto3.client("glue", region_name=sandbox.region, endpoint_url=endpoint)
        entry = glue.get_table(DatabaseName="plant_iceberg", Name="readings")["Table"]
        assert entry["Parameters"]["metadata_location"] == f"{config.lake}{metadata(config)}"
        assert entry["Parameters"]["table_type"].upper() == "ICEBERG"
    s3 = {"s3.endpoint": sandbox.s3_endpoint, "s3.region": sandbox.region}
    table = load_catalog("sensorstream", **catalog, **s3).load_table("plant_iceberg.readings")
    assert table.scan().to_arrow().num_rows == len(readings())


@pytest.fixture
def rest(tmp_path, monkeypatch):
    """The REST catalog of a SeaweedFS of its own, with a bucket of tables."""
    ports = {name: free_port(also_offset=ADMIN_GRPC_OFFSET if name == "admin" else 0) for name in PORTS}
    port, login = free_port(), {"AWS_ACCESS_KEY_ID": "SANDBOX", "AWS_SECRET_ACCESS_KEY": "secret"}
    command = [part for part in _command(tmp_path / "weed", ports) if not part.startswith("-s3.port.iceberg")]
    (tmp_path / "weed").mkdir()
    environ = {"PATH": os.defpath, "HOME": str(tmp_path)} | login
    server = spawn(
        [*command, f"-s3.port.iceberg={port}"], log=tmp_path / "weed.log", folder=tmp_path / "weed", environ=environ
    )
    try:
        assert wait_until(lambda: answers_http(port) and answers_http(ports["s3"]), 60)
        words = "s3tables.bucket -create -name plant-tables -account admin"
        shell = [command[0], "shell", f"-master=127.0.0.1:{ports['master']}.{ports['master_grpc']}"]
        subprocess.run(shell, input=f"{words}\n", text=True, env=environ, timeout=60, check=True, capture_output=True)
        yield {
            "type": "rest",
            "uri": f"http://127.0.0.1:{port}",
            "warehouse": "s3://plant-tables/",
            "credential": "SANDBOX:secret",
            "s3.endpoint": f"http://127.0.0.1:{ports['s3']}",
            "s3.access-key-id": login["AWS_ACCESS_KEY_ID"],
            "s3.secret-access-key": login["AWS_SECRET_ACCESS_KEY"],
        }
    finally:
        server.stop()


@pytest.mark.slow
def test_a_rest_catalog_has_the_same_snapshots(rest, make_config):
    config = make_config(iceberg={"table": "plant.readings", "catalog": rest})
    for factor in (1.0, 2.0):
        publish(open_store(config), scope_of(config, WINDOW, PATHS), values(WINDOW, factor, PATHS))
        theirs = load_catalog("sensorstream", **rest).load_table("plant.readings")
        assert {one.snapshot_id for one in theirs.snapshots()} == {
            one.snapshot_id for one in static(config).snapshots()
        }
        assert theirs.scan().to_arrow().num_rows == len(readings())
    theirs.delete("tagpath = 'null'")  # a commit of somebody else's
    with pytest.raises(LakeError, match=r"somebody else has committed .*the catalog has snapshot"):
        publish(open_store(config), scope_of(config, WINDOW, PATHS), values(WINDOW, 3.0, PATHS))


def static(config) -> StaticTable:
    return StaticTable.from_metadata(f"{open_store(config).url}iceberg")
