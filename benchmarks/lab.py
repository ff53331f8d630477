"""A target with a ledger of its own: a small server process that stamps every request on CLOCK_BOOTTIME as it arrives.

It is one thread around a selector, so that what it stamps is when a request came in and not when a thread got its turn.
It knows `/health` (200, and 503 once it was told to break), `/state/NAME` (set by PUT or POST, taken away by DELETE),
`/slow` (never answers) and `/break`. Run as a program it is the server; imported, `Lab` starts one.

    python -m benchmarks.lab LEDGER_FILE
"""

from __future__ import annotations

import http.client
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
_LOOK = 0.02
"""Seconds between two looks of the waiting side: it must not take the processor from what is measured."""


def boot_clock() -> float:
    """Seconds on the clock of all figures, the same in every process of the machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_for(look: Callable[[], T | None], within: float, what: str) -> T:
    """What `look` returns first that is not None. Raises TimeoutError, with `what`, after `within` seconds."""
    until = time.monotonic() + within
    while (found := look()) is None:
        if time.monotonic() >= until:
            raise TimeoutError(f"not within {within:g} s: {what}")
        time.sleep(_LOOK)
    return found


# --- the server ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Talk:
    """A connection: what came so far, and when the first byte of it was read."""

    buffer: bytes = b""
    arrived: float = 0.0


_HEADERS = "Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n"


class _Server:
    def __init__(self, ledger: Path) -> None:
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._broken = False
        self._state: set[str] = set()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._accept()
                else:
                    self._read(key.fileobj, key.data)  # type: ignore[arg-type]

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it was taken back before we looked
        connection.setblocking(True)
        self._selector.register(connection, selectors.EVENT_READ, _Talk())

    def _read(self, connection: socket.socket, talk: _Talk) -> None:
        try:
            chunk = connection.recv(65536)
        except OSError:
            chunk = b""
        now = boot_clock()
        if not chunk:
            self._close(connection)
            return
        talk.arrived = talk.arrived or now
        talk.buffer += chunk
        head, end, body = talk.buffer.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        status = self._status(method, path)
        answered = None
        if status:
            answer = f"HTTP/1.1 {status} -\r\n{_HEADERS}\r\n{{}}"
            # Stamped before the write: the asker can't have the answer any earlier.
            answered = boot_clock()
            try:
                connection.sendall(answer.encode())
            except OSError:
                answered = None  # nobody waits for it any more
            self._close(connection)
        line = {"method": method, "path": path, "status": status, "arrived": talk.arrived, "answered": answered}
        os.write(self._ledger, json.dumps(line).encode() + b"\n")

    def _close(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        connection.close()

    def _status(self, method: str, path: str) -> int | None:
        """The status to answer with; None for silence."""
        if path == "/slow":
            return None
        if path == "/health":
            return 503 if self._broken else 200
        if path == "/break":
            self._broken = True
            return 200
        if path.startswith("/state/"):
            there = path in self._state
            if method in ("PUT", "POST"):
                self._state.add(path)
                return 200
            if method == "DELETE":
                self._state.discard(path)
            return 200 if there else 404
        return 404


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


# --- its user ------------------------------------------------------------------------------------------------------


class Lab:
    """A server of this kind, started for one round; `with Lab(folder) as lab`."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger.jsonl"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.lab", str(self.ledger)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def lines(self, method: str, path: str) -> list[dict[str, Any]]:
        """The ledger's lines for `method` and paths that begin with `path`, in order of arrival."""
        text = self.ledger.read_text() if self.ledger.exists() else ""
        known = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return [line for line in known if line["method"] == method and line["path"].startswith(path)]

    def first(self, method: str, path: str, within: float = 30.0) -> dict[str, Any]:
        """The first such line, waited for."""
        return wait_for(lambda: next(iter(self.lines(method, path)), None), within, f"{method} {path} in the ledger")

    def break_health(self) -> None:
        """From now on `/health` answers 503."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("PUT", "/break")
        connection.getresponse().read()
        connection.close()

    def check_untouched(self) -> None:
        """Raise RuntimeError where an undo has come in already: then there is nothing to be measured any more."""
        early = self.lines("DELETE", "/state/")
        if early:
            raise RuntimeError(f"an undo came in before anything asked for one: {early[0]}")

    def breach_sent(self) -> float:
        """CLOCK_BOOTTIME at which the first 503 of `/health` was about to be written."""
        answers = [line["answered"] for line in self.lines("GET", "/health") if line["status"] == 503]
        return float(next(at for at in answers if at is not None))

    def first_undo(self, within: float = 30.0) -> float:
        """CLOCK_BOOTTIME at which the first byte of the first undo was read."""
        return float(self.first("DELETE", "/state/", within)["arrived"])


def main() -> None:
    server = _Server(Path(sys.argv[1]))
    print(server.port, flush=True)
    server.serve()


if __name__ == "__main__":
    main()
