"""A store that fails twice is as good as one that does not; one that goes on failing is named in one sentence."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensorstream.config.settings import Config
from sensorstream.errors import LakeError
from sensorstream.lake.stores import Conflict, Store, open_store
from tests.faults.proxy import Answer, Fault, Kind, Proxy

PATIENCE_SECONDS = 2.0
KEYS = [f"some/{number}" for number in range(3)]


@pytest.fixture(scope="module")
def proxy(sandbox) -> Iterator[Proxy]:
    with Proxy(sandbox.s3_endpoint) as proxy:
        yield proxy


def behind(proxy: Proxy, make_config: Callable[..., Config]) -> Store:
    """A lake behind the proxy, with three objects, before anything fails."""
    proxy.heal()
    store = open_store(make_config(lake="s3", s3_endpoint_url=proxy.url, s3_patience_seconds=PATIENCE_SECONDS))
    for key in KEYS:
        store.put(key, key.encode() * 1000)
    proxy.heal()
    return store


def put(store: Store) -> None:
    store.put("new", b"new" * 1000)
    assert store.get("new") == b"new" * 1000


def swap(store: Store) -> None:
    mine = [uuid.uuid4().hex.encode() for _ in range(3)]
    first = store.swap("root", mine[0], None)
    second = store.swap("root", mine[1], first)
    assert store.versioned("root") == (mine[1], second)
    with pytest.raises(Conflict):
        store.swap("root", mine[2], first)


def copy(store: Store) -> None:
    assert store.copy(KEYS[0], "copy")
    assert store.get("copy") == store.get(KEYS[0])


def get(store: Store) -> None:
    assert store.get(KEYS[0]) == KEYS[0].encode() * 1000
    assert store.get("none") is None


def listed(store: Store) -> None:
    assert sorted(store.list("some")) == [(key, 6000) for key in KEYS]


def delete(store: Store) -> None:
    store.delete([*KEYS[1:], "none"])
    assert [key for key, _ in store.list()] == KEYS[:1]


DEEDS: dict[Kind, Callable[[Store], None]] = {
    Kind.PUT: put,
    Kind.SWAP: swap,
    Kind.COPY: copy,
    Kind.GET: get,
    Kind.LIST: listed,
    Kind.DELETE: delete,
}
FAULTS = [fault for fault in Fault if fault is not Fault.UNCONDITIONAL]
SAYS = {
    Fault.SLOW_DOWN: 'still asks to slow down .* "s3_patience_seconds"',
    Fault.PRECONDITION: "the store answers 412 PreconditionFailed",
    Fault.CONFLICT: "the store answers 409 ConditionalRequestConflict",
    Fault.RESET: "cannot be reached|answers break off",
    Fault.LOST: "cannot be reached|answers break off",
    Fault.STALL: 'no answer in time .* "s3_patience_seconds"',
    Fault.HANG: 'no answer in time .* "s3_patience_seconds"',
    Fault.TRUNCATED: "cannot be reached|answers break off",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("kind", DEEDS, ids=lambda kind: kind.value)
def test_two_failures_are_not_noticed(kind, fault, proxy, make_config):
    store = behind(proxy, make_config)
    proxy.fail(kind, fault, times=2)
    DEEDS[kind](store)
    assert proxy.failed[kind] == 2


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
def test_failures_that_last_are_one_sentence_within_the_patience(fault, sandbox, make_config):
    lasting = {
        Kind.SWAP: dict.fromkeys((Fault.PRECONDITION, Fault.CONFLICT), Conflict)
        # The answers are lost, the writes are done, and the object says so.
        | dict.fromkeys((Fault.LOST, Fault.HANG, Fault.TRUNCATED), type(None))
    }

    def outcome(kind: Kind) -> tuple[BaseException | None, float]:
        with Proxy(sandbox.s3_endpoint) as proxy:
            store = behind(proxy, make_config)
            proxy.fail(kind, fault)
            started = time.monotonic()
            try:
                DEEDS[kind](store)
            except (LakeError, Conflict) as failure:
                return failure, time.monotonic() - started
            return None, 0

    with ThreadPoolExecutor() as pool:
        for kind, (failure, seconds) in zip(DEEDS, pool.map(outcome, DEEDS), strict=True):
            assert type(failure) is lasting.get(kind, {}).get(fault, LakeError), (kind, failure)
            assert seconds < 2 * PATIENCE_SECONDS, kind
            if isinstance(failure, LakeError):
                says = str(failure).partition(": ")[2]
                assert re.search(SAYS[fault], says), (kind, says)
                assert len(says) < 160 and "\n" not in says, (kind, says)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.lists(st.sampled_from([f for f in FAULTS if f is not Fault.STALL]), min_size=4, max_size=12))
def test_every_commit_of_racing_writers_is_done_once_whatever_is_lost(faults, proxy, make_config):
    store = behind(proxy, make_config)
    for fault in faults:
        proxy.fail(Kind.SWAP, fault, times=1)

    def commit(name: str) -> None:
        while True:
            data, version = store.versioned("root") or (b"", None)
            if name in data.decode().split():  # done, its answer lost, and then overtaken by another writer
                return
            with suppress(Conflict):
                store.swap("root", f"{data.decode()} {name}".encode(), version)
                return

    names = [f"{writer}.{number}" for writer in range(3) for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda writer: [commit(name) for name in names[3 * writer : 3 * writer + 3]], range(3)))
    assert sorted((store.get("root") or b"").decode().split()) == names


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(404, "NoSuchBucket"), 'there is no such bucket: check "bucket_name"'),
        (Answer(403, "InvalidAccessKeyId"), "credentials are refused"),
        (Answer(400, "ExpiredToken"), "credentials have expired: log in again, or use a role"),
        (Answer(403, "RequestTimeTooSkewed"), "clocks of this machine and the store differ .*: set them right"),
        (
            Answer(403, "AccessDenied", "not authorized to perform: kms:GenerateDataKey"),
            'key is refused.*"s3_kms_key_id"',
        ),
        (Answer(400, "KMS.DisabledException"), 'key is refused.*"s3_kms_key_id"'),
        (Answer(400, "KeyTooLongError"), "1,024 bytes"),
        (Answer(301, "PermanentRedirect"), 'another region: check "s3_region"'),
        (Answer(400, "AuthorizationHeaderMalformed"), 'another region: check "s3_region"'),
        (Answer(400, "InvalidArgument", "No such thing"), "the store answers 400 InvalidArgument No such thing"),
    ],
    ids=lambda case: getattr(case, "code", ""),
)
@pytest.mark.parametrize("kind", DEEDS, ids=lambda kind: kind.value)
def test_what_patience_does_not_mend_is_said_at_once(kind, answer, says, proxy, make_config):
    store = behind(proxy, make_config)
    proxy.fail(kind, answer)
    with pytest.raises(LakeError, match=says):
        DEEDS[kind](store)
    assert proxy.failed[kind] == 1
