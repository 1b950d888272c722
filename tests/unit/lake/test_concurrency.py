"""Requests side by side: a store that fails is not waited for once for each of them."""

from __future__ import annotations

import time

import pytest

from sensorstream.errors import LakeError
from sensorstream.lake.concurrency import at_once


def test_once_a_request_fails_those_that_have_not_begun_are_left():
    begun = []

    def request(number: int) -> None:
        begun.append(number)
        time.sleep(0.05)
        if number == 0:
            raise LakeError("the store is frozen")

    with pytest.raises(LakeError), at_once(2) as pool:
        list(pool.map(request, range(50)))
    assert len(begun) < 10
