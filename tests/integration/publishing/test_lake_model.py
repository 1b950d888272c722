"""Any sequence of runs over a lake on S3 leaves what the model says."""

from __future__ import annotations

import pytest

from tests.lake_model import hold


def test_any_sequence_of_runs_leaves_what_the_model_says(make_config):
    hold(make_config, "s3", 3, 8)


@pytest.mark.slow
def test_long_sequences_of_runs_leave_what_the_model_says(make_config):
    hold(make_config, "s3", 80, 25)
