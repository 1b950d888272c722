"""Signals that stop a command: SIGTERM and SIGHUP do what Ctrl-C does, and are told apart at the end."""

from __future__ import annotations

import signal
from types import FrameType

from .errors import HungUp, SensorStreamError, Stopped, Terminated

KINDS = {signal.SIGTERM: Terminated, signal.SIGHUP: HungUp}

_met: list[type[Stopped]] = []


def note() -> None:
    """From now on they are as Ctrl-C; one that is ignored (nohup) or handled already stays so."""
    for number in KINDS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def stopped(by: BaseException | None = None) -> SensorStreamError:
    """What has stopped this process: the signal that came, else a failure of ours, else Ctrl-C."""
    if _met:
        return _met[0].now()
    return by if isinstance(by, SensorStreamError) else Stopped.now()


def _stop(number: int, frame: FrameType | None) -> None:
    _met.append(KINDS[signal.Signals(number)])
    signal.signal(number, signal.SIG_DFL)  # who cannot wait sends another
    # Whatever sees to Ctrl-C now, Spark's own handler too; a job in the background has none.
    interrupt = signal.getsignal(signal.SIGINT)
    if callable(interrupt):
        interrupt(signal.SIGINT, frame)
    raise KeyboardInterrupt
