"""What a run asks of whoever does its shares."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..config.settings import Config
from ..planning.plan import Plan, Workers
from ..progress.steps import Progress
from ..progress.worker_messages import ProgressReceiver
from .measured import Measured
from .staged_files import Staged


class Executor(Protocol):
    """Does the shares of a plan."""

    @property
    def where(self) -> str:
        """As the run record says it."""

    @property
    def stages(self) -> list[dict[str, Any]] | None:
        """What was read and encoded so far, as the run record tells it; ``None`` where there are no tasks of Spark."""

    @property
    def workers(self) -> Workers:
        """What the plan may count on."""

    def start(self) -> None:
        """Be ready; what takes long may have been begun before."""

    def listening(self, wanted: bool) -> AbstractContextManager[ProgressReceiver | None]:
        """What hears how far the shares are while the block runs; ``None`` where nobody wants to know."""

    def watched(
        self, phase: str, tell: Progress | None, receiver: ProgressReceiver | None = None, expected: int = 0
    ) -> AbstractContextManager[None]:
        """While the block runs, tell how far its tasks are; once more at its end."""

    def staged(
        self, config: Config, plan: Plan, snapshot: str, receiver: ProgressReceiver | None = None
    ) -> AbstractContextManager[tuple[Staged, Measured]]:
        """The plan's readings as files, kept until the block ends, and what they hold."""

    def close(self) -> None:
        """Give back what was started and never used."""
