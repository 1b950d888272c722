"""Large libraries, imported in a fraction of the time; and what a process that does our work alone is set to."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from threading import local
from types import ModuleType

# jsonschema builds a parser of international addresses (1.4 s) wherever this package is there, for a format that no
# schema of notebooks, charts or expectations has.
UNUSED = ("rfc3987_syntax",)
# Great Expectations takes these for a distribution or a chart that few ever ask for; pyiceberg these for a file of
# settings that few have, and for filters in words.
SELDOM = ("altair", "scipy.stats", "strictyaml", "pyiceberg.expressions.parser")
# Great Expectations and Papermill take those of these that are there, for places and databases that we never name, and
# for bars of progress that we do not show.
ELSEWHERE = ("azure", "boto3", "botocore", "gcsfs", "github", "google", "pyspark", "sqlalchemy", "tqdm.notebook")
LOOKS_AFTER = 20_000  # objects: by Python's 700 looks took a twenty-fifth of an ingest of a day
# Arrow's numbers and numpy's lie in the C library's memory, which keeps what is free for the next: given back array by
# array, it would be cleared for each batch anew, a seventh of an ingest's CPU. OpenBLAS, which we never ask, would let
# its threads wait for us at full speed.
ONE_THREAD, C_MEMORY = {"OPENBLAS_NUM_THREADS": "1"}, {"ARROW_DEFAULT_MEMORY_POOL": "system"}
MMAP_THRESHOLD, TRIM_THRESHOLD = (-3, 32 << 20), (-1, 256 << 20)  # bytes, see mallopt(3)

_ours = False
_set: dict[str, str] = {}  # in the environment


def ours() -> None:
    """Say that this process does our work and no other: what we do not use of a library need not be there, hardly
    anything becomes garbage that only its collector finds, and memory is kept. What the user has set stays so."""
    global _ours
    _ours = True
    gc.set_threshold(LOOKS_AFTER)
    wanted = ONE_THREAD
    c, chosen = ctypes.CDLL(None), [name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_TUNABLES"))]
    if hasattr(c, "mallopt") and not chosen:  # glibc's
        wanted = ONE_THREAD | C_MEMORY
        for setting in (MMAP_THRESHOLD, TRIM_THRESHOLD):
            c.mallopt(*setting)
    _set.update({name: value for name, value in wanted.items() if name not in os.environ})
    os.environ.update(_set)


def theirs() -> None:
    """Take out of the environment what ``ours`` has put there: for programs of others that this process starts."""
    for name in _set:
        os.environ.pop(name, None)


@contextmanager
def quickly() -> Iterator[None]:
    """Import in here what brings jsonschema, or thousands of objects that stay: the garbage collector would look at
    all of them again and again, in a process of ours also afterwards (a third of a validation). Great Expectations
    takes 1.4 s of CPU so, 2.1 s where others work in this process as well, 4.8 s otherwise."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        with _finding(absent=(*UNUSED, *(ELSEWHERE if _ours else ())), later=SELDOM):
            yield
    finally:
        if _ours:
            gc.freeze()
        if collecting:
            gc.enable()


def arrow_without_pandas() -> None:
    """In a process of ours that has no use for pandas, let pyarrow find none: it looks for it when it makes its first
    array, so as to know a Series where it meets one (0.3 s). It looks once: ``to_pandas`` fails from then on."""
    if _ours:
        import pyarrow as pa

        with _finding(absent=("pandas",)):
            pa.array([0])


class _Finder(MetaPathFinder, local):
    """Finds, for a thread, none of its ``absent``; the code of its ``later`` runs when a name of it is first used.
    What is imported already stays as it is."""

    absent: Sequence[str] = ()
    later: Sequence[str] = ()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self.absent:
            raise ModuleNotFoundError(f"{fullname} is not used here", name=fullname)
        if fullname not in self.later:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


_finder = _Finder()


@contextmanager
def _finding(*, absent: Sequence[str], later: Sequence[str] = ()) -> Iterator[None]:
    # It stays there: where one finder goes, another thread that asks them one by one would leave out the next.
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    before = _finder.absent, _finder.later
    _finder.absent, _finder.later = absent, later
    try:
        yield
    finally:
        _finder.absent, _finder.later = before
