"""``sensorstream``, and ``python -m sensorstream``."""

from __future__ import annotations

import sys

from .errors import STOPPED
from .fast_import import ours


def main() -> None:
    """The command line; Ctrl-C while it is still imported (half a second) is one word as well."""
    ours()
    try:
        from .cli.main import main as begin
    except KeyboardInterrupt:
        print("sensorstream: stopped", file=sys.stderr)
        sys.exit(STOPPED)
    begin()


if __name__ == "__main__":
    main()
