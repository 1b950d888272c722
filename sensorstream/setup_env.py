"""What ``make`` runs after the packages are installed: Java and the JDBC driver, said in a sentence each."""

from __future__ import annotations

import sys

from sensorstream.errors import SensorStreamError
from sensorstream.java import java_home
from sensorstream.jdbcdriver import fetch_driver, find_driver


def main() -> None:
    """Prepare the runtime; without the driver only the ``jdbc`` engine is missing, so that is no failure."""
    try:
        java_home()
    except SensorStreamError as error:
        sys.exit(f"sensorstream: {error}")
    try:
        if find_driver(None) is None:
            print(f"sensorstream: JDBC driver fetched to {fetch_driver()}")
    except SensorStreamError as error:
        print(f"sensorstream: the jdbc engine is not available, all else is: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
