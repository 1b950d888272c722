"""What is put into a spool comes out whole and in order, from memory or from its file."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorstream.extract.spool import Spool

PLACES = {"a": 0, "b": 1, "c": 2}
pieces = st.lists(st.binary(max_size=9), min_size=len(PLACES), max_size=len(PLACES))


@given(
    st.lists(st.tuples(st.sampled_from("xy"), st.booleans(), pieces)), st.sampled_from([0, 20, 10_000]), st.randoms()
)
def test_each_key_gets_its_pieces_in_order(blocks, in_memory_bytes, random):
    wanted = defaultdict(bytes)
    for group, _, block in blocks:
        for key, data in zip(PLACES, block, strict=True):
            wanted[group, key] += data
    arriving = list(enumerate(blocks))
    random.shuffle(arriving)
    with Spool[str](in_memory_bytes) as waiting:
        for _ in range(2):  # the second time the file starts anew
            for order, (group, together, block) in arriving:
                pieces = [(PLACES, block)] if together else [({key: 0}, [block[n]]) for key, n in PLACES.items()]
                for places, some in pieces:
                    ends = np.cumsum([0, *map(len, some)])
                    waiting.put(group, places, ends, order, memoryview(b"".join(some)))
            keys = [(group, key) for group in "xy" for key in PLACES]
            random.shuffle(keys)
            for some in (keys[:2], keys[2:]):
                found, sizes = waiting.take(some)
                assert bytes(found) == b"".join(wanted[key] for key in some)
                assert sizes == [len(wanted[key]) for key in some]
