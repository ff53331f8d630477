"""Servers on loopback that do exactly what a test says with the bytes of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]


class Server:
    """A listening server: its address and the heads of the requests that reached it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[str] = []


@asynccontextmanager
async def serving(behaviour: Behaviour, *, read_request: bool = True) -> AsyncIterator[Server]:
    """Serve with `behaviour(reader, writer)`, called once the head of a request has come (or at once)."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            if read_request:
                server.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server = Server(listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(*pieces: bytes) -> Behaviour:
    """Send these bytes and close."""

    async def behave(reader: Reader, writer: Writer) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        await reader.read()

    return behave


def page(body: bytes, kind: str = "text/plain", status: str = "200 OK", extra: str = "") -> Behaviour:
    """A whole and legal reply."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    return saying(head.encode(), body)


def json_page(body: str, status: str = "200 OK") -> Behaviour:
    return page(body.encode(), "application/json", status)


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Behaviour:
    """Send `head`, then `piece` again and again until the other side is gone."""

    async def behave(reader: Reader, writer: Writer) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave


async def silent(reader: Reader, writer: Writer) -> None:
    """Take the request and never answer."""
    await reader.read()


async def resetting(reader: Reader, writer: Writer) -> None:
    """End the connection with RST instead of an answer."""
    import socket
    import struct

    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
