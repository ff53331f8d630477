"""One HTTP request over one connection of its own, and in words why it wasn't answered.

A connection per request, since then each request meets the proxy's toxics and the balancing over replicas afresh, and a
replica that is frozen hurts only those who are sent to it. No TLS, redirects or chunked replies.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class Unanswered(Exception):
    """No reply came. `kind` is one of refused, timeout, reset, closed, garbled; the message says it in words."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body's data. Raises Unanswered (garbled) if it isn't JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Unanswered("garbled", f"the reply isn't JSON: {error}") from error


async def call(
    method: str, url: str, data: Any = None, *, timeout: float = 1.0, headers: dict[str, str] | None = None
) -> Reply:
    """Send a request (with `data` as JSON) and return the reply, within `timeout` seconds. Raises Unanswered."""
    try:
        async with asyncio.timeout(timeout):
            return await _exchange(method, url, data, headers or {})
    except TimeoutError as error:
        raise Unanswered("timeout", f"no answer within {timeout:g} s") from error
    except ConnectionRefusedError as error:
        raise Unanswered("refused", "connection refused") from error
    except (ConnectionResetError, BrokenPipeError) as error:
        raise Unanswered("reset", "connection reset by peer") from error
    except asyncio.IncompleteReadError as error:
        raise Unanswered("closed", "connection closed before the answer came") from error
    except (ValueError, IndexError, asyncio.LimitOverrunError) as error:
        raise Unanswered("garbled", f"the answer isn't HTTP: {error}") from error
    except OSError as error:
        raise Unanswered("refused", f"can't connect: {error}") from error


async def _exchange(method: str, url: str, data: Any, headers: dict[str, str]) -> Reply:
    parts = urlsplit(url)
    body = b"" if data is None else json.dumps(data).encode()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Connection: close",
        f"Content-Length: {len(body)}",
    ]
    if data is not None:
        lines.append("Content-Type: application/json")
    lines.extend(f"{name}: {value}" for name, value in headers.items())
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        lengths = [line.partition(":")[2] for line in head if line.lower().startswith("content-length:")]
        content = await reader.readexactly(int(lengths[0])) if lengths else b""
        return Reply(status, content)
    finally:
        # Nothing is left to be said on this connection, and a held one must not delay the caller.
        writer.transport.abort()
