"""The guardian's door for people: a Unix socket for consoles and commands. Counts consoles; knows no faults."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LONGEST = 65536
"""Bytes of one request; whoever sends more is cut off."""


@dataclass(slots=True)
class Peer:
    """One connection."""

    sock: socket.socket
    buffer: bytes = b""
    attached: str | None = None
    owner: bool = False
    """The command that started an unattended run: it ends, the run ends."""


class Peers:
    """Listens at `path`; `ask` answers a request, `gone` hears of a peer that left."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        path: Path,
        ask: Callable[[Peer, dict[str, Any]], dict[str, Any]],
        gone: Callable[[Peer], None],
    ) -> None:
        self._selector = selector
        self._path = path
        self._ask = ask
        self._gone = gone
        self._peers: dict[int, Peer] = {}
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(16)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._connect)

    @property
    def consoles(self) -> int:
        return sum(peer.attached is not None and not peer.owner for peer in self._peers.values())

    def close(self) -> None:
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _connect(self, _: Any) -> None:
        try:
            sock, _address = self._listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        peer = Peer(sock)
        self._peers[sock.fileno()] = peer
        self._selector.register(sock, selectors.EVENT_READ, lambda _: self._read(peer))

    def _read(self, peer: Peer) -> None:
        try:
            chunk = peer.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        peer.buffer += chunk
        if not chunk or len(peer.buffer) > _LONGEST:
            self._drop(peer)
            return
        while b"\n" in peer.buffer:
            line, peer.buffer = peer.buffer.split(b"\n", 1)
            self._reply(peer, self._answer(peer, line))

    def _answer(self, peer: Peer, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except ValueError:
            return {"error": "not JSON"}
        return self._ask(peer, message) if isinstance(message, dict) else {"error": "not an object"}

    def _reply(self, peer: Peer, answer: dict[str, Any]) -> None:
        try:
            peer.sock.send(json.dumps(answer).encode() + b"\n")
        except OSError:
            self._drop(peer)

    def _drop(self, peer: Peer) -> None:
        if self._peers.pop(peer.sock.fileno(), None) is not None:
            self._selector.unregister(peer.sock)
            peer.sock.close()
            self._gone(peer)
