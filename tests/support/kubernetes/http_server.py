"""The socket side: connections, one thread each, and the bad days that befall them."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from tests.support.kubernetes import api, watches
from tests.support.kubernetes.answers import Answer, Failure, Unknown, failure
from tests.support.kubernetes.world import TESTER, Call, Trouble, World

_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_MESSAGES = {
    401: "Unauthorized",
    410: "The resourceVersion for the provided watch is too old.",
    429: "too many requests, please try again later",
    500: "Internal error occurred: etcdserver: leader changed",
    503: "the server is currently unable to handle the request",
    504: "Timeout: request did not complete within the allotted timeout",
}


class Gate:
    """A port that can be closed to everybody and opened again, and stays ours meanwhile."""

    def __init__(self, world: World, tester: bool) -> None:
        self.world = world
        # Whether whoever comes through here is the test itself, whatever their token.
        self.tester = tester
        # Bound but never listening: nobody else gets the port while the listener is away.
        self._holder = _bound(0)
        self.port: int = self._holder.getsockname()[1]
        self._listener: socket.socket | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        # What answers `POST /control`; of the private port only.
        self.control: Callable[[dict[str, Any]], Any] | None = None

    def open(self) -> None:
        if self._listener is None:
            self._listener = _bound(self.port)
            self._listener.listen(128)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse new connections and reset those that are there."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Closing alone does not wake a thread in accept().
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            there = list(self._open)
        for connection in there:
            reset(connection)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Requests(connection, address, self)
        except OSError:
            # The client has left, or a test has reset the connection.
            return
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _bound(port: int) -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", port))
    return one


def reset(connection: socket.socket) -> None:
    """End a connection with RST, as a crash of the other side does."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # shutdown() wakes a thread that reads from it; the close that sends RST follows there.
        connection.shutdown(socket.SHUT_RD)
        os.close(connection.detach())


class _Requests(http.server.BaseHTTPRequestHandler):
    """The requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "kube-apiserver"

    def __init__(self, connection: socket.socket, address: Any, gate: Gate) -> None:
        self.gate = gate
        self.world = gate.world
        super().__init__(connection, address, None)  # type: ignore[arg-type]

    def log_message(self, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        call = api.read(self.command, self.path, self.headers.get("Content-Type", ""), raw)
        call.user_agent = self.headers.get("User-Agent", "")
        try:
            if self.gate.control is not None and call.path == "/control":
                self._send(call, self._obey(self.gate.control, call.body))
                return
            self._carry_out(call)
        except OSError:
            # Done or not, nobody is there to hear it.
            call.status = call.status or 0
            self.close_connection = True

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _obey(self, control: Callable[[dict[str, Any]], Any], order: dict[str, Any]) -> Answer:
        try:
            return Answer(200, {"told": control(dict(order))})
        except Exception as why:  # noqa: BLE001 - the test that gave the order is told
            return Answer(500, {"failed": f"{order}: {why!r}\n{traceback.format_exc()}"})

    def _carry_out(self, call: Call) -> None:
        world = self.world
        trouble: Trouble | None = None
        refused: Failure | None = None
        if self.gate.tester:
            call.user = TESTER
        else:
            try:
                api.identify(world, call, self.headers.get("Authorization", ""))
                api.impersonate(world, call, self.headers)
            except Failure as said:
                refused = said
            with world.lock:
                world.calls.append(call)
            trouble = world.strike(call)
        if trouble is not None and trouble.delay:
            # The client may leave meanwhile; the request is carried out all the same.
            time.sleep(trouble.delay)
        if trouble is not None and trouble.reset == "before":
            self._hang_up(call)
            return
        found: Answer | api.Watch
        try:
            if refused is not None:
                raise refused
            if trouble is not None and trouble.status is not None:
                raise _troubled(trouble)
            found = api.answer(world, call)
            if isinstance(found, api.Watch):
                match = watches.begin(world, found.resource, found.call)
        except Failure as said:
            found = said.answer
        except Unknown as why:
            found = api.refusal(world, call, why)
        except Exception as why:  # noqa: BLE001 - a fault of the double is answered as one, and held against the test
            traceback.print_exc(file=sys.stderr)
            with world.lock:
                world.violations.append(f"the test server failed: {why!r} ({call.method} {call.path})")
            found = failure(500, "InternalError", f"the test server failed: {why!r}").answer
        if trouble is not None and trouble.delay_answer:
            time.sleep(trouble.delay_answer)
        if trouble is not None and trouble.reset == "after":
            self._hang_up(call)
        elif isinstance(found, Answer):
            self._send(call, found)
        else:
            self._stream(call, found, match)

    def _hang_up(self, call: Call) -> None:
        call.status = 0
        self.close_connection = True
        self.wfile.flush()
        reset(self.connection)

    def _send(self, call: Call, answer: Answer) -> None:
        body = answer.encoded()
        call.status = answer.status
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, values in answer.headers.items():
            for value in values:
                self.send_header(name, value)
        # The buffer of the base class: it would be flushed in a write of its own.
        held: list[bytes] = vars(self)["_headers_buffer"]
        head = b"".join([*held, b"\r\n"])
        held.clear()
        # One write: two would wait for each other's acknowledgement.
        self.wfile.write(head + body)

    def _stream(self, call: Call, watch: api.Watch, match: Any) -> None:
        call.status = 200
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for line in watches.stream(self.world, watch.resource, watch.call, match):
                if line:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                elif _left(self.connection):
                    self.close_connection = True
                    return
        except watches.Dropped:
            self.close_connection = True
            reset(self.connection)
            return
        self.wfile.write(b"0\r\n\r\n")


def _left(connection: socket.socket) -> bool:
    """Whether the other side has closed."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _troubled(trouble: Trouble) -> Failure:
    status = trouble.status or 500
    reason = trouble.reason or _REASONS.get(status, "")
    details: dict[str, Any] = {}
    headers: dict[str, list[str]] = {}
    if trouble.retry_after is not None:
        details["retryAfterSeconds"] = trouble.retry_after
        headers["Retry-After"] = [str(trouble.retry_after)]
    message = trouble.message or _MESSAGES.get(status, f"a bad day: {json.dumps(reason)}")
    return failure(status, reason, message, details, headers)
