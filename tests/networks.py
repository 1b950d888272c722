"""Servers of this machine over a network: TCP addresses that lead to them, with a delay and a card of limited speed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from threading import Thread
from typing import Self

CHUNK_BYTES = 64 << 10
ON_THE_WAY = 256  # chunks of a connection: more is not taken in before some have arrived


@dataclass
class Network:
    """``delay_seconds`` a direction; ``bytes_per_second`` of each machine that calls, in each direction, over all its
    connections. Lines stay open until the block ends."""

    host: str
    delay_seconds: float = 0.0
    bytes_per_second: float = float("inf")
    _free: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))  # when a card is

    def line(self, port: int, host: str = "127.0.0.1", at: int = 0) -> int:
        """Open a port, ``at`` one or any, that leads to another."""

        async def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            caller = writer.get_extra_info("peername")[0]
            far_reader, far_writer = await asyncio.open_connection(host, port)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._carry(reader, far_writer, (caller, "out")))
                    both.create_task(self._carry(far_reader, writer, (caller, "in")))
            except* OSError:  # an end hung up: so does the other
                pass
            finally:
                far_writer.transport.abort()
                writer.transport.abort()

        opening = asyncio.start_server(call, self.host, at)
        server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)
        return server.sockets[0].getsockname()[1]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, card: tuple[str, str]) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)

        async def arrive() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(due - self._loop.time())
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        async with asyncio.TaskGroup() as both:
            both.create_task(arrive())
            data = b"all"
            while data:
                data = await reader.read(CHUNK_BYTES)
                sent = max(self._free[card], self._loop.time()) + len(data) / self.bytes_per_second
                self._free[card] = sent
                await waiting.put((sent + self.delay_seconds, data))

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        async def hang_up() -> None:
            calls = asyncio.all_tasks() - {asyncio.current_task()}
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(hang_up(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
