"""How far a run is, told to whoever shows it: the count of finished tasks, and what the workers say meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from ..formatting import short, size, span
from .worker_messages import ProgressReceiver, WorkerProgress

POLL_SECONDS = 0.2
SURE_AFTER = 0.02  # share of the work: before it a rate says nothing


@dataclass(frozen=True)
class Step:
    """How far a phase is: ``done`` of ``total`` tasks (or places, or files), and readings where they are known.

    ``readings`` were read, ``finished`` of them are cleaned and encoded as well, in ``size`` bytes; ``expected`` is
    the planner's estimate of them all, 0 where there is none. ``seconds`` since the phase began.
    """

    phase: str
    done: int
    total: int
    readings: int = 0
    finished: int = 0
    expected: int = 0
    size: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """0 to 1. Reading and encoding are half of the work each; an estimate that was too low is never overtaken."""
        if self.total and self.done >= self.total:
            return 1.0
        if self.expected:
            return min((self.readings + self.finished) / (2 * self.expected), 0.99)
        return self.done / self.total if self.total else 0.0

    @property
    def left(self) -> float | None:
        """Seconds, by the pace so far; None where that is not known yet."""
        return self.seconds * (1 - self.share) / self.share if self.seconds and self.share >= SURE_AFTER else None

    def __str__(self) -> str:
        if not self.readings and not self.size:
            counted = f"{self.done:,} of {self.total:,}" if self.total > 1 else span(self.seconds)
        else:
            of = f" of about {short(self.expected)}" if self.expected and self.share < 1 else ""
            counted = ", ".join(
                part
                for part in (
                    f"{short(self.readings)}{of} readings" if self.readings else "",
                    size(self.size) if self.size else "",
                    f"{short(self.readings / self.seconds)} readings/s" if self.readings and self.seconds else "",
                )
                if part
            )
        left = "" if self.left is None or self.share >= 1 else f", {span(self.left)} left"
        return f"{self.phase}: {counted}{left}"


Progress = Callable[[Step], None]


@contextmanager
def watched(
    phase: str,
    tell: Progress | None,
    receiver: ProgressReceiver | None = None,
    expected: int = 0,
    tasks: Callable[[], Iterable[tuple[int, int, int]]] = lambda: ((0, 0, 1),),
) -> Iterator[None]:
    """While the block runs, tell how far its tasks are, and what workers say to ``receiver``; once more at its end.

    About ``expected`` readings there will be; 0: not known. ``tasks`` gives of each stage of tasks a number, how many
    are done, and how many there are; by default there is one task.
    """
    if tell is None:
        yield
        return
    begin = time.monotonic()
    known: dict[int, tuple[int, int]] = {}

    def step(*, over: bool = False) -> Step:
        seen = receiver.received(phase) if receiver else WorkerProgress()
        total = sum(total for _, total in known.values())
        done = sum(done for done, _ in known.values())
        if over:
            total = done = max(total, 1)
        return Step(phase, done, total, seen.read, seen.finished, expected, seen.size, time.monotonic() - begin)

    def poll() -> None:
        known.update({stage: (done, total) for stage, done, total in tasks()})
        if known:
            tell(step())

    with every(POLL_SECONDS, poll):
        yield
    tell(step(over=True))


@contextmanager
def every(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` every so many seconds, in a thread, while the block runs."""
    over = Event()

    def repeat() -> None:
        while not over.wait(seconds):
            act()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
