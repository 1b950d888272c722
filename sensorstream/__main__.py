"""``sensorstream``, and ``python -m sensorstream``."""

from __future__ import annotations

import sys

from .fast_import import ours
from .signals import note, stopped


def main() -> None:
    """The command line; what stops it while it is still imported (half a second) is told as well."""
    note()
    ours()
    try:
        from .cli.main import main as begin
        from .cli.unheard import bear_it
    except KeyboardInterrupt:
        error = stopped()
        print(f"sensorstream: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    bear_it()
    begin()


if __name__ == "__main__":
    main()
