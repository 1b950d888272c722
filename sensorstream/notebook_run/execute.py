"""One notebook through Papermill: in this very interpreter, quietly, and its failure as one of ours."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, SensorStreamError, named
from ..fast_import import quickly
from ..project_files import project_folder

if TYPE_CHECKING:
    from .kernel import Kernel

NOISY = ("papermill", "nbclient", "traitlets", "jupyter_client", "asyncio")
START_SECONDS = 120


def find(name: str, folder: Path | None = None) -> Path:
    """The notebook ``name``; by default of this installation or checkout."""
    path = (folder or project_folder("notebooks")) / f"{name}.ipynb"
    if not path.is_file():
        raise ConfigError(f"notebook {path} does not exist: install the package again")
    return path


def code_cells(path: Path) -> int:
    """How many cells a notebook has to execute, for a progress bar (the injected parameters are one more)."""
    with quickly():
        import nbformat

    return sum(cell.cell_type == "code" for cell in nbformat.read(path, as_version=4).cells) + 1


def execute(
    path: Path,
    executed: Path,
    parameters: Mapping[str, Any],
    *,
    kernel: Kernel | None = None,
    on_cell: Callable[[], None] = lambda: None,
) -> None:
    """Execute a notebook and keep it with its outputs as ``executed``, whole or as far as it came.

    Parameters
    ----------
    parameters
        Values for the ``parameters`` cell; those that the notebook does not know are left out. They are written into
        the executed notebook, so none may be a secret.
    kernel
        One that was begun before and is left to whoever did, a new one by default.
    on_cell
        Called after each code cell.

    Raises
    ------
    SensorStreamError
        The class and the sentence that the notebook's cell raised; the base class for any other failure.
    """
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else papermill warns of frozen modules
    with quickly():
        import papermill
        from nbclient.exceptions import DeadKernelError

        from .kernel import OURS, Kernel

    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    known = papermill.inspect_notebook(literally(path))
    own = kernel or Kernel(executed.with_suffix(".log"), OURS if path.parent == project_folder("notebooks") else "")
    try:
        papermill.execute_notebook(
            literally(path),
            literally(executed),
            parameters={name: value for name, value in parameters.items() if name in known},
            kernel_name="python3",
            km=own.manager,
            request_save_on_cell_execute=False,  # it is kept after each cell as well
            on_cell_complete=lambda cell, cell_index: on_cell() if cell.cell_type == "code" else None,
            start_timeout=START_SECONDS,
            progress_bar=False,
        )
    except papermill.PapermillExecutionError as error:
        raise failure(error.ename, error.evalue, executed) from None
    except DeadKernelError:
        raise SensorStreamError(
            f"the kernel of {path.name} died, perhaps for want of memory: {executed} shows how far it came"
        ) from None
    finally:
        if own is not kernel:
            own.close()


def literally(path: object) -> str:
    """A path as Papermill takes it, which would put parameters into its braces. Pure."""
    return str(path).replace("{", "{{").replace("}", "}}")


def failure(ename: str, evalue: str, executed: Path) -> SensorStreamError:
    """What a notebook's cell raised, as an exception of this process. Pure."""
    if ours := named(ename):
        return ours(evalue)
    first = (evalue.strip().splitlines() or ["no message"])[0]
    return SensorStreamError(f"{ename}: {first}: {executed} shows the cell and its traceback")
