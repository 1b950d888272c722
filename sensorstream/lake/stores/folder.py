"""A lake in a local folder."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ...config.settings import Iceberg
from ...errors import LakeError
from ..keys import decode_tagpath
from .store import Conflict

# While it is written, an object has a name that readers of Hive-partitioned data pass over and ``list`` leaves out.
UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.part")
# No such object: a name that is too long cannot have one.
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


class Folder:
    """A local folder; compare-and-swap holds a lock on the folder itself, since a file system has no such write."""

    def __init__(self, path: Path, iceberg: Iceberg | None = None) -> None:
        self.path = path.resolve()  # the process may change its folder
        self.place, self.url, self.iceberg = str(path), f"{self.path}/", iceberg
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LakeError(f'lake folder {path} cannot be made: {error.strerror}: check "local_path"') from error

    def check(self) -> None:
        with self._errors("listing"):
            next(os.scandir(self.path), None)

    def probe(self) -> None:
        with self._errors("locking"), self._locked():
            pass

    def get(self, key: str) -> bytes | None:
        with self._errors(f"reading {key}"):
            try:
                return self._file(key).read_bytes()
            except OSError as error:
                if error.errno in ABSENT:
                    return None
                raise

    def put(self, key: str, data: bytes) -> None:
        with self._errors(f"writing {key}"):
            file = self._file(key)
            for last in (False, False, False, False, True):
                try:
                    _make(file.parent)
                    return _write(file, data)
                except FileNotFoundError:  # the folder went with its last file, or ``sweep`` was faster than the lock
                    if last:
                        raise

    def copy(self, source: str, target: str) -> bool:
        data = self.get(source)
        if data is not None:
            self.put(target, data)
        return data is not None

    def delete(self, keys: Sequence[str]) -> None:
        folders = set()
        with self._errors(f"removing {len(keys)} objects"):
            for key in keys:
                file = self._file(key)
                try:
                    file.unlink()
                    folders.add(file.parent)
                except OSError as error:
                    if error.errno not in ABSENT:
                        raise
            for folder in {self._remove_empty(folder) for folder in folders}:
                with suppress(FileNotFoundError):
                    _sync(folder)

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        with self._errors(f"listing {prefix}".rstrip()):
            for file in self._files(prefix):
                if not file.name.startswith("."):
                    with suppress(FileNotFoundError):
                        yield file.relative_to(self.path).as_posix(), file.stat().st_size

    def versioned(self, key: str) -> tuple[bytes, str] | None:
        data = self.get(key)
        return None if data is None else (data, _version(data))

    def swap(self, key: str, data: bytes, version: str | None) -> str:
        with self._errors(f"writing {key}"), self._locked():
            # A writer that was killed in here holds no lease that anybody would take over.
            _sweep(self._file(key).parent.glob(".*"))
            now = self.versioned(key)
            if (now[1] if now else None) != version:
                raise Conflict(key)
            self.put(key, data)
        return _version(data)

    def sweep(self) -> int:
        with self._errors("sweeping"):
            swept = _sweep(self._files(""))
            for folder in {file.parent for file in swept}:
                self._remove_empty(folder)
        return len(swept)

    def _file(self, key: str) -> Path:
        parts = key.split("/")
        whole = "\0" not in key and key == key.encode(errors="ignore").decode()
        if not whole or any(part == "" or part.startswith(".") for part in parts):
            raise LakeError(
                f"lake {self.place}: {key[:200]} is no name for an object: no segment may begin with a point"
            )
        return self.path.joinpath(*parts)

    def _files(self, prefix: str) -> Iterator[Path]:
        def refuse(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                raise error

        for folder, folders, names in os.walk(self.path / prefix, onerror=refuse, followlinks=True):
            folders.sort()
            yield from (Path(folder, name) for name in sorted(names))

    def _remove_empty(self, folder: Path) -> Path:
        """Remove the folder and those above it that hold nothing, never the lake itself; the one that stays."""
        with suppress(OSError):
            while folder != self.path:
                folder.rmdir()
                folder = folder.parent
        return folder

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl

        lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise LakeError(f"lake {self.place}, {_too_long(doing)}") from error
            remedy = ": make room there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
            raise LakeError(f"lake {self.place}, {doing}: {error.strerror or error}{remedy}") from error


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(file: Path, data: bytes) -> None:
    """Write under another name, then rename; the lock says that the writer lives."""
    import fcntl

    unfinished = file.parent / f".{uuid.uuid4().hex}.part"
    descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        with open(descriptor, "wb") as sink:
            fcntl.flock(sink, fcntl.LOCK_EX)
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
            os.replace(unfinished, file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync(file.parent)


def _sweep(files: Iterable[Path]) -> list[Path]:
    """Remove what is unfinished and has lost its writer."""
    import fcntl

    swept = []
    for file in [file for file in files if UNFINISHED.fullmatch(file.name)]:
        with suppress(FileNotFoundError, BlockingIOError), file.open("rb") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink()
            swept.append(file)
    return swept


def _make(folder: Path) -> None:
    """Make the folder and those above it, each on the disk before what it will hold."""
    if folder.is_dir():
        return
    _make(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _too_long(doing: str) -> str:
    """The sentence for a name that the file system refuses: the tag path, the length, the limit, the remedy."""
    longest = max(doing.split(" ", 1)[1].split("/"), key=lambda part: len(part.encode()))
    size = len(longest.encode())
    named = longest.removeprefix("tagpath=")
    what = f"tag path {decode_tagpath(named)[:200]}" if named != longest else f"name {named[:200]}"
    return (
        f"{what} needs a folder name of {size} bytes, the file system allows 255:"
        ' leave it out with "sensor_patterns" or keep the lake in a bucket'
    )
