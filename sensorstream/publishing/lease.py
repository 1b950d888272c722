"""One publisher at a time: its lease stands in the manifest's root, and a journal says what it does.

::

    acquire   the root names the lease                                  (compare-and-swap)
    announce  journal/<lease>.json: keys that are new to the lake
              new files are put under their keys, files that replace others under staged/<lease>/
    commit    journal/<lease>-settle.json: what goes, what comes; the root names the new states  (compare-and-swap)
    settle    a tag path and month at a time: old keys go, staged files are copied to theirs
    end       staged files, journals and old states go, the root names no lease                  (compare-and-swap)

A lease that ends before its commit is undone, one that ends after it is settled: by the publisher itself if it can, by
the next one if it was killed. Whoever takes over a lease changes its holder in the root, so that the old holder's next
swap fails. Until a lease is settled, readers that keep to the manifest find under ``staged/`` what is not in place yet.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import wraps
from threading import Event, Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from pydantic import TypeAdapter

from ..config.settings import Config
from ..errors import LakeError, NotSettled, WindowBusy
from ..lake.concurrency import at_once
from ..lake.keys import BOOKS, ICEBERG, PROBES, STAGED, staged_key
from ..lake.manifest import ROOT, Manifest, Root, read_manifest, swap_root
from ..lake.sound import MEND, NEW, SETTLING, New, journal_of
from ..lake.stores import Conflict, Store, reached_store
from .holder import Holder, this_process

if TYPE_CHECKING:
    from ..lake.iceberg.pointer import Pointers

P = ParamSpec("P")
Done = TypeVar("Done")

JOURNAL = f"{BOOKS}journal/"

BEAT_SECONDS = 10.0
LEASE_SECONDS = 60.0  # a lease whose root does not change for so long has lost its holder
LONGEST_WAIT_SECONDS = 3600.0
REQUESTS_AT_ONCE = 8


@dataclass(frozen=True)
class Place:
    """A tag path and month to be settled: keys that go, then staged objects that come (digest, key)."""

    gone: tuple[str, ...]
    come: tuple[tuple[str, str], ...]


class Lease:
    """The right to change the lake. As a context it beats while it lasts, and is undone where its block fails."""

    def __init__(self, manifest: Manifest) -> None:
        assert manifest.root.turn is not None
        self.store: Store = manifest.store
        self.id = str(manifest.root.turn["id"])
        self._manifest = manifest
        self._swapping = Lock()
        self._ended = Event()
        self._beaten = time.monotonic()

    # -- what the holder does, in this order ----------------------------------------------------------------------

    def announce(self, new_keys: Sequence[str]) -> None:
        """Write down which keys will be new to the lake, before the first of them is put."""
        self.store.put(self._journal, json.dumps({"new": sorted(new_keys)}).encode())

    def staged_key(self, digest: str) -> str:
        """Where a file that replaces others waits for the commit."""
        return staged_key(self.id, digest)

    def check(self) -> None:
        """``LakeError`` if the store has not heard of this lease for so long that another may have taken it over."""
        if time.monotonic() - self._beaten > LEASE_SECONDS / 2:
            raise LakeError(
                f"lake {self.store.place} did not answer for {LEASE_SECONDS / 2:.0f} s while this run published:"
                " check the store, the next run begins anew"
            )

    def commit(self, root: Root, places: Sequence[Place]) -> None:
        """Make ``root`` the truth: afterwards the lease can only be settled."""
        self.check()
        journal = json.dumps([[place.gone, place.come] for place in places]).encode()
        self.store.put(self._settling, journal)
        self._swap(lambda lease: replace(root, turn={**lease, "phase": "settling"}))

    def settle(self, *, forget: Iterable[str] = ()) -> None:
        """Bring the prefix to what the manifest says, and end the lease; state files to ``forget`` go along."""
        places = self._places()
        lost: list[str] = []

        def settle(place: Place) -> None:
            self.check()
            if place.gone:
                self.store.delete(place.gone)
            lost.extend(key for digest, key in place.come if not self.store.copy(self.staged_key(digest), key))

        try:
            with at_once(REQUESTS_AT_ONCE) as pool:
                list(pool.map(settle, places))
            if pointers := _pointers(self._manifest):
                pointers.follow()
        except LakeError as error:
            raise NotSettled(
                f"{error}: the run is committed, the next one or recover does what is left of it"
            ) from error
        # Without this journal all is in place: the staged files may go.
        self.store.delete([self._settling])
        self._clean([*(self.staged_key(digest) for place in places for digest, _ in place.come), *forget])
        if lost:
            what = f"{len(lost)} files vanished before they were in place, {lost[0]} for one"
            raise LakeError(f"lake {self.store.place}: {what}: {MEND}")

    def undo(self) -> None:
        """Remove what this lease has written, and end it; what is committed stays.

        Raises ``WindowBusy``, and nothing is removed, if the lease was committed after all or is another's now.
        """
        # The answer to a commit may have been lost, or the lease been taken over: what the root names stays.
        try:
            self._keep()
        except WindowBusy:
            self._leave()
            raise
        self._clean([*self._new(), *(key for key in unnamed(self._manifest) if not key.startswith(JOURNAL))])

    def announced(self) -> list[str]:
        """The objects that the lease in progress has said it would write, replace or remove."""
        settled = (key for place in self._places() for key in (*place.gone, *(key for _, key in place.come)))
        return sorted({*self._new(), *settled})

    def _new(self) -> list[str]:
        return _said(self.store, self._journal, NEW, New(new=[])).new

    def _places(self) -> list[Place]:
        return [Place(tuple(gone), tuple(come)) for gone, come in _said(self.store, self._settling, SETTLING, [])]

    def _leave(self) -> None:
        """Remove what only this lease can have written and nobody will look for: the lease was ended by another."""
        lease = read_manifest(self.store).root.turn
        if lease is None or lease["id"] != self.id:
            staged = [key for key, _ in self.store.list(f"{STAGED}{self.id}")]
            self.store.delete([self._journal, self._settling, *staged])

    def _clean(self, left: Sequence[str]) -> None:
        self.check()
        self.store.delete(left)
        # The journals go last: while one is there, whoever takes over knows what is left to do.
        self.store.delete([self._journal, self._settling])
        self._swap(lambda lease: replace(self._manifest.root, turn=None))

    @property
    def phase(self) -> Literal["writing", "settling"]:
        lease = self._manifest.root.turn
        return lease["phase"] if lease else "settling"

    @property
    def _journal(self) -> str:
        return f"{JOURNAL}{self.id}.json"

    @property
    def _settling(self) -> str:
        return f"{JOURNAL}{self.id}-settle.json"

    # -- the root ---------------------------------------------------------------------------------------------------

    def _swap(self, change: Callable[[dict[str, Any]], Root]) -> None:
        with self._swapping:
            if self._manifest.root.turn is None:
                return  # a beat just after the end
            try:
                self._manifest = swap_root(self._manifest, change(dict(self._manifest.root.turn)))
            except Conflict:
                raise WindowBusy(
                    f"another run has taken over the publishing of {self.store.place}, since this one did not answer:"
                    " run again"
                ) from None
            self._beaten = time.monotonic()

    def _keep(self) -> None:
        """Say that the holder lives; ``WindowBusy`` if the root has been written by another, or is committed."""
        self._swap(lambda lease: replace(self._manifest.root, turn={**lease, "beat": lease["beat"] + 1}))

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                self._keep()
            except LakeError:
                continue  # ``check`` tells when that lasts
            except WindowBusy:
                return  # the holder's own next swap says so

    def __enter__(self) -> Lease:
        self._thread = Thread(target=self._beat, daemon=True, name="sensorstream turn")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None and self._manifest.root.turn and self.phase == "writing":
                self.undo()
        except (LakeError, WindowBusy) as also:
            # The failure itself is what the user is told; the next run, or ``recover``, does the rest.
            assert error is not None
            error.add_note(f"the next run will put right what is left: {also}")
        finally:
            self._ended.set()
            self._thread.join()


def until_acquired(step: Callable[P, Done]) -> Callable[P, Done]:
    """``step``, which looks at the manifest and acquires a lease: again if another has written the root meanwhile."""

    @wraps(step)
    def again(*args: P.args, **kwargs: P.kwargs) -> Done:
        while True:
            with suppress(Conflict):
                return step(*args, **kwargs)

    return again


@until_acquired
def store_to_write(config: Config) -> Store:
    """The lake's store, once it has answered; ``LakeError`` where it does not, or where a new lake's first lease could
    not be taken in it."""
    store = reached_store(config)
    if store.iceberg:
        from ..lake.iceberg import import_beside

        import_beside()
    manifest = read_manifest(store).held_to(config.timezone)
    if manifest.version is None:
        store.probe()
    _refuse_foreign_commits(manifest)
    return store


def acquire(manifest: Manifest, what: str) -> Lease:
    """The lease to change ``what``; ``stores.Conflict`` if somebody else has written the root since it was read."""
    if manifest.version is None:
        manifest.store.probe()
    _refuse_foreign_commits(manifest)
    lease = {"id": uuid.uuid4().hex, "what": what, "phase": "writing", "holder": asdict(this_process()), "beat": 0}
    return Lease(swap_root(manifest, replace(manifest.root, turn=lease)))


def wait_until_free(store: Store, ended: Callable[[Manifest], None] = lambda manifest: None) -> Manifest:
    """The manifest when nobody has a lease: waits while somebody publishes, recovers what nobody will end.

    ``ended`` is told of a lease that a killed run left, before it is finished or undone.

    Raises ``WindowBusy`` after an hour.
    """
    began = changed = time.monotonic()
    version, pause = None, 0.05
    while True:
        manifest = read_manifest(store)
        lease = manifest.root.turn
        if lease is None:
            return manifest
        now = time.monotonic()
        if manifest.version != version:
            version, changed = manifest.version, now
        if Holder(**lease["holder"]).gone() or now - changed > LEASE_SECONDS:
            ended(manifest)
            take_over(manifest)
            continue
        if now - began > LONGEST_WAIT_SECONDS:
            raise WindowBusy(f"a run has been publishing {lease['what']} for an hour: wait for it, then run again")
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def recover(store: Store) -> str | None:
    """Finish or undo what a killed run left; a sentence on what it was, ``None`` if there is nothing."""
    did: list[str] = []

    @until_acquired
    def put_right() -> None:
        manifest = wait_until_free(store, lambda manifest: did.append(taken_over(manifest)))
        with _nobody_beside(manifest):
            behind = (pointers := _pointers(manifest)) and pointers.behind()
        if behind:
            with acquire(manifest, "the table's pointers") as lease:
                lease.commit(manifest.root, [])
                lease.settle()
            did.append("what names the Iceberg table's metadata was put in its place")
        if manifest.version is None:  # a first run, which asks more of the store than others, came no further
            store.delete([key for key, _ in store.list(PROBES)])

    put_right()
    return did[-1] if did else None


def taken_over(manifest: Manifest) -> str:
    """What becomes of a lease whose holder is gone, in a sentence. Pure."""
    lease = manifest.root.turn or {}
    did = "finished" if lease["phase"] == "settling" else "undone"
    return f"a run that ended while it published {lease['what']} was {did}"


def take_over(manifest: Manifest) -> None:
    """End the lease of a holder that is gone. Whoever is first does it; for the others there is nothing left.

    Raises ``ConfigError`` where the lake is an Iceberg table and the configuration does not say which.
    """
    if manifest.root.iceberg and not manifest.store.iceberg:
        manifest.of_its_kind()
    held = {**(manifest.root.turn or {}), "holder": asdict(this_process())}
    try:
        lease = Lease(swap_root(manifest, replace(manifest.root, turn=held)))
    except Conflict:
        return
    with lease:
        lease.store.sweep()
        if lease.phase == "writing":
            lease.undo()
        else:
            lease.settle(forget=[key for key in unnamed(manifest) if not key.startswith(JOURNAL)])


def _said(store: Store, key: str, form: TypeAdapter[Any], none: Any) -> Any:
    """What a journal says; ``none`` where it is gone, ``LakeError`` where nobody can tell."""
    try:
        return journal_of(store.get(key), form, none)
    except ValueError as error:
        raise LakeError(f"lake {store.place}: {key} {error}") from None


def unnamed(manifest: Manifest) -> list[str]:
    """Objects of the bookkeeping, and of the Iceberg table's, that the root does not name."""
    named: set[str] = {ROOT, *manifest.root.states}
    found = [key for key, _ in manifest.store.list(BOOKS.rstrip("/"))]
    if manifest.store.iceberg:
        from ..lake.iceberg import pointer, table

        try:
            named |= table.LakeTable(manifest.store, manifest.root.iceberg).objects()
        except LakeError:  # nothing can be said of what it names
            return [key for key in found if key not in named]
        if manifest.root.is_table:
            named.add(pointer.HINT)
        found += [key for key, _ in manifest.store.list(ICEBERG.rstrip("/"))]
    return [key for key in found if key not in named]


def _refuse_foreign_commits(manifest: Manifest) -> None:
    with _nobody_beside(manifest):
        if manifest.root.turn is None and (pointers := _pointers(manifest)):
            pointers.look()


@contextmanager
def _nobody_beside(manifest: Manifest) -> Iterator[None]:
    """``stores.Conflict`` in place of what is found wrong where another run has written the root since it was read."""
    try:
        yield
    except LakeError:
        if read_manifest(manifest.store).version != manifest.version:
            raise Conflict from None
        raise


def _pointers(manifest: Manifest) -> Pointers | None:
    """What tells readers of the Iceberg table which metadata is committed; ``None`` where the lake is no table."""
    if not (manifest.store.iceberg and manifest.root.is_table):
        return None
    from ..lake.iceberg.pointer import Pointers

    return Pointers(manifest)
