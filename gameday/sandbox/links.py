"""Carries the bytes of one proxied connection, and lets the toxics of its proxy be felt.

A connection has two pipes, one each way. What a pipe has received waits in a queue; a toxic that comes, changes or goes
wakes the pipe, so toxics apply to live connections as well. Knows nothing of the proxy's API.
"""

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gameday.sandbox.toxics import Toxic

_CHUNK = 65_536
_MOST_QUEUED = 64
# How long a connection is kept after its client said that it sends no more, seconds.
_ABANDONED_AFTER = 2.0


@dataclass
class _Chunk:
    """Bytes received at a time of the loop's clock; none at all mean the end of the stream."""

    data: bytes
    received: float
    luck: float = field(default_factory=lambda: random.uniform(-1, 1))


class Pipe:
    """One direction of a connection."""

    def __init__(
        self,
        link: "Link",
        stream: str,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        toxics: Callable[[], list[Toxic]],
    ) -> None:
        self._link = link
        self._stream = stream
        self._source = source
        self._sink = sink
        self._toxics = toxics
        self._queue: deque[_Chunk] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._started = asyncio.get_running_loop().time()
        self._rolls: dict[Toxic, float] = {}

    def wake(self) -> None:
        """Look at the toxics again."""
        self._wake.set()
        self._room.set()

    async def receive(self) -> None:
        """Queue what comes in, until its end."""
        loop = asyncio.get_running_loop()
        while True:
            data = await self._source.read(_CHUNK)
            self._queue.append(_Chunk(data, loop.time()))
            self._wake.set()
            if not data:
                return
            while len(self._queue) >= _MOST_QUEUED and not self._link.ended:
                self._room.clear()
                await self._room.wait()

    async def deliver(self) -> None:
        """Pass on what is due, until the end of the stream. A toxic may close or reset the whole connection."""
        loop = asyncio.get_running_loop()
        while not self._link.ended:
            self._wake.clear()
            now = loop.time()
            until = self._held_until(now)
            if until is None and self._queue:
                chunk = self._queue[0]
                until = chunk.received + sum(self._delay(toxic, chunk) for toxic in self._active("latency"))
                if until <= now:
                    self._queue.popleft()
                    self._room.set()
                    if not chunk.data:
                        if self._sink.can_write_eof():
                            self._sink.write_eof()
                        return
                    self._sink.write(chunk.data)
                    await self._sink.drain()
                    continue
            await self._sleep(until)

    async def _sleep(self, until: float | None) -> None:
        """Wait until woken, or until that time of the loop's clock."""
        try:
            async with asyncio.timeout_at(None if until == float("inf") else until):
                await self._wake.wait()
        except TimeoutError:
            return

    def _active(self, *kinds: str) -> list[Toxic]:
        """The toxics of this direction that this connection was dealt."""
        toxics = [toxic for toxic in self._toxics() if toxic.stream == self._stream and toxic.type in kinds]
        return [toxic for toxic in toxics if self._rolls.setdefault(toxic, random.random()) < toxic.toxicity]

    def _delay(self, toxic: Toxic, chunk: _Chunk) -> float:
        return max(0.0, toxic.seconds("latency") + chunk.luck * toxic.seconds("jitter"))

    def _held_until(self, now: float) -> float | None:
        """None if data may pass; else the time at which to look again. Ends the link if a toxic says so."""
        held: float | None = None
        for toxic in self._active("timeout", "reset_peer"):
            patience = toxic.seconds("timeout")
            if toxic.type == "timeout":
                ends = max(self._started, toxic.since) + patience if patience > 0 else float("inf")
            elif self._queue:
                ends = max(self._queue[0].received, toxic.since) + patience
            else:
                continue
            if ends <= now:
                self._link.end(reset=toxic.type == "reset_peer")
            held = ends if held is None else min(held, ends)
        return held


class Link:
    """One proxied connection: a client's, and ours to the upstream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writers = [writer]
        self._pipes: list[Pipe] = []
        self.ended = False

    async def carry(self, host: str, port: int, toxics: Callable[[], list[Toxic]]) -> None:
        """Connect to the upstream and carry bytes both ways until both ends are done or the link is ended.

        An upstream that can't be reached closes the client's connection, as Toxiproxy does.
        """
        try:
            reader, writer = await asyncio.open_connection(host, port)
            self._writers.append(writer)
            if self.ended:
                return
            up = Pipe(self, "upstream", self._reader, writer, toxics)
            down = Pipe(self, "downstream", reader, self._writers[0], toxics)
            self._pipes = [up, down]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive_from_client(up))
                tasks.create_task(down.receive())
                tasks.create_task(up.deliver())
                tasks.create_task(down.deliver())
        except* OSError:
            pass  # One end broke off; both are closed below, which is how the other one learns of it.
        finally:
            for writer in self._writers:
                writer.close()

    async def _receive_from_client(self, up: Pipe) -> None:
        await up.receive()
        # Toxiproxy drops a connection as soon as its client says no more; the grace lets a reply still come. Without an
        # end, connections to an upstream that never answers would pile up.
        asyncio.get_running_loop().call_later(_ABANDONED_AFTER, self.end)

    def wake(self) -> None:
        """Look at the toxics again."""
        for pipe in self._pipes:
            pipe.wake()

    def end(self, *, reset: bool = False) -> None:
        """Close both sides at once; with `reset` they see a connection reset."""
        self.ended = True
        for writer in self._writers:
            connection = writer.get_extra_info("socket")
            if reset and not writer.transport.is_closing():
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self.wake()
