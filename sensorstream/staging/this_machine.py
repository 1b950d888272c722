"""Shares done by this process: its threads read, clean and encode together, PostgreSQL packs, and no Java starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from ..config.settings import Config
from ..extract.share_reader import Fetch
from ..extract.temporary_file import open_nameless, write_at
from ..lake.manifest import DataFile
from ..lake.stores import open_store
from ..planning.plan import Plan, workers_of
from ..progress.steps import Progress, watched
from ..progress.worker_messages import ProgressReceiver, listening
from ..transform.quality import quality_rule
from ..transform.staged_rows import Target
from .encode_share import encode_share
from .measured import Measured, measured
from .staged_files import Staged, StagedHere

HOST = "127.0.0.1"
IN_MEMORY_BYTES = 32 << 20  # of staged files; what is more waits in a file on disk


class ThisMachine:
    """The processors of this machine, without Spark."""

    where = "this machine"
    workers = workers_of(None)
    stages = None

    def start(self) -> None:
        return

    def close(self) -> None:
        return

    def listening(self, wanted: bool) -> AbstractContextManager[ProgressReceiver | None]:
        return listening(HOST, HOST, wanted)

    def watched(
        self, phase: str, tell: Progress | None, receiver: ProgressReceiver | None = None, expected: int = 0
    ) -> AbstractContextManager[None]:
        return watched(phase, tell, receiver, expected)

    @contextmanager
    def staged(
        self, config: Config, plan: Plan, snapshot: str, receiver: ProgressReceiver | None = None
    ) -> Iterator[tuple[Staged, Measured]]:
        sender = receiver.sender if receiver else None
        rule, target = quality_rule(config, plan.layout), Target.of(config)
        fetch = Fetch.of(plan, config, snapshot, sender)
        with StagedFiles() as files:
            rows = (
                row
                for number, share in enumerate(plan.shares)
                for row in encode_share(fetch, share, rule, target, number)
            )
            found = measured(rows, files.keep)
            yield StagedHere(files, open_store(config), sender), found


class StagedFiles(Mapping[DataFile, bytes]):
    """The bytes of staged files, in memory up to a bound and then in one nameless file on disk."""

    def __init__(self, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self._free = in_memory_bytes
        self._files: dict[DataFile, bytes | tuple[int, int]] = {}  # the bytes, or their place and size on disk
        self._disk: int | None = None
        self._end = 0

    def keep(self, entry: DataFile, data: bytes) -> None:
        """Keep the bytes of a file."""
        if len(data) <= self._free:
            self._free -= len(data)
            self._files[entry] = data
            return
        if self._disk is None:
            self._disk = open_nameless("staged")
        self._files[entry] = self._end, len(data)
        write_at(self._disk, self._end, memoryview(data))
        self._end += len(data)

    def __getitem__(self, entry: DataFile) -> bytes:
        found = self._files[entry]
        if isinstance(found, bytes):
            return found
        place, size = found
        data = os.pread(self._disk or 0, size, place)
        if len(data) != size:
            raise EOFError("the file of staged files is shorter than what was written to it")
        return data

    def __iter__(self) -> Iterator[DataFile]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __enter__(self) -> StagedFiles:
        return self

    def __exit__(self, *failure: object) -> None:
        self._files.clear()
        if self._disk is not None:
            os.close(self._disk)
            self._disk = None
