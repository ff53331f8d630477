"""A small HTTP/1.1 server for the sandbox's processes: routes, JSON, and the moment at which a request arrived.

The standard library's own server is threaded and the good ones are not in the standard library; each process must start
within milliseconds. It serves loopback only, and refuses what a web page of somebody else's could send here (a foreign
Host or Origin). No TLS, no chunked request bodies, no streaming.
"""

import asyncio
import json
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from gameday.sandbox.clock import boot

_LARGEST_HEAD = 32_768
_LARGEST_BODY = 1_000_000
_IDLE = 75.0
_SETTLING = 0.02
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]", "::1"}


class Problem(Exception):
    """A request that can't be served: the HTTP status and what to tell the sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """One request; `received` is the CLOCK_BOOTTIME second at which it arrived."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    received: float

    def queries(self, name: str) -> list[str]:
        """The values that a query parameter is given, in order."""
        return [value for known, value in self.query if known == name]

    def data(self) -> Any:
        """The body's JSON; an empty body is an empty object. Raises Problem 400 if it isn't JSON."""
        try:
            return json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise Problem(400, f"bad request body: {error}") from error

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises Problem 400 if it isn't one."""
        data = self.data()
        if not isinstance(data, dict):
            raise Problem(400, "bad request body: expected a JSON object")
        return data


@dataclass(frozen=True)
class Response:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    type: str = "application/json"


def reply(data: Any, status: int = 200) -> Response:
    """A JSON response."""
    return Response(status, json.dumps(data).encode() + b"\n")


def page(text: str, kind: str = "text/plain; version=0.0.4; charset=utf-8") -> Response:
    """A text response; as a Prometheus page if nothing else is said."""
    return Response(200, text.encode(), kind)


Endpoint = Callable[..., Awaitable[Response]]


class Routes:
    """Which endpoint answers which method and path; `{word}` in a path is passed to the endpoint by that name."""

    def __init__(self, error: Callable[[Problem], Response] | None = None) -> None:
        self._routes: list[tuple[str, list[str], Endpoint]] = []
        self._error = error or (lambda problem: reply({"error": str(problem)}, problem.status))

    def add(self, methods: str, path: str, endpoint: Endpoint) -> None:
        """Have `endpoint` answer these methods (parted by spaces) on this path."""
        self._routes.extend((method, path.split("/"), endpoint) for method in methods.split())

    async def answer(self, request: Request) -> Response:
        """The endpoint's response, or an error's."""
        try:
            refuse_foreign(request)
            endpoint, words = self._find(request)
            return await endpoint(request, **words)
        except Problem as problem:
            return self._error(problem)
        except Exception as error:  # noqa: BLE001 - a mistake in one endpoint must not silence the process
            sys.stderr.write(traceback.format_exc())
            return self._error(Problem(500, f"{type(error).__name__}: {error}"))

    def _find(self, request: Request) -> tuple[Endpoint, dict[str, str]]:
        parts = request.path.split("/")
        other_methods = set()
        for method, template, endpoint in self._routes:
            words = _match(template, parts)
            if words is None:
                continue
            if method == request.method or (method == "GET" and request.method == "HEAD"):
                return endpoint, words
            other_methods.add(method)
        if other_methods:
            raise Problem(405, f"{request.path} takes {', '.join(sorted(other_methods))}, not {request.method}")
        raise Problem(404, f"nothing is at {request.path}")


def _match(template: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(template) != len(parts):
        return None
    words = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted.startswith("{"):
            words[wanted[1:-1]] = unquote(part)
        elif wanted != part:
            return None
    return words


def refuse_foreign(request: Request) -> None:
    """Raise Problem 403 if the request is for another host's name or comes from another site's page."""
    host = request.headers.get("host", "127.0.0.1")
    if _hostname(host) not in _LOOPBACK:
        raise Problem(403, f"this serves loopback only, not {host}")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Problem(403, f"requests from pages of {origin} are refused")


def _hostname(host: str) -> str:
    return host[: host.index("]") + 1] if host.startswith("[") else host.rsplit(":", 1)[0]


def listening_socket(port: int = 0) -> socket.socket:
    """A listening socket on loopback. Several processes may listen on one port: the kernel shares connections out."""
    listener = reserve(port)
    listener.listen(256)
    return listener


def reserve(port: int = 0) -> socket.socket:
    """A socket that holds a port without listening: connections are refused, and nobody else is given the port."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind(("127.0.0.1", port))
    holder.setblocking(False)
    return holder


class Server:
    """Serves routes on any number of loopback ports of this process."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._servers: list[tuple[asyncio.Server, socket.socket]] = []
        self._late: set[asyncio.Task[None]] = set()
        # Connections that are being answered, or are new and about to ask.
        self._busy = 0

    async def listen(self, port: int = 0) -> int:
        """Start listening; returns the port."""
        listener = listening_socket(port)
        server = await asyncio.start_server(self._converse, sock=listener, limit=_LARGEST_HEAD)
        self._servers.append((server, listener))
        return int(listener.getsockname()[1])

    async def drain(self, patience: float) -> None:
        """Stop listening and give what is being answered up to `patience` seconds."""
        for server, listener in self._servers:
            self._accept_the_rest(listener)
            server.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        # What was accepted last takes a few rounds of the loop until it counts as busy.
        await asyncio.sleep(_SETTLING)
        while self._busy and loop.time() < deadline:
            await asyncio.sleep(0.01)

    def _accept_the_rest(self, listener: socket.socket) -> None:
        """Accept who has been let in by the kernel already: closing the listener would reset them."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._converse_over(connection))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _converse_over(self, connection: socket.socket) -> None:
        await self._converse(*await asyncio.open_connection(sock=connection, limit=_LARGEST_HEAD))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy += 1
        try:
            stays = await self._exchange(reader.readuntil(b"\r\n\r\n"), reader, writer)
            while stays:
                stays = await self._exchange(self._next_head(reader), reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # The other side went away or fell silent: there is nobody left to tell.
        except asyncio.CancelledError:
            pass  # The process is leaving.
        finally:
            self._busy -= 1
            writer.close()

    async def _next_head(self, reader: asyncio.StreamReader) -> bytes:
        self._busy -= 1
        try:
            return await reader.readuntil(b"\r\n\r\n")
        finally:
            self._busy += 1

    async def _exchange(
        self, coming: Coroutine[Any, Any, bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer the request whose head is coming; says whether the connection stays open."""
        try:
            async with asyncio.timeout(_IDLE):
                head = await coming
        except asyncio.LimitOverrunError:
            _send(writer, Request("", "", [], {}, b"", 0.0), reply({"error": "too long a head"}, 431), False)
            return False
        received = boot()
        request, error = await _read(head, reader, received)
        response = error or await self._routes.answer(request)
        stays = error is None and request.headers.get("connection", "").lower() != "close"
        _send(writer, request, response, stays)
        await writer.drain()
        return stays


async def _read(head: bytes, reader: asyncio.StreamReader, received: float) -> tuple[Request, Response | None]:
    nothing = Request("", "", [], {}, b"", received)
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return nothing, reply({"error": "this speaks HTTP/1.1"}, 400)
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if "transfer-encoding" in headers:
        return nothing, reply({"error": "send a Content-Length"}, 411)
    length = headers.get("content-length", "0")
    if not length.isdigit():
        return nothing, reply({"error": "a Content-Length is a number"}, 400)
    if int(length) > _LARGEST_BODY:
        return nothing, reply({"error": f"a body has at most {_LARGEST_BODY} bytes"}, 413)
    async with asyncio.timeout(_IDLE):
        body = await reader.readexactly(int(length))
    url = urlsplit(parts[1])
    return Request(parts[0], url.path, parse_qsl(url.query), headers, body, received), None


def _send(writer: asyncio.StreamWriter, request: Request, response: Response, stays: bool) -> None:
    head = [f"HTTP/1.1 {response.status} {_PHRASES.get(response.status, 'Unnamed')}"]
    if response.status != HTTPStatus.NO_CONTENT:
        head.append(f"Content-Type: {response.type}")
        head.append(f"Content-Length: {len(response.body)}")
    head.append("Cache-Control: no-store")
    head.append("Connection: keep-alive" if stays else "Connection: close")
    body = b"" if request.method == "HEAD" or response.status == HTTPStatus.NO_CONTENT else response.body
    writer.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
