"""What ``import sensorstream`` offers."""

from __future__ import annotations

import pytest

import sensorstream


@pytest.mark.parametrize(("old", "new"), [("read", "read_lake"), ("readings", "read_historian")])
def test_an_old_name_still_works_and_says_the_new_one(old, new):
    with pytest.warns(DeprecationWarning, match=f"sensorstream.{new}"):
        assert getattr(sensorstream, old) is getattr(sensorstream, new)


def test_every_public_name_is_there():
    assert all(hasattr(sensorstream, name) for name in sensorstream.__all__)
