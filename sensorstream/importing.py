"""Large libraries, imported in half the time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# jsonschema builds a parser of international addresses (1.4 s) wherever this package is there, for a format that no
# schema of notebooks, charts or expectations has.
UNUSED = "rfc3987_syntax"


@contextmanager
def quickly() -> Iterator[None]:
    """Import in here what brings jsonschema, or thousands of objects that stay: the garbage collector would look at
    all of them again and again. Great Expectations takes 3.5 s so, 6.2 s otherwise (medians of three)."""
    collecting, hidden = gc.isenabled(), UNUSED not in sys.modules
    gc.disable()
    if hidden:
        sys.modules[UNUSED] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            sys.modules.pop(UNUSED, None)
        if collecting:
            gc.enable()
