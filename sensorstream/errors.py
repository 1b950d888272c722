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
    ├── WindowBusy             7   another run holds the same window
    └── Stopped              130   stopped with Ctrl-C
        ├── HungUp           129   SIGHUP: the terminal or the connection to it is gone
        └── Terminated       143   SIGTERM: of systemd, Airflow, a cluster, a container that ends

Any other failure (Spark's own, a kernel that died) is the base class, 1.

A message is one sentence: the thing, the value, the remedy. No message ever holds a password. Class and sentence are
all that leaves a notebook's kernel, so what a report must know stands in them.
"""

from __future__ import annotations

from .formatting import printable

STOPPED = 130
LONGEST_WORD = 1200  # of a message: no key of S3 is longer, what people paste into a configuration may be
REST = "what it had committed stays, the next run does the rest"
PUBLISHED = "; the window itself is published"


class SensorStreamError(Exception):
    """Base of every failure that a user is told about in one sentence."""

    exit_code = 1
    retry_helps = True  # whether the same call may do later
    # Whether an ingest that failed had put the window into the lake; ``None`` where that is not known.
    published: bool | None = False

    def __init__(self, message: str, *, published: bool = False) -> None:
        # The lines of a driver's own message are folded: one failure, one line. Names in it may be anybody's.
        message = printable(" ".join(word[:LONGEST_WORD] for word in message.split()))
        # As told by a notebook's kernel, of which only class and sentence come.
        if published or message.endswith(PUBLISHED):
            message, self.published = f"{message.removesuffix(PUBLISHED)}{PUBLISHED}", True
        elif type(self) is SensorStreamError or isinstance(self, Stopped):
            self.published = None
        super().__init__(message)


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

    published = True


class LakeCheckFailed(SensorStreamError):
    """An expectation on what was written failed."""

    exit_code = 6
    retry_helps = False


class NotReconciled(LakeCheckFailed):
    """Counts of source and run disagree; nothing was published."""


class WindowBusy(SensorStreamError):
    """Another run is publishing the same window."""

    exit_code = 7


class Stopped(SensorStreamError):
    """Somebody stopped the run."""

    exit_code = STOPPED
    sentence = "stopped"

    @classmethod
    def now(cls) -> Stopped:
        """In its own words."""
        return cls(cls.sentence)


class HungUp(Stopped):
    """The terminal, or the connection to it, is gone."""

    exit_code = 129
    sentence = f"stopped by SIGHUP, the terminal is gone: {REST}"


class Terminated(Stopped):
    """A supervisor ended the process."""

    exit_code = 143
    sentence = f"stopped by SIGTERM, as systemd, Airflow or a container's end sends it: {REST}"


def named(name: str) -> type[SensorStreamError] | None:
    """The class of that name, ``None`` where it is none of these. Pure."""
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, SensorStreamError) else None
