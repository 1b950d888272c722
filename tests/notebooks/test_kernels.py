"""Kernels that are begun ahead of their notebook, and how they end."""

from __future__ import annotations

import tempfile
from contextlib import closing, suppress
from pathlib import Path

import nbformat
import psutil
import pytest

from sensorstream.errors import SensorStreamError
from sensorstream.notebook_run import execute
from sensorstream.notebook_run.kernel import OURS, Kernel, transport
from sensorstream.sandbox.processes import wait_until

JAVA = "import sensorstream; spark = sensorstream.spark_session(sensorstream.load({config!r}))"


@pytest.fixture
def run(tmp_path):
    """Executes a notebook of one cell in a kernel that does something ahead; what the cell printed."""

    def run(cell: str, ahead: str) -> str:
        with closing(Kernel(tmp_path / "one.log", ahead)) as kernel:
            return printed(cell, kernel, tmp_path)

    return run


def printed(cell: str, kernel: Kernel, folder: Path) -> str:
    path, executed = folder / "one.ipynb", folder / "executed.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)]), path)
    execute.execute(path, executed, {}, kernel=kernel)
    (done,) = nbformat.read(executed, as_version=4).cells
    assert done.execution_count == 1
    return "".join(output.text for output in done.outputs)


def spark_in(folder: Path) -> list[psutil.Process]:
    """The processes of a Spark that keeps its files in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += [process] if process.environ().get("SPARK_LOCAL_DIRS") == str(folder) else []
    return found


def test_what_is_done_ahead_is_there_unseen_and_its_failure_is_left_to_the_notebook(run):
    assert run("print(found)", "print('ahead'); found = 6 * 7") == "42\n"
    assert run("print('found' in globals())", "found = 1 / 0") == "False\n"
    shown = run("import sensorstream.fast_import as fast; print(fast._ours, 'ours' in globals())", OURS)
    assert shown == "True False\n"


def test_the_second_notebook_of_a_kernel_finds_what_is_imported_and_nothing_that_the_first_defined(tmp_path):
    with closing(Kernel(tmp_path / "one.log")) as kernel:
        assert printed("import colorsys; config = 1; print(config)", kernel, tmp_path) == "1\n"
        kernel.forget()
        there = "import sys; print('config' in globals(), 'colorsys' in globals(), 'colorsys' in sys.modules)"
        assert printed(there, kernel, tmp_path) == "False False True\n"


@pytest.mark.slow
def test_with_a_kernel_its_spark_ends_and_leaves_no_file(run, plant, tmp_path):
    there = f"import os; os.environ['SPARK_LOCAL_DIRS'] = {str(tmp_path)!r}; "
    assert run("print(spark.range(3).count())", there + JAVA.format(config=str(plant.config_path))) == "3\n"
    assert wait_until(lambda: not spark_in(tmp_path), 10)
    assert {path.name for path in tmp_path.iterdir()} == {"one.ipynb", "executed.ipynb"}


def test_a_kernel_that_dies_is_said_so_in_one_sentence(run):
    with pytest.raises(SensorStreamError, match=r"the kernel of one\.ipynb died, perhaps for want of memory"):
        run("import os; os._exit(1)", "")


def test_a_kernel_is_spoken_to_by_sockets_of_this_user_which_go_with_it(monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # a socket's path may not be long
        monkeypatch.setattr(tempfile, "tempdir", short)
        spoken_to_by_sockets(Path(short))


def spoken_to_by_sockets(tmp_path):
    with closing(Kernel(tmp_path / "one.log")) as kernel:
        assert printed("print(1)", kernel, tmp_path) == "1\n"
        (folder,) = tmp_path.glob("sensorstream-kernel-*")
        assert folder.stat().st_mode & 0o777 == 0o700 and len(list(folder.glob("k-ipc-*"))) == 5
        process = psutil.Process(kernel.manager.provisioner.process.pid)
        listening = [found for found in process.net_connections("inet") if found.status == psutil.CONN_LISTEN]
        # ipykernel's own, whose messages begin with a secret: what children print that were forked off it.
        assert [found.laddr.ip for found in listening] in ([], ["127.0.0.1"])
    assert not folder.exists()


def test_where_a_sockets_path_would_be_too_long_a_kernel_is_spoken_to_over_tcp():
    assert transport(Path("/tmp/sensorstream-kernel-abcdefgh/k.json")) == "ipc"
    assert transport(Path("/tmp") / ("é" * 45) / "k.json") == "tcp"


def test_what_lies_in_the_folder_of_a_run_is_not_imported(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pandas", "pathlib", "ipykernel_launcher", "colorsys"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(7)")
    assert run("import pandas, colorsys; print(1)", "") == "1\n"
