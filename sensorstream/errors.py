"""What can go wrong, and the exit code that says so.

::

    SensorStreamError
    ├── ConfigError            2   bad arguments or configuration
    │   └── SecretsAway        2   Secrets Manager does not answer now
    ├── SourceError            3   the historian cannot be reached or has the wrong shape
    ├── SourceCheckFailed      4   an expectation on the source failed
    ├── LakeError              5   the lake cannot be reached or refused
    │   └── NotSettled         5   a run is committed, but not all of its files are in place yet
    ├── LakeCheckFailed        6   an expectation on the lake failed
    │   └── NotReconciled      6   what was read is not what would be written
    └── WindowBusy             7   another run holds the same window

Any other failure (Spark's own, a kernel that died) is the base class, 1; Ctrl-C is 130.

A message is one sentence: the thing, the value, the remedy. No message ever holds a password. Class and sentence are
all that leaves a notebook's kernel, so what a report must know stands in them.
"""

from __future__ import annotations

STOPPED = 130
PUBLISHED = "the window itself is published"


class SensorStreamError(Exception):
    """Base of every failure that a user is told about in one sentence."""

    exit_code = 1
    retry_helps = True  # whether the same call may do later

    def __init__(self, message: str) -> None:
        # The lines of a driver's own message are folded: one failure, one line.
        super().__init__(" ".join(message.split()))

    @property
    def before_commit(self) -> bool:
        """Whether the lake is known to be as it was: not of a failure without a name, nor after the commit."""
        return type(self) not in (SensorStreamError, NotSettled) and PUBLISHED not in str(self)


class ConfigError(SensorStreamError):
    """Arguments or configuration that cannot be used."""

    exit_code = 2
    retry_helps = False


class SecretsAway(ConfigError):
    """Secrets Manager cannot be reached or is too busy: the same arguments may do later."""

    retry_helps = True


class SourceError(SensorStreamError):
    """The historian cannot be reached, refuses the login, or has the wrong shape."""

    exit_code = 3


class SourceCheckFailed(SensorStreamError):
    """An expectation on the source failed."""

    exit_code = 4
    retry_helps = False


class LakeError(SensorStreamError):
    """The lake cannot be reached, refuses the credentials, or holds what it should not."""

    exit_code = 5


class NotSettled(LakeError):
    """The store failed after the commit: the next run, or ``recover``, puts the files in place."""


class LakeCheckFailed(SensorStreamError):
    """An expectation on what was written failed."""

    exit_code = 6
    retry_helps = False


class NotReconciled(LakeCheckFailed):
    """Counts of source and run disagree; nothing was published."""


class WindowBusy(SensorStreamError):
    """Another run is publishing the same window."""

    exit_code = 7


def named(name: str) -> type[SensorStreamError] | None:
    """The class of that name, ``None`` where it is none of these. Pure."""
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, SensorStreamError) else None


def after_commit(error: SensorStreamError) -> SensorStreamError:
    """``error``, which came after the window was published, told so. Pure."""
    return type(error)(f"{error}; {PUBLISHED}")
