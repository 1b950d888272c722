"""The lake's store as pyiceberg sees one: whole objects, with the store's own patience and errors."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from ..stores import Store


class StoreIO(FileIO):
    """Objects of one store, by their addresses; what was read or written once is not asked for again."""

    def __init__(self, store: Store) -> None:
        super().__init__({})
        self.store = store
        self.held: dict[str, bytes] = {}

    def new_input(self, location: str) -> Input:
        return Input(location, self)

    def new_output(self, location: str) -> Output:
        return Output(location, self)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Nothing: what the root does not name is removed with its lease."""

    def get(self, location: str) -> bytes | None:
        if location not in self.held:
            data = self.store.get(self._key(location)) if location.startswith(self.store.url) else None
            if data is None:
                return None
            self.held[location] = data
        return self.held[location]

    def put(self, location: str, data: bytes) -> None:
        self.store.put(self._key(location), data)
        self.held[location] = data

    def _key(self, location: str) -> str:
        return location.removeprefix(self.store.url)


class Input(InputFile):
    def __init__(self, location: str, io: StoreIO) -> None:
        super().__init__(location)
        self.io = io

    def __len__(self) -> int:
        return len(self.io.get(self.location) or b"")

    def exists(self) -> bool:
        return self.io.get(self.location) is not None

    def open(self, seekable: bool = True) -> InputStream:
        data = self.io.get(self.location)
        if data is None:
            raise FileNotFoundError(f"{self.location} does not exist in the lake")
        return BytesIO(data)


class Output(OutputFile):
    def __init__(self, location: str, io: StoreIO) -> None:
        super().__init__(location)
        self.io = io

    def __len__(self) -> int:
        return len(self.io.held[self.location])

    def exists(self) -> bool:
        return False  # names are never used twice

    def to_input_file(self) -> Input:
        return Input(self.location, self.io)

    def create(self, overwrite: bool = False) -> OutputStream:
        return Written(self)


class Written(BytesIO):
    """Bytes that become an object once they are all there."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self.output = output

    def close(self) -> None:
        if not self.closed:
            self.output.io.put(self.output.location, self.getvalue())
        super().close()

    def __exit__(self, kind: Any, *more: Any) -> None:
        if kind is None:
            self.close()
