"""What the tests of the DAGs share."""

from __future__ import annotations

import pytest

from tests.dags.airflow_home import Home


@pytest.fixture(scope="session")
def home(plant, tmp_path_factory) -> Home:
    """A migrated Airflow on SQLite, without a server."""
    return Home.make(tmp_path_factory.mktemp("airflow"), plant)
