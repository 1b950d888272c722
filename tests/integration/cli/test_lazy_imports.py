"""A plain run imports what it needs and no more: each of the absent modules costs a start a tenth to three seconds."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

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
    run = subprocess.run([sys.executable, "-c", f"{script}\n{report}", *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split())


def test_the_pipeline_imports_nothing_heavy():
    assert not loaded("import sensorstream.pipeline.ingest") & ABSENT


def test_the_command_line_imports_nothing_that_only_a_command_needs():
    later = {"matplotlib", "numpy", "obstore", "psutil", "psycopg", "pyarrow"}
    assert not loaded("import sensorstream.cli.main") & (ABSENT | later)


@pytest.mark.parametrize("command", ["plan", "ingest"])
def test_a_command_imports_nothing_heavy(command, plant, tmp_path):
    script = (
        "from sensorstream.__main__ import main\ntry:\n    main()\nexcept SystemExit as done:\n    assert not done.code"
    )
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(plant.config_path.read_text()) | {"s3_directory": f"imports-{command}/"}))
    assert not loaded(script, command, "--config", str(config), "--date", plant.date) & ABSENT


ASKED = """
from sensorstream.fast_import import ours, quickly
from sensorstream.checks.gx_library import load_library
{}
load_library()
with quickly():
    import papermill
"""


def test_a_process_of_ours_imports_of_the_large_libraries_what_it_uses():
    found = loaded(ASKED.format("ours()") + "import sys; assert type(sys.modules['scipy.stats']) is not type(sys)")
    assert {"great_expectations", "papermill"} <= found
    assert not found & {"azure", "boto3", "gcsfs", "github", "google", "pyspark", "sqlalchemy"}


@pytest.mark.slow
def test_other_processes_find_all_of_the_large_libraries():
    later = "import scipy.stats, altair; assert scipy.stats.norm.cdf(0) == 0.5 and altair.Chart"
    assert {"great_expectations", "pyspark", "sqlalchemy"} <= loaded(ASKED.format("") + later)


def test_an_iceberg_table_needs_nothing_that_reads_files_of_settings():
    beside = """
from threading import enumerate
from sensorstream.lake.iceberg import import_beside
import_beside()
[thread.join() for thread in enumerate() if thread.name == "sensorstream-import"]
import sys; assert type(sys.modules["strictyaml"]) is not type(sys)
"""
    assert "pyiceberg" in loaded(beside)


def test_what_is_not_used_by_a_library_is_there_for_another_thread():
    beside = """
from importlib import import_module
from threading import Thread
from sensorstream.fast_import import ours, quickly
ours()
with quickly():
    beside = Thread(target=import_module, args=["botocore"])
    beside.start()
    beside.join()
"""
    assert "botocore" in loaded(beside)


CLEARED = """
from resource import RUSAGE_SELF, getrusage
from sensorstream.fast_import import ours
if {}:
    ours()
import numpy as np, pyarrow as pa

def batch():
    return [np.ones(3_000_000) for _ in range(5)]

batch()
before = getrusage(RUSAGE_SELF).ru_minflt
for _ in range(10):
    batch()
print(pa.default_memory_pool().backend_name, getrusage(RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept by a setting of glibc's")
def test_a_process_of_ours_keeps_its_memory_for_the_next_batch():
    def pages(ours: bool) -> tuple[str, int]:
        run = subprocess.run([sys.executable, "-c", CLEARED.format(ours)], capture_output=True, text=True, check=True)
        pool, faults = run.stdout.split()
        return pool, int(faults)

    (pool, few), (_, many) = pages(True), pages(False)
    assert pool == "system" and few * 10 < many


def test_programs_of_others_find_the_environment_as_it_was():
    said = "import os; before = {**os.environ}; from sensorstream.fast_import import ours, theirs; ours(); "
    loaded(said + "assert before != os.environ; theirs(); assert before == os.environ")
