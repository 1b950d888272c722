"""A plain run imports what it needs and no more: each of the absent modules costs a start a tenth to three seconds."""

from __future__ import annotations

import subprocess
import sys

ABSENT = {
    "airflow",
    "boto3",
    "great_expectations",
    "IPython",
    "jinja2",
    "matplotlib",
    "moto",
    "nbconvert",
    "pandas",
    "papermill",
    "pyspark",
    "sqlalchemy",
}


def loaded(script, *arguments):
    report = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", f"{script}\n{report}", *arguments], capture_output=True, text=True, check=True
    )
    return set(run.stdout.splitlines()[-1].split())


def test_the_pipeline_imports_nothing_heavy():
    assert not loaded("import sensorstream.pipeline") & ABSENT


def test_a_plan_imports_nothing_heavy(plant):
    script = "import sys\nfrom sensorstream.cli import app\napp(sys.argv[1:], standalone_mode=False)"
    assert not loaded(script, "plan", "--config", str(plant.config_path), "--date", plant.date) & ABSENT


AT_BIRTH = {
    *("psycopg", "pyarrow.parquet", "sensorstream.extract.packed"),
    *("botocore.session", "sensorstream.lake.stores.bucket"),
}


def test_a_worker_starts_with_what_a_task_imports(spark):
    wanted = sorted(AT_BIRTH)

    def look(batches):
        import sys

        import pyarrow as pa

        for _ in batches:
            # Before the task's own function is unpickled, none of these is there but for the daemon.
            yield pa.record_batch([pa.array([name for name in wanted if name in sys.modules])], names=["name"])

    assert {row.name for row in spark.range(0, 1, 1, 1).mapInArrow(look, "name string").collect()} == AT_BIRTH


def test_workers_do_not_look_into_sparks_archives(spark):
    """Each task would read their tables of contents anew."""
    (path,) = spark.sparkContext.parallelize([0], 1).map(lambda _: __import__("sys").path).collect()
    assert not [place for place in path if place.endswith(".jar") or "/pyspark/python/lib/" in place]
