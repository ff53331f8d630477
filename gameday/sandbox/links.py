"""Carries the bytes of one proxied connection, and lets the toxics of its proxy be felt.

A connection has two pipes, one each way. What a pipe has received waits in a queue until it is due; a toxic that comes,
changes or goes has the pipe look again, so toxics apply to live connections as well. Knows nothing of the proxy's API.
"""

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from gameday.sandbox.toxics import Toxic

_MOST_QUEUED = 64
# How long a connection is kept after its client said that it sends no more, seconds. Toxiproxy drops it at once; the
# grace lets a reply still come. Without an end, connections to an upstream that never answers would pile up.
_ABANDONED_AFTER = 2.0
_NEVER = float("inf")


@dataclass
class _Chunk:
    """Bytes received at a time of the loop's clock; none at all mean the end of the stream."""

    data: bytes
    received: float
    luck: float = field(default_factory=lambda: random.uniform(-1, 1))


class _Side(asyncio.Protocol):
    """One end of the connection; what it receives goes into its pipe."""

    def __init__(self, link: "Link") -> None:
        self._link = link
        self.transport: asyncio.Transport | None = None
        self.outgoing: Pipe | None = None
        self.incoming: Pipe | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._link.connected(self)

    def data_received(self, data: bytes) -> None:
        if self.outgoing is not None:
            self.outgoing.receive(data)

    def eof_received(self) -> bool:
        if self.outgoing is not None:
            self.outgoing.receive(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.end()

    def pause_writing(self) -> None:
        if self.incoming is not None:
            self.incoming.blocked = True

    def resume_writing(self) -> None:
        if self.incoming is not None:
            self.incoming.blocked = False
            self.incoming.flush()


class Pipe:
    """One direction of a connection."""

    def __init__(self, link: "Link", stream: str, source: asyncio.Transport, sink: asyncio.Transport) -> None:
        self._loop = asyncio.get_running_loop()
        self._link = link
        self._stream = stream
        self._source = source
        self._sink = sink
        self._queue: deque[_Chunk] = deque()
        self._started = self._loop.time()
        self._rolls: dict[Toxic, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._swallowed = False
        self.blocked = False
        self.done = False

    def receive(self, data: bytes) -> None:
        """Take in what came; no data is the end of the stream."""
        self._queue.append(_Chunk(data, self._loop.time()))
        if len(self._queue) == _MOST_QUEUED:
            self._source.pause_reading()
        if not data and self._stream == "upstream":
            self._link.client_left()
        self.flush()

    def flush(self) -> None:
        """Pass on what is due, and come back when more is. A toxic may close or reset the whole connection."""
        self.cancel()
        again = self._pass_on()
        if again is not None and again != _NEVER:
            self._timer = self._loop.call_at(again, self.flush)

    def cancel(self) -> None:
        """Don't come back by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pass_on(self) -> float | None:
        """When to come back on the loop's clock: None for not before something changes."""
        while not self._link.ended:
            now = self._loop.time()
            if self._active("timeout"):
                self._swallow()
            elif self._swallowed:
                self._link.end()  # A stream with a gap is of no use to anybody.
            if self._link.ended:
                return None
            held = self._held_until(now)
            if held is not None or not self._queue or self.blocked:
                return held
            chunk = self._queue[0]
            due = chunk.received + sum(self._delay(toxic, chunk) for toxic in self._active("latency"))
            if due > now:
                return due
            self._queue.popleft()
            if len(self._queue) == _MOST_QUEUED - 1:
                self._source.resume_reading()
            if chunk.data:
                self._sink.write(chunk.data)
                continue
            try:
                self._sink.write_eof()
            except OSError:
                self._link.end()  # That end broke off already, which its transport is only about to learn.
                return None
            self.done = True
            self._link.pipe_done()
        return None

    def _swallow(self) -> None:
        """Drop what came. The end of the stream isn't kept back: it ends the connection, as in Toxiproxy."""
        self._swallowed = True
        if any(not chunk.data for chunk in self._queue):
            self._link.end()
            return
        if len(self._queue) >= _MOST_QUEUED:
            self._source.resume_reading()
        self._queue.clear()

    def _active(self, *kinds: str) -> list[Toxic]:
        """The toxics of this direction that this connection was dealt."""
        toxics = [toxic for toxic in self._link.toxics() if toxic.stream == self._stream and toxic.type in kinds]
        return [toxic for toxic in toxics if self._rolls.setdefault(toxic, random.random()) < toxic.toxicity]

    def _delay(self, toxic: Toxic, chunk: _Chunk) -> float:
        return max(0.0, toxic.seconds("latency") + chunk.luck * toxic.seconds("jitter"))

    def _held_until(self, now: float) -> float | None:
        """None if data may pass; else the time at which to look again. Ends the link if a toxic says so."""
        held: float | None = None
        for toxic in self._active("timeout", "reset_peer"):
            patience = toxic.seconds("timeout")
            if toxic.type == "timeout":
                ends = max(self._started, toxic.since) + patience if patience > 0 else _NEVER
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

    def __init__(self, upstream: tuple[str, int], toxics: Callable[[], list[Toxic]], links: "set[Link]") -> None:
        """`links` are the live ones of the proxy; a link enters and leaves by itself."""
        self._upstream = upstream
        self._links = links
        self._pipes: list[Pipe] = []
        self._connecting: asyncio.Task[None] | None = None
        self._abandoning: asyncio.TimerHandle | None = None
        self.toxics = toxics
        self.client = _Side(self)
        self.server = _Side(self)
        self.ended = False
        links.add(self)

    def connected(self, side: _Side) -> None:
        """One end is there. The client's comes first; it isn't read from before the other one is there."""
        assert side.transport is not None
        if self.ended:
            side.transport.abort()
        elif side is self.client:
            side.transport.pause_reading()
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        elif self.client.transport is not None:
            up = Pipe(self, "upstream", self.client.transport, side.transport)
            down = Pipe(self, "downstream", side.transport, self.client.transport)
            self.client.outgoing = self.server.incoming = up
            self.server.outgoing = self.client.incoming = down
            self._pipes = [up, down]
            self.client.transport.resume_reading()
            self.wake()

    async def _connect(self) -> None:
        host, port = self._upstream
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.server, host, port)
        except OSError:
            # An upstream that can't be reached closes the client's connection, as Toxiproxy does.
            self.end()

    def wake(self) -> None:
        """Look at the toxics again."""
        for pipe in self._pipes:
            pipe.flush()

    def client_left(self) -> None:
        """The client sends no more."""
        self._abandoning = asyncio.get_running_loop().call_later(_ABANDONED_AFTER, self.end)

    def pipe_done(self) -> None:
        """One direction is through; when both are, what was written still goes out and the connection closes."""
        if all(pipe.done for pipe in self._pipes):
            self.end()

    def end(self, *, reset: bool = False) -> None:
        """Close both sides at once; with `reset` they see a connection reset. What is queued is lost, what is written
        isn't."""
        if self.ended:
            return
        self.ended = True
        self._links.discard(self)
        if self._abandoning is not None:
            self._abandoning.cancel()
        if self._connecting is not None and self.server.transport is None:
            self._connecting.cancel()
        for pipe in self._pipes:
            pipe.cancel()
        for side in (self.client, self.server):
            if side.transport is None:
                continue
            connection = side.transport.get_extra_info("socket")
            if reset and not side.transport.is_closing():
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                side.transport.abort()
            else:
                side.transport.close()
